"Notebooks can be trusted: each starts on its own, runs twice, and saves nothing that belongs to one machine"
import ast,json,re,statistics,subprocess,sys

import pytest
from conftest import NOTEBOOKS, cells, code, place

LESSONS = [f for f in NOTEBOOKS if f.stem[0].isdigit()]
TWICE = '''
import sys
from fastcore.nbio import read_nb
from execnb.shell import CaptureShell
shell,nb = CaptureShell(path='.'),read_nb(sys.argv[1])
for _ in range(2): shell.run_all(nb, exc_stop=True)
'''

def shown(output):
    "All text of a saved output"
    texts = [v for k,v in output.get('data', {}).items() if k.startswith('text/')]
    return ''.join(map(''.join, [output.get('text', []), *texts]))

def is_picture(outputs):
    "Whether one of the saved `outputs` of a cell is a picture"
    return any('image/png' in o.get('data', {}) for o in outputs)

each = pytest.mark.parametrize('nb', NOTEBOOKS, ids=place)
each_lesson = pytest.mark.parametrize('nb', LESSONS, ids=place)

# Running

# `make test-full` runs all of them twice
def marks(nb): return [] if place(nb)=='glossary' else [pytest.mark.full]

@pytest.mark.parametrize('nb', [pytest.param(f, id=place(f), marks=marks(f)) for f in NOTEBOOKS])
def test_runs_twice_in_one_kernel(nb, home):
    "The second round meets everything the first left behind, and all checks still pass"
    p = subprocess.run([sys.executable, '-c', TWICE, nb], cwd=nb.parent, capture_output=True, text=True)
    assert p.returncode==0, p.stdout[-2000:]+p.stderr[-2000:]

# What is saved

@each
def test_saved_outputs(nb):
    for source,outputs in code(place(nb)):
        assert not any(o['output_type']=='error' for o in outputs), source
        for text in map(shown, outputs):
            assert not re.search(r'/(home|root|tmp|work|Users)/', text), text
            assert not re.search(r'Warning|Traceback', text), text
            assert '%|' not in text and '█' not in text, f'a progress bar:\n{text}'
            if nb.stem=='figures': continue  # that page quotes printed times
            assert not re.search(r'\d\d:\d\d|\d\.\d+ ?s\b|\d secs?\b', text), text

@each
def test_a_saved_picture_has_an_alternative_text(nb):
    for source,outputs in code(place(nb)):
        if is_picture(outputs): assert re.search(r'^#\| fig-alt: \S.{19,}', source, re.M), source

def test_saved_outputs_are_small(): assert sum(f.stat().st_size for f in NOTEBOOKS)<.2e6*len(NOTEBOOKS)

# The form of a lesson

def test_the_lessons_are_there():
    assert [place(f) for f in NOTEBOOKS]==[
        '01_data', '02_baseline', '03_descent', '04_loss', '05_training',
        '06_optimizer', '07_learner', '08_models', '09_vision', '10_ladder',
        '11_pitfalls', '12_neurons', '13_autograd', '14_thermometer', '15_birds', '16_multiclass',
        '17_application', '18_own_learner', '19_ten_digits', '20_many',
        'figures', 'glossary', 'index',
        'ledger/beyond', 'ledger/chapter', 'ledger/descent', 'ledger/table', 'ledger/training',
        'plumbing/checks', 'plumbing/drawings', 'plumbing/fast', 'plumbing/images', 'plumbing/loaders',
        'plumbing/loops', 'plumbing/mistakes', 'plumbing/model_file', 'plumbing/pictures',
        'plumbing/plots', 'plumbing/steps', 'plumbing/story', 'plumbing/together', 'questions', 'same_bits',
        'turns']

SIGNS = {'__add__': '+', '__radd__': '+', '__mul__': '*', '__rmul__': '*', '__neg__': '-', '__sub__': '-',
         '__rsub__': '-', '__truediv__': '/', '__rtruediv__': '/', '__pow__': '**'}

@each
def test_an_exported_definition_is_shown_in_the_next_code_cell(nb):
    "A method behind a sign, by its sign"
    sources = [source for source,_ in code(place(nb))]
    for source,following in zip(sources, sources[1:]+['']):
        if not source.startswith('#| export'): continue
        names = [d.name for d in ast.parse(source).body if isinstance(d, (ast.FunctionDef, ast.ClassDef))]
        if names==['resnet']: continue  # too slow in passing; the whole ladder follows it
        assert all(SIGNS.get(name, name) in following for name in names), f'{names} not used in:\n{following}'

@each
def test_title_cell(nb):
    "nbdev shows nothing of this cell but the title and its line"
    text = [source for kind,source,_ in cells(place(nb)) if kind=='markdown']
    assert re.fullmatch(r'# .+\n\n> .+', text[0])

@each
def test_the_opening_names_the_module(nb):
    text = [source for kind,source,_ in cells(place(nb)) if kind=='markdown']
    sources = '\n'.join(source for source,_ in code(place(nb)))
    exported = re.findall(r'^#\| default_exp ([\w.]+)', sources, re.M)
    said = re.findall(r'\*\*Exports\*\* `fastbook_ch4\.([\w.]+)`', text[1])
    assert said==exported
    number_gone = place(nb).rpartition('/')[2].lstrip('0123456789_')
    assert not exported or exported[0].rpartition('.')[2]==number_gone

@each_lesson
def test_opening_and_end(nb):
    text = [source for kind,source,_ in cells(place(nb)) if kind=='markdown']
    for start in ('After this lesson you can','Takes','Needs'): assert f'**{start}**' in text[1]
    assert '## What to remember' in '\n'.join(text) and re.search(r'\*\*Next:\*\* .*\.ipynb\)', text[-1])

@each_lesson
def test_cells_are_short_and_explained(nb):
    lines = [[o for o in source.splitlines() if o.strip() and o[:2]!='#|'] for source,_ in code(place(nb))]
    lengths = list(map(len, lines))
    assert statistics.median(lengths)<=4
    assert len(cells(place(nb)))-len(lengths)>=.4*len(lengths), 'text cells'

@each
def test_sources_are_lists_of_lines(nb):
    "nbformat's own form: a change of one line is a change of one line in git"
    for cell in json.loads(nb.read_text(encoding='utf8'))['cells']: assert isinstance(cell['source'], list)

@each
def test_links_between_pages(nb):
    for kind,source,_ in cells(place(nb)):
        if kind!='markdown': continue
        links = re.findall(r'\]\(([\w./]+\.(?:ipynb|md))', source)
        assert all((nb.parent/link).is_file() for link in links)

@each_lesson
def test_a_drawing_has_a_title_and_named_axes(nb):
    for source,outputs in code(place(nb)):
        if not is_picture(outputs) or not re.search(r'\.(plot|scatter|hist|bar)\(', source): continue
        named = 'title=' in source and 'xlabel=' in source
        assert named or 'show_preds(' in source or 'plot_function(' in source, source
