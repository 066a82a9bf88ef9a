"""What can be touched in a notebook: the sliders and the drawing board of the site, through anywidget."""
import json
from functools import cache
from pathlib import Path

HERE,PAD = Path(__file__).parent,Path(__file__).parents[1]/'app'/'static'/'pad.js'
NAMES = 'walk','fit','loss','draw'
# JupyterLab would take the arrow keys and Delete for itself
RENDER = '''
export default { render({model, el}) {
  const box = document.createElement('div')
  box.setAttribute('data-lm-suppress-shortcuts', 'true')
  el.append(box)
  WIDGETS[`${model.get('name')}-widget`](box, async () => model.get('weights'))
} }
'''


def script():
    "The site's scripts as one module for a notebook"
    return ''.join(f.read_text(encoding='utf8') for f in (PAD, HERE/'widgets.js'))+RENDER

def weights():
    "The linear model that reads what is drawn: its weights, its bias and the labels of target 1 and 0"
    return json.loads((HERE/'digit_weights.json').read_text(encoding='utf8'))

@cache
def _widget_class():
    "The class of these widgets; `ImportError` without anywidget"
    import anywidget,traitlets
    class Touch(anywidget.AnyWidget):
        _esm,_css = script(),(HERE/'widgets.css').read_text(encoding='utf8')
        name = traitlets.Unicode().tag(sync=True)
        weights = traitlets.Dict().tag(sync=True)
    return Touch

def _in_notebook():
    "Is there a page that could show a widget?"
    try: from IPython import get_ipython
    except ImportError: return False
    return hasattr(get_ipython(), 'kernel')

def touch(
    name, # One of `NAMES`
): # A widget, or None where no page or no anywidget is there to show it
    "The thing to touch called `name`: 'walk', 'fit', 'loss' or 'draw'"
    if name not in NAMES:
        raise ValueError(f'There is no {name!r} to touch. Choose one of {", ".join(NAMES)}.')
    if not _in_notebook(): return None
    try: cls = _widget_class()
    except ImportError: return None
    return cls(name=name, weights=weights() if name=='draw' else {})
