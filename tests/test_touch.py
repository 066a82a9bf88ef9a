"What can be touched: the script of the site as the module that a notebook loads, in a browser"
import json,re,sys
from types import SimpleNamespace

import pytest
from conftest import ROOT
from fastbook_ch4 import touch

# What anywidget does: imports the module, and lets it fill an element with what the model holds
PAGE = '''<!doctype html><title>Notebook</title><style>{css}</style><div id="a"></div><div id="b"></div>
<script type="module">
const {{default: widget}} = await import('data:text/javascript;charset=utf8,' + encodeURIComponent({js}))
for (const [id, state] of {states}) {{
  await widget.render({{model: {{get: key => state[key]}}, el: document.getElementById(id)}})
}}
</script>'''

def show(page, *names):
    "`page` with the widgets `names`, the first in the element `a`"
    states = [[where, dict(name=name, weights=touch.weights())] for where,name in zip('ab', names)]
    css = (ROOT/'fastbook_ch4'/'touch'/'widgets.css').read_text(encoding='utf8')
    page.set_content(PAGE.format(css=css, js=json.dumps(touch.script()), states=json.dumps(states)))

@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={'width': 900, 'height': 900})
    page,trouble = context.new_page(),[]
    page.on('pageerror', lambda e: trouble.append(str(e)))
    page.on('console', lambda m: m.type in ('error','warning') and trouble.append(m.text))
    yield page
    context.close()
    assert not trouble

@pytest.mark.parametrize('name, label, said', [
    ('walk', 'Learning rate', 'It slides down.'),
    ('fit', 'Steps', 'A good fit'),
    ('loss', 'Third prediction', 'Accuracy 2 of 3.')])
def test_a_slider(page, name, label, said):
    show(page, name)
    page.locator('#a .widget').get_by_text(said).wait_for()
    before = page.locator('#a output').inner_text()
    page.locator('#a').get_by_role('slider', name=label).focus()
    for _ in range(40): page.keyboard.press('ArrowLeft')
    assert page.locator('#a output').inner_text()!=before

def test_the_same_slider_twice(page):
    show(page, 'walk', 'walk')
    page.locator('#b').get_by_role('slider').fill('1.1')
    assert 'climbs out' in page.locator('#b output').inner_text()
    assert 'slides down' in page.locator('#a output').inner_text()

def test_the_board_reads_a_seven(page):
    show(page, 'draw')
    page.locator('#a').get_by_role('button', name='Show a 7').click()
    answer = page.locator('#a .answer')
    assert re.match(r'7, [\w.\s]+ % sure', answer.inner_text())
    page.locator('#a').get_by_role('button', name='Clear').click()
    assert answer.inner_text()=='Nothing drawn yet.'

def test_keys_stay_with_the_widget(page):
    show(page, 'draw')
    assert page.locator('#a [data-lm-suppress-shortcuts=true] canvas.pad').count()==1

def test_no_page_or_no_anywidget_gives_nothing(monkeypatch):
    assert touch.touch('walk') is None
    monkeypatch.setattr(touch, '_in_notebook', lambda: True)
    monkeypatch.setitem(sys.modules, 'anywidget', None)
    touch._widget_class.cache_clear()
    assert touch.touch('walk') is None

def test_a_notebook_gets_a_widget_with_the_weights_only_where_they_are_needed(monkeypatch):
    import anywidget,traitlets
    touch._widget_class.cache_clear()
    monkeypatch.setattr(touch, '_in_notebook', lambda: True)
    assert touch.touch('walk').weights=={}
    board = touch.touch('draw')
    assert board.name=='draw' and len(board.weights['weights'])==28*28
    assert isinstance(board, anywidget.AnyWidget) and isinstance(board, traitlets.HasTraits)
    assert 'drawingPad' in board._esm and '.widget' in board._css

def test_another_name_is_refused():
    with pytest.raises(ValueError, match='walk, fit, loss, draw'): touch.touch('paint')

def test_a_kernel_is_a_notebook(monkeypatch):
    import IPython
    monkeypatch.setattr(IPython, 'get_ipython', lambda: SimpleNamespace(kernel=1))
    assert touch._in_notebook()
