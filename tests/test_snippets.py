"""The snippets at the end of lesson 11: what its scene measures finds the fault of each"""
import ast,io,json,re
from contextlib import redirect_stdout
from math import isfinite
from textwrap import dedent
from types import SimpleNamespace

import pytest,torch
from conftest import ROOT
from fastbook_ch4 import turns
from fastbook_ch4.loss import mnist_loss
from fastbook_ch4.models import simple_net
from fastbook_ch4.multiclass import labelled_images, ten_digits
from fastbook_ch4.optimizer import BasicOptim
from fastbook_ch4.training import train_epoch

CELLS = [(c['cell_type'], ''.join(c['source'])) for c in
         json.loads((ROOT/'nbs'/'11_pitfalls.ipynb').read_text(encoding='utf8'))['cells']]
CODE = {text[2]: code for (_,text),(kind,code) in zip(CELLS, CELLS[1:])
        if kind=='code' and re.match(r'\*\*[a-j]\.\*\* ', text)}
LETTERS = list('abcdefghij')
each = pytest.mark.parametrize('letter', LETTERS)

# What the folded answers say about the repair
REPAIRS = {
    'a': ('.squeeze()', ''),
    'b': ('.1*w.grad', '.01*w.grad'),
    'c': ('score(model)', 'share_right(model, valid_x, valid_y)'),
    'd': ('batches,model', 'order = torch.randperm(400)\nx,y = x[order],y[order]\nbatches,model'),
    'e': ("'3' if o>0 else '7' for o", 'names[int(o>0)] for o'),
    'f': ('.float()', '.float()/255'),
    'g': ('mean(batch_accuracy(model(xb), yb).item() for xb,yb in parts)', 'validate_epoch(model, parts)'),
    'h': ('    losses.append', '    w.grad = None\n    losses.append'),
    'i': ('answers>0', 'answers>.5'),
    'j': ('def accuracy()', 'def accuracy(cut=0)')}

# Whether what a snippet shows looks wrong
ODD = {
    'a': lambda shown: shown<.9,
    'b': lambda shown: not isfinite(shown),
    'c': lambda shown: shown==1,
    'd': lambda shown: shown<.9,
    'e': lambda shown: shown<.9,
    'f': lambda shown: shown[0]==shown[1],
    'g': lambda shown: shown[0]-shown[1]>.1,
    'h': lambda shown: any(a<b for a,b in zip(shown, shown[1:])),
    'i': lambda shown: shown<.9,
    'j': lambda shown: shown[0]!=shown[1]}

@pytest.fixture(scope='module')
def names():
    "The names of the page that its snippets use"
    names = {}
    starts = ('import inspect', 'lesson_style()', 'def train_linear', 'def share_right', 'def outside',
              'set_seed(0)\nsome = ')
    for start in starts:
        found, = [code for kind,code in CELLS if kind=='code' and code.startswith(start)]
        exec(found.replace('outside(one_step)', ''), names)
    return names

def run(code, names):
    "The names after `code` and what it shows: the value of its last line, or else the numbers it prints"
    names,printed = dict(names),io.StringIO()
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    with redirect_stdout(printed):
        exec(compile(tree, 'snippet', 'exec'), names)
        shown = eval(ast.unparse(last), names) if last else [float(o) for o in printed.getvalue().split()]
    return SimpleNamespace(**names),shown

def repaired(letter):
    old,new = REPAIRS[letter]
    before,found,after = CODE[letter].rpartition(old)
    assert found
    return before+new+after

# The measurement of each scene

def stuck(s, model):
    "Whether `model` is far out wherever it is wrong"
    outputs = model(s.x).detach()
    return s.saturation(outputs[(outputs>0)!=(s.y==1)])>.9

def gradients(s, code, steps):
    "Sizes of the gradients that the loop of `code` steps along, for so many steps"
    sizes,w = [],torch.zeros(784,1).requires_grad_()
    w.register_post_accumulate_grad_hook(lambda w: sizes.append(w.grad.norm().item()))
    loop = dedent('\n'.join(o for o in code.splitlines() if o.startswith('    ')))
    for _ in range(steps): exec(loop, vars(s)|dict(w=w))
    return sizes

def scene_1(s, code): return bool((s.batches[0][1]==1).all()) and stuck(s, s.model)

def scene_2(s, code): return s.x.max()>1 and stuck(s, s.train_linear(s.x, s.y, steps=100))

def scene_4(s, code):
    sizes = gradients(s, code, 11)
    return sizes[10]>10*sizes[0]

def scene_5(s, code):
    first,second = gradients(s, re.sub('.* -= .*', '', code), 2)
    return second>1.9*first

def scene_9(s, code): return s.correct.shape==(len(s.valid_x),)*2

def scene_10(s, code): return s.answers.min()>=0 and bool((s.correct==(s.valid_y==1)).all())

def scene_12(s, code): return run(code, vars(s))[1]!=run(code.replace('split(50)', 'split(101)'), vars(s))[1]

def scene_13(s, code):
    torch.manual_seed(0)
    return run(code.replace('few_y[:40]', 'few_y[torch.randperm(40)]'), vars(s))[1]>.9

def scene_15(s, code):
    called = [a for a,t in zip(s.said, s.valid_y) if t==1]
    return called.count('7')>.9*len(called)

def scene_17(s, code): return 'cut' in s.outside(s.accuracy)

SCENES = {'a': scene_9, 'b': scene_4, 'c': scene_13, 'd': scene_1, 'e': scene_15,
          'f': scene_2, 'g': scene_12, 'h': scene_5, 'i': scene_10, 'j': scene_17}

@each
def test_a_snippet_has_the_fault_of_its_scene(letter, names):
    s,shown = run(CODE[letter], names)
    assert ODD[letter](shown)
    assert SCENES[letter](s, CODE[letter])

@each
def test_the_repair_of_the_answer_mends_it(letter, names):
    s,shown = run(repaired(letter), names)
    assert not ODD[letter](shown)
    assert not SCENES[letter](s, repaired(letter))

@pytest.mark.parametrize('letter, other', [('a','i'), ('i','a'), ('b','h'), ('h','b'), ('d','f')])
def test_snippets_that_look_alike_differ_in_what_one_measures(letter, other, names):
    s = run(CODE[letter], names)[0]
    assert not SCENES[other](s, CODE[letter])

def test_page_check_and_tests_agree():
    assert list(CODE)==LETTERS==[*turns.CLUES]
    page = '\n'.join(text for _,text in CELLS)
    said = dict(re.findall(r'^- \*\*([a-j])\*\* is \[scene (\d+)\]', page, re.M))
    for letter,measure in SCENES.items():
        assert measure.__name__==f'scene_{said[letter]}' and int(said[letter]) in turns.CLUES[letter][0]

@each
def test_a_snippet_is_short(letter): assert 3<=len(CODE[letter].splitlines())<=8

def test_the_limit_that_answer_b_names(names):
    x = names['few_x']
    assert .02 < 2/torch.linalg.eigvalsh(2*x.T@x/len(x))[-1] < .03

# Scene 18

@pytest.mark.parametrize('seed', range(8))
def test_ten_steps_bring_all_outputs_below_0(seed):
    (x,digits),(new_x,_) = labelled_images(ten_digits(), '0123456789')
    y = ((digits==3)|(digits==8)).float()[:,None]
    for make in (lambda: torch.nn.Linear(784,1), simple_net):
        torch.manual_seed(seed)
        model = make()
        batches = [(x[i].flatten(1),y[i]) for i in torch.randperm(len(x)).split(64)][:10]
        train_epoch(model, batches, BasicOptim(model.parameters(), .5), mnist_loss)
        assert model(new_x.flatten(1)).max()<-.5
