"Your turn: the cells that a reader fills in, and what the checks below them answer"
import json,re

import pytest
from conftest import ROOT
from fastbook_ch4 import turns

NBS = ROOT/'nbs'
LESSONS = sorted(f for f in NBS.glob('*.ipynb') if f.stem[:2].isdecimal())
SOURCES = {f.stem: [''.join(c['source']) for c in json.loads(f.read_text(encoding='utf8'))['cells']
                    if c['cell_type']=='code'] for f in [*LESSONS, NBS/'turns.ipynb']}
STUB = re.compile(r'^(?:def|class) ([mM]y_?\w+)', re.M)
CHECKS = turns.__all__

def stubs(lesson):
    "Index of the cell and name of what a reader writes, for each such cell of `lesson`"
    found = [(i, STUB.match(source)) for i,source in enumerate(SOURCES[lesson])]
    return [(i, m[1]) for i,m in found if m]

ASKED = [(lesson, i, name) for lesson in SOURCES if lesson!='turns' for i,name in stubs(lesson)]
each = pytest.mark.parametrize('lesson, i, name', ASKED, ids=[f'{lesson}: {name}' for lesson,_,name in ASKED])

@each
def test_the_check_stands_below_and_has_words_for_an_empty_cell(lesson, i, name):
    check = re.search(r'^(check_\w+)\((\w+)\)$', SOURCES[lesson][i+1], re.M)
    assert check[2]==name and check[1] in CHECKS
    namespace = {}
    exec('import torch\nfrom torch import nn,tensor\n'+SOURCES[lesson][i], namespace)
    said = getattr(turns, check[1])(namespace[name])
    assert said!='Right.' and 'Error' not in said and len(said)>20

@each
def test_the_page_does_not_need_what_a_reader_writes(lesson, i, name):
    others = [source for k,source in enumerate(SOURCES[lesson]) if k not in (i,i+1)]
    assert not any(re.search(rf'\b{name}\b', source) for source in others)

@each
def test_an_answer_that_passes_stands_beside_the_check(lesson, i, name):
    made = [source for source in SOURCES['turns'] if re.search(rf'^(?:def|class) {name}\b', source, re.M)]
    assert len(made)==1

@pytest.mark.parametrize('name', CHECKS)
def test_each_check_is_asked_for_and_told_from_two_mistakes(name):
    cells = SOURCES['turns']
    shown = next(after for c,after in zip(cells, cells[1:]) if f'def {name}(' in c)
    assert any(f'{name}({stub})' in SOURCES[lesson][i+1] for lesson,i,stub in ASKED)
    assert f'test_eq({name}(' in shown and 'RIGHT' in shown
    assert len(re.findall(rf'in {name}\(', shown))>=2
