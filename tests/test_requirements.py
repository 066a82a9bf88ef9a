"Every import belongs to a requirement of the group that needs it, and every requirement is used"
import ast,re,sys
from functools import cache
from importlib.metadata import packages_distributions

import pytest
from conftest import NOTEBOOKS, ROOT, code, place
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from test_project import SETTINGS

def group(name):
    "The distributions that group `name` of settings.ini requires ('' at run time)"
    lines = SETTINGS['DEFAULT'][f'{name}_requirements' if name else 'requirements'].strip().splitlines()
    return {canonicalize_name(Requirement(line).name) for line in lines}

RUN,LAB,MANY,DOCS,DEV,BOOK = (group(name) for name in ('', 'lab', 'many', 'docs', 'dev', 'book'))
IN_DEV = RUN|DOCS|DEV  # what `make install` brings
# The files that may use more than a plain install has; modules of the package only inside functions
MORE = {'fastbook_ch4/ledger/table.py': [RUN|LAB, IN_DEV], 'tools/docs.py': [RUN|DOCS],
        'tools/cards.py': [RUN|DOCS], 'tools/assignments.py': [RUN|DOCS],
        'tools/book.py': [DOCS|BOOK, IN_DEV],
        'fastbook_ch4/touch/__init__.py': [RUN|LAB, IN_DEV],
        **{f'nbs/{place(f)}.ipynb': [RUN|LAB, IN_DEV] for f in NOTEBOOKS},
        'nbs/20_many.ipynb': [RUN|LAB|MANY, IN_DEV]}
# Requirements that nothing imports: the file that needs them, and the text there that shows it
NOT_IMPORTED = {
    'plum-dispatch':    ('settings.ini', "plum-dispatch 2.10 broke fastai's import"),
    'smalldocs':        ('tools/docs.py', "'-m', 'smalldocs.cli'"),
    'build':            ('tests/test_project.py', "'-m', 'build', '--no-isolation'"),
    'setuptools':       ('pyproject.toml', 'build-backend = "setuptools.build_meta"'),  # with --no-isolation
    'check-jsonschema': ('tests/test_workflows.py', "'-m', 'check_jsonschema'"),
    'ipykernel':        ('nbs/01_data.ipynb', '"name": "python3"'),
    'pytest-xdist':     ('tests/run.py', "'--dist', 'worksteal'"),
    'ruff':             ('tests/test_form.py', "'-m', 'ruff'"),
    'uv':               ('Makefile', '$(VENV)/bin/uv'),
    'jupyterlab':       ('Makefile', '-m jupyter lab'),
    'pypandoc-binary':  ('tools/book.py', "import_module('pypandoc')"),
}
OURS = {'fastbook_ch4', *[f.stem for d in ('tests','tools') for f in (ROOT/d).glob('*.py')]}

def imports(source, anywhere=True):
    "The top-level names of what `source` imports from others, with or without its functions"
    names,todo = set(),[ast.parse(source)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import): names |= {o.name.split('.')[0] for o in node.names}
        if isinstance(node, ast.ImportFrom) and not node.level: names.add(node.module.split('.')[0])
        if anywhere or not isinstance(node, (ast.FunctionDef, ast.Lambda)): todo += ast.iter_child_nodes(node)
    return names-OURS-sys.stdlib_module_names

installed = cache(packages_distributions)

def distributions(names):
    "The installed distributions that have the modules `names`"
    found = installed()
    assert names<=found.keys(), f'not installed: {names-found.keys()}'
    return {name: canonicalize_name(found[name][0]) for name in names}

def notebook(name):
    "The Python of all cells of a notebook"
    return '\n'.join(re.sub(r'^(\s*)[%!].*', r'\1pass', source, flags=re.M) for source,_ in code(name))

FILES = [f for folder in ('fastbook_ch4','tools','tests') for f in sorted((ROOT/folder).rglob('*.py'))]
SOURCES = {**{f.relative_to(ROOT).as_posix(): f.read_text(encoding='utf8') for f in FILES},
           **{f'nbs/{place(f)}.ipynb': notebook(place(f)) for f in NOTEBOOKS}}

@pytest.mark.parametrize('file', SOURCES)
def test_every_import_belongs_to_a_requirement(file):
    in_package = file.startswith('fastbook_ch4/')
    for allowed in MORE.get(file, [RUN] if in_package else [IN_DEV]):
        for name,dist in distributions(imports(SOURCES[file])).items():
            assert dist in allowed, f'{file} imports {name} of {dist}'
    if in_package:
        for name,dist in distributions(imports(SOURCES[file], anywhere=False)).items():
            assert dist in RUN, f'{file} imports {name} of {dist}, which a plain install has not'

@pytest.mark.parametrize('required,users', [
    (RUN, ('fastbook_ch4',)), (LAB, ('fastbook_ch4','nbs')), (MANY, ('nbs',)),
    (DOCS, ('tools/docs','tools/cards','tools/icons')), (BOOK, ('tools/book',)),
    (DEV, ('fastbook_ch4/ledger','nbs','tools','tests'))],
    ids=['run','lab','many','docs','book','dev'])
def test_every_requirement_is_used(required, users):
    names = set().union(*[imports(source) for file,source in SOURCES.items() if file.startswith(users)])
    imported = set(distributions(names).values())
    assert required-imported<=NOT_IMPORTED.keys(), 'nothing imports this'
    assert not required & imported & NOT_IMPORTED.keys(), 'this is imported'

@pytest.mark.parametrize('name', NOT_IMPORTED)
def test_what_is_not_imported_is_used_as_said(name):
    file,text = NOT_IMPORTED[name]
    assert name in RUN|LAB|BOOK|IN_DEV and text in (ROOT/file).read_text(encoding='utf8')

def test_imports_are_seen_wherever_they_are():
    source = 'import a,b.c as d\nfrom e.f import g\nif a:\n    import h\ndef f():\n    import i\n'
    source += 'from . import j'
    assert imports(source)==set('abehi') and imports(source, anywhere=False)==set('abeh')
