# `make` lists the targets. VENV=DIR uses another environment, PYTHON=... another interpreter to make it with.
# TORCH=cpu takes PyTorch without the libraries for GPUs; an environment remembers that.
VENV ?= .venv
PYTHON ?= python3
TORCH ?= $(shell cat "$(VENV)/.fastbook_ch4-torch" 2>/dev/null)
.DEFAULT_GOAL := help
.PHONY: help install ladder test test-full lab docs docs-quarto docs-serve pyodide book cards assignments \
        readme address constraints outputs bench clean

# An environment is up to date for this folder when its stamp holds this key.
KEY := $(shell cat settings.ini setup.py pyproject.toml | cksum | tr ' ' '-') $(CURDIR)$(TORCH:%= %)
RUN := "$(VENV)/bin/python"

# $(call install,STAMP,WHAT): install WHAT into $(VENV) unless that was done for this folder and these settings.
# uv takes a third of pip's time, and only uv knows TORCH. pip installs where uv cannot be had, or does not get through
# because only pip is set up for the proxy or mirror of the place. Both compile what they install: where Python may
# write no bytecode later, as in many containers, every start of PyTorch and fastai takes three times as long without.
define install
@if [ "$$(cat "$(VENV)/.fastbook_ch4-$(1)" 2>/dev/null)" != "$(KEY)" ]; then \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3,11) and "Python 3.11 or newer is needed; name one with make PYTHON=...")' && \
	{ test -x "$(VENV)/bin/python" || $(PYTHON) -m venv "$(VENV)"; } && \
	if [ "$(TORCH)" != "$$(cat "$(VENV)/.fastbook_ch4-torch" 2>/dev/null)" ] && \
	   ls -d "$(VENV)"/lib/python*/site-packages/torch >/dev/null 2>&1; then \
		echo '$(VENV) has another PyTorch than TORCH=$(TORCH) asks for. Remove it, or name a new one with VENV=DIR.' >&2; exit 1; \
	fi && \
	echo 'Installing into $(VENV); this takes a minute or a few, and happens once.' && \
	uv=$$(command -v uv || { $(RUN) -m pip install -q uv >&2 && echo "$(VENV)/bin/uv"; } || true) && \
	if [ "$$uv" ] && "$$uv" pip install --compile-bytecode --python $(RUN) $(TORCH:%=--torch-backend %) -e '$(2)'; then :; \
	elif [ "$(TORCH)" ]; then echo 'TORCH=$(TORCH) could not be installed; it needs uv.' >&2; exit 1; \
	else $(RUN) -m pip install --disable-pip-version-check -e '$(2)'; fi && \
	for stamp in run $(1); do echo "$(KEY)" > "$(VENV)/.fastbook_ch4-$$stamp"; done && \
	echo "$(TORCH)" > "$(VENV)/.fastbook_ch4-torch"; \
fi
endef

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## install what tests, notebooks and the site need
	$(call install,dev,.[dev])

ladder: ## train every step of the chapter and compare them (installs first)
	$(call install,run,.)
	@$(RUN) -m fastbook_ch4.cli ladder

test: ## run all notebooks and tests on the shipped digits (installs first)
	$(call install,dev,.[dev])
	@$(RUN) tests/run.py

test-full: ## run all notebooks and the published figures on the full MNIST_SAMPLE
	$(call install,dev,.[dev])
	@$(RUN) tests/run.py --full

lab: ## open the lessons in JupyterLab
	$(call install,lab,.[lab])
	@$(RUN) -m jupyter lab nbs

docs: ## build the site into _docs/ (installs first)
	$(call install,docs,.[docs])
	@$(RUN) tools/docs.py

docs-quarto: ## the same with Quarto, where that is installed
	$(call install,docs,.[docs])
	@$(RUN) tools/docs.py --quarto

docs-serve: ## show the site that was built, at an address on this machine
	$(call install,docs,.[docs])
	@$(RUN) tools/docs.py --serve

pyodide: ## fetch, with npm, the Python that a button of the site runs in the browser
	npm install --no-save --no-package-lock --prefix . pyodide@314.0.7

book: ## build the site and make an ePub and a PDF of it, into book/ (needs Chromium)
	$(call install,book,.[book])
	@$(RUN) tools/docs.py
	@$(RUN) tools/book.py

cards: ## make flash cards of questionnaire and glossary for Anki, and as a table, into cards/
	$(call install,docs,.[docs])
	@$(RUN) tools/cards.py

assignments: ## make assignments for nbgrader into assignments/
	$(call install,docs,.[docs])
	@$(RUN) tools/assignments.py

readme: ## make README.md from nbs/index.ipynb
	$(call install,dev,.[dev])
	@$(RUN) tools/readme.py

address: ## write user, repo and branch of settings.ini into the notebooks, CITATION.cff and CODE_OF_CONDUCT.md
	$(call install,dev,.[dev])
	@$(RUN) tools/address.py

constraints: ## write the versions installed here, with which all tests have passed, into constraints.txt
	$(call install,dev,.[dev])
	@$(RUN) tools/constraints.py

outputs: ## run the notebooks on the full MNIST_SAMPLE and save what they show
	$(call install,dev,.[dev])
	@$(RUN) tests/run.py --save
	@$(RUN) tools/digit_weights.py
	@$(RUN) tools/readme.py

bench: ## time the chapter's code and ours, side by side, on the full MNIST_SAMPLE
	$(call install,run,.)
	@$(RUN) tools/bench.py

clean: ## remove everything that was made here, except $(VENV)
	rm -rf runs build dist book *.egg-info _proc _docs .pytest_cache nbs/models nbs/runs
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
