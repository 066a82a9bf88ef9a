"The checks of the questionnaire with right and wrong answers, and the page itself"
import re

import numpy as np, pytest, torch
from conftest import ROOT, cells
from torch import tensor
from fastbook_ch4 import questions
from fastbook_ch4.questions import *

CHECKS = {name: getattr(questions, name) for name in questions.__all__}


# Right answers, more than one where there are several roads

def bottom_right_by_list(n):
    rows = [[2*(n*i+j+1) for j in range(n)] for i in range(n)]
    return tensor(rows)[-2:,-2:]

def matmul_loops(a, b):
    c = torch.zeros(len(a), b.shape[1])
    for i in range(len(a)):
        for j in range(b.shape[1]):
            for k in range(len(b)): c[i,j] += a[i,k]*b[k,j]
    return c

def double_odds_loop(xs):
    res = []
    for o in xs:
        if o%2==1: res.append(o*2)
    return res

def epoch(dl, model, loss_func, params, lr):
    for xb,yb in dl:
        loss_func(model(xb), yb).backward()
        for p in params:
            p.data -= lr*p.grad
            p.grad.zero_()

def epoch_no_grad(dl, model, loss_func, params, lr):
    for xb,yb in dl:
        for p in params: p.grad = None
        loss = loss_func(model(xb), yb)
        loss.backward()
        with torch.no_grad():
            for p in params: p -= p.grad*lr

def train(model, dl, opt, loss_func, epochs):
    for _ in range(epochs):
        for xb,yb in dl:
            loss_func(model(xb), yb).backward()
            opt.step()
            opt.zero_grad()

def train_zero_first(model, dl, opt, loss_func, epochs):
    for _ in range(epochs):
        for xb,yb in dl:
            opt.zero_grad()
            loss_func(model(xb), yb).backward()
            opt.step()

def train_zero_between(model, dl, opt, loss_func, epochs):
    for _ in range(epochs):
        for xb,yb in dl:
            loss = loss_func(model(xb), yb)
            opt.zero_grad()
            loss.backward()
            opt.step()

RIGHT = {
    'check_double_odds': [lambda xs: [2*o for o in xs if o%2], double_odds_loop],
    'check_picture_stack': [torch.zeros(4,2,3), torch.arange(24).view(4,2,3)],
    'check_rank': [lambda x: len(x.shape), lambda x: x.ndim, lambda x: x.dim()],
    'check_l1_and_rmse': [lambda a,b: ((a-b).abs().mean(), ((a-b)**2).mean().sqrt()),
                          lambda a,b: [(b-a).abs().mean().item(), (b-a).pow(2).mean().item()**.5]],
    'check_bottom_right': [lambda n: 2*torch.arange(1, n*n+1).view(n,n)[-2:,-2:], bottom_right_by_list,
                           lambda n: (np.arange(1, n*n+1).reshape(n,n)*2)[n-2:,n-2:]],
    'check_derivative': [lambda x: 6*x-5, lambda x: tensor(6.)*x-5],
    'check_sigmoid': [lambda x: 1/(1+torch.exp(-x)), torch.sigmoid],
    'check_relu': [lambda x: x.max(tensor(0.)), torch.relu, torch.nn.ReLU(), lambda x: x*(x>0),
                   lambda x: torch.where(x<0, 0, x)],
    'check_batches': [lambda items,bs: [items[i:i+bs] for i in range(0, len(items), bs)],
                      lambda items,bs: list(torch.utils.data.DataLoader(items, batch_size=bs))],
    'check_pairs': [lambda xs,ys: list(zip(xs, ys)), lambda xs,ys: [(xs[i],ys[i]) for i in range(len(xs))]],
    'check_view': [lambda x: x.view(len(x),-1), lambda x: x.view(-1, x.shape[1]*x.shape[2]),
                   lambda x: x.flatten(1)],
    'check_matmul': [lambda a,b: (a[:,:,None]*b[None]).sum(1), matmul_loops, lambda a,b: a@b],
    'check_new_weights': [lambda w,g,lr: w-lr*g, lambda w,g,lr: w+(-g)*lr],
    'check_epoch': [epoch, epoch_no_grad],
    'check_training_loop': [train, train_zero_first, train_zero_between]}

@pytest.mark.parametrize('name', RIGHT)
def test_right_answers(name):
    for answer in RIGHT[name]:
        for _ in range(5): assert CHECKS[name](answer)=='Right.'


# Wrong answers: pairs of a word or more of the hint, and the answer

def per_epoch(dl, model, loss_func, params, lr):
    for xb,yb in dl: loss_func(model(xb), yb).backward()
    for p in params: p.data -= lr*p.grad

def last_only(dl, model, loss_func, params, lr):
    for xb,yb in dl: loss = loss_func(model(xb), yb)
    loss.backward()
    for p in params: p.data -= lr*p.grad

def no_zero(dl, model, loss_func, params, lr):
    for xb,yb in dl:
        loss_func(model(xb), yb).backward()
        for p in params: p.data -= lr*p.grad

def replaces(dl, model, loss_func, params, lr):
    for xb,yb in dl:
        loss_func(model(xb), yb).backward()
        params[:] = [(p - lr*p.grad).detach().requires_grad_() for p in params]
        break

def records_the_step(dl, model, loss_func, params, lr):
    for xb,yb in dl:
        loss_func(model(xb), yb).backward()
        for p in params: p -= lr*p.grad

def zero_before_grad(dl, model, loss_func, params, lr):
    for p in params: p.grad.zero_()

def empties_the_list(dl, model, loss_func, params, lr):
    while dl: dl.pop()

def loop(*order, per_epoch=()):
    "A training loop with the steps `order` for each mini-batch and the steps `per_epoch` once an epoch"
    def train(model, dl, opt, loss_func, epochs):
        for _ in range(epochs):
            for xb,yb in dl:
                loss = loss_func(model(xb), yb)
                for o in order: loss.backward() if o=='backward' else getattr(opt, o)()
            for o in per_epoch: getattr(opt, o)()
    return train

def one_epoch(model, dl, opt, loss_func, epochs): train(model, dl, opt, loss_func, 1)

def same_batch(model, dl, opt, loss_func, epochs): train(model, [dl[0]]*len(dl), opt, loss_func, epochs)

def exchanged(model, dl, opt, loss_func, epochs):
    train(model, dl, opt, lambda preds,targets: loss_func(targets, preds), epochs)

def doubled_square(n, start=1): return 2*torch.arange(start, n*n+start).view(n,n)

# Right for the numbers that never change; what comes for the others is far from every answer that has a hint
def sigmoid_by_heart(x): return tensor([.1192,.5,.6225]) if len(x)==3 else torch.full_like(x, .25)

def relu_by_heart(x): return tensor([0.,0.,0.,.5,2.]) if len(x)==5 else torch.full_like(x, -.25)

def pairs_by_heart(xs, ys): return [(1,'a'),(2,'b'),(3,'c'),(4,'d')] if ys=='abcd' else []

def epoch_exchanged(dl, model, loss_func, *args): epoch(dl, model, lambda p,t: loss_func(t, p), *args)

WRONG = {
    'check_double_odds': [
        ('doubled the even', lambda xs: [2*o for o in xs if o%2==0]),
        ('doubled every', lambda xs: [2*o for o in xs]),
        ('did not double', lambda xs: [o for o in xs if o%2]),
        ('squared', lambda xs: [o**2 for o in xs if o%2]),
        ('kept the even', lambda xs: [2*o if o%2 else o for o in xs]),
        ('not right', lambda xs: [2,6]),
        ('type generator, not list', lambda xs: (2*o for o in xs if o%2)),
        ('type tuple', lambda xs: tuple(2*o for o in xs if o%2)),
        ('changes its input', lambda xs: xs.sort()),
        ('IndexError', lambda xs: xs[99]),
    ],
    'check_picture_stack': [
        ('the rank 1', tensor([1,2,3])),
        ('the rank 2', torch.zeros(8,3)),
        ('the rank 4', torch.zeros(1,2,2,3)),
        ('another order', torch.zeros(2,3,4)),
        ('another order', torch.zeros(4,3,2)),
        ('do not fit', torch.zeros(3,28,28)),
        ('not a tensor', (8,28,28)),
        ('not a tensor', np.zeros((4,2,3))),
        ('not a tensor', torch.zeros),
    ],
    'check_rank': [
        ('lengths of axes', lambda x: x.shape),
        ('lengths of axes', lambda x: list(x.shape)),
        ('first axis', lambda x: x.shape[0]),
        ('first axis', len),
        ('last axis', lambda x: x.shape[-1]),
        ('count all numbers', lambda x: x.numel()),
        ('not right', lambda x: 2),
        ('type str', lambda x: str(x.ndim)),
        ('AttributeError', lambda x: x.rank),
    ],
    'check_l1_and_rmse': [
        ('cancel', lambda a,b: ((a-b).mean(), ((a-b)**2).mean().sqrt())),
        ('have cancelled', lambda a,b: ((a-b).mean().abs(), ((a-b)**2).mean().sqrt())),
        ('sum', lambda a,b: ((a-b).abs().sum(), ((a-b)**2).mean().sqrt())),
        ('L1 comes first', lambda a,b: (((a-b)**2).mean().sqrt(), (a-b).abs().mean())),
        ('mean square', lambda a,b: ((a-b).abs().mean(), ((a-b)**2).mean())),
        ('undoes', lambda a,b: ((a-b).abs().mean(), ((a-b)**2).sqrt().mean())),
        ('sums the squares', lambda a,b: ((a-b).abs().mean(), ((a-b)**2).sum().sqrt())),
        ('shape (28,)', lambda a,b: ((a-b).abs().mean(-1), ((a-b)**2).mean(-1).sqrt())),
        ('pair', lambda a,b: (a-b).abs().max()),
        ('not right', lambda a,b: (1.5, 3**.5)),
        ('made of numbers', lambda a,b: ('a','b')),
        ('changes its input', lambda a,b: (a.sub_(b).abs().mean(), 0)),
    ],
    'check_bottom_right': [
        ('not doubled', lambda n: torch.arange(1, n*n+1).view(n,n)[-2:,-2:]),
        ('top left', lambda n: doubled_square(n)[:2,:2]),
        ('top right', lambda n: doubled_square(n)[:2,-2:]),
        ('bottom left', lambda n: doubled_square(n)[-2:,:2]),
        ('start at 0', lambda n: doubled_square(n, 0)[-2:,-2:]),
        ('columns', lambda n: doubled_square(n).T[-2:,-2:]),
        ('shape (4, 4)', lambda n: doubled_square(n)[1:,1:]),
        ('shape (2, 5)', lambda n: doubled_square(n)[-2:]),
        ('shape (4,)', lambda n: tensor([10,12,16,18])),
        ('not right', lambda n: tensor([[10,12],[16,18]])),
        ('RuntimeError', lambda n: torch.arange(1, 10).view(4,4)),
    ],
    'check_derivative': [
        ('function itself', lambda x: 3*x**2-5*x),
        ('5x is missing', lambda x: 6*x),
        ('sign', lambda x: 6*x+5),
        ('loses a power', lambda x: 3*x-5),
        ('factor', lambda x: 2*x-5),
        ('not right', lambda x: 13),
        ('not right', lambda x: float('nan')),
        ('made of numbers', lambda x: 'six x'),
        ('shape (1,)', lambda x: [6*x-5]),
    ],
    'check_sigmoid': [
        ('sign in the exponent', lambda x: 1/(1+torch.exp(x))),
        ('tangent', torch.tanh),
        ('two corners', lambda x: x.clamp(0,1)),
        ('jump', lambda x: (x>0).float()),
        ('exponential alone', torch.exp),
        ('nan', lambda x: torch.exp(x)/(1+torch.exp(x))),
        ('shape ()', lambda x: torch.sigmoid(x).mean()),
        ('not right', sigmoid_by_heart),
        ('changes its input', lambda x: x.sigmoid_()),
    ],
    'check_relu': [
        ('turn negative numbers positive', torch.abs),
        ('unchanged', lambda x: x),
        ('A little', torch.nn.LeakyReLU()),
        ('lose the positive', lambda x: x.clamp(max=0)),
        ('which numbers are positive', lambda x: x>0),
        ('cut off', lambda x: x.clamp(0,1)),
        ('leave the negative numbers out', lambda x: x[x>=0]),
        ('not right', relu_by_heart),
        ('changes its input', lambda x: x.clamp_(min=0)),
        ('made of numbers', torch.nn.ReLU),
        ('RuntimeError', lambda x: max(0, x)),
    ],
    'check_batches': [
        ('last batch is missing',
         lambda items,bs: [items[i:i+bs] for i in range(0, len(items)-bs+1, bs)]),
        ('Only the first', lambda items,bs: [items[:bs]]),
        ('overlap', lambda items,bs: [items[i:i+bs] for i in range(len(items))]),
        ('one list', lambda items,bs: items),
        ('how many batches', lambda items,bs: [items[i::bs] for i in range(bs)]),
        ('type generator', lambda items,bs: (items[i:i+bs] for i in range(0, len(items), bs))),
        ('not right', lambda items,bs: [[5,6,7,8],[9,10,11,12],[13,14]]),
        ('ValueError', lambda items,bs: range(0, 5, 0)),
    ],
    'check_pairs': [
        ('type zip', zip),
        ('as lists', lambda xs,ys: [[x,y] for x,y in zip(xs, ys)]),
        ('wrong way round', lambda xs,ys: list(zip(ys, xs))),
        ('count positions', lambda xs,ys: list(enumerate(ys, 1))),
        ('side by side', lambda xs,ys: [xs, ys]),
        ('everything with everything', lambda xs,ys: [(x,y) for x in xs for y in ys]),
        ('type dict', lambda xs,ys: dict(zip(xs, ys))),
        ('not right', pairs_by_heart),
        ('changes its input', lambda xs,ys: [(xs.pop(),o) for o in ys]),
    ],
    'check_view': [
        ('shape (24,)', torch.flatten),
        ('picture row', lambda x: x.view(-1, x.shape[-1])),
        ('column by column', lambda x: x.mT.flatten(1)),
        ('several pictures', lambda x: x.permute(1,2,0).reshape(len(x),-1)),
        ('copy', lambda x: x.view(len(x),-1).clone()),
        ('copy', lambda x: x.view(len(x),-1).tolist()),
        ('not right', lambda x: x.view(len(x),-1)*0),
        ('RuntimeError', lambda x: x.view(7,-1)),
        ('changes its input', lambda x: x.resize_(len(x), x[0].numel())),
    ],
    'check_matmul': [
        ('number by number', lambda a,b: a*b),
        ('exchange', lambda a,b: b@a),
        ('Rows meet rows', lambda a,b: a@b.T),
        ('Columns meet columns', lambda a,b: a.T@b),
        ('shape ()', lambda a,b: (a*b).sum()),
        ('not right', lambda a,b: a@b+1),
        ('RuntimeError', lambda a,b: a.view(3,3,3)),
        ('changes its input', lambda a,b: a.mul_(b)),
    ],
    'check_new_weights': [
        ('uphill', lambda w,g,lr: w+lr*g),
        ('forget the learning rate', lambda w,g,lr: w-g),
        ('only the step', lambda w,g,lr: lr*g),
        ('with its sign', lambda w,g,lr: -lr*g),
        ('scales the step', lambda w,g,lr: lr*(w-g)),
        ('divide', lambda w,g,lr: w-g/lr),
        ('changes its input', lambda w,g,lr: w.sub_(lr*g)),
        ('shape (2,)', lambda w,g,lr: tensor([0.,4.])),
        ('TypeError', lambda w,g: w-g),
    ],
    'check_epoch': [
        ('did not move', lambda *args: None),
        ('did not move', replaces),
        ('uphill', lambda *args: epoch(*args[:-1], -args[-1])),
        ('pile up', no_zero),
        ('forget the learning rate', lambda *args: epoch(*args[:-1], 1.)),
        ('first mini-batch only', lambda dl,*args: epoch(dl[:1], *args)),
        ('last mini-batch only', last_only),
        ('whole epoch', per_epoch),
        ('not right', lambda *args: epoch(*args) or epoch(*args)),
        ('RuntimeError', records_the_step),
        ("AttributeError: 'NoneType'", zero_before_grad),
        ('predictions first', epoch_exchanged),
        ('did not move', empties_the_list),
    ],
    'check_training_loop': [
        ('calls backward', loop('step','zero_grad')),
        ('calls opt.step', loop('backward','zero_grad')),
        ('pile up', loop('backward','step')),
        ('Backward passes: 3', one_epoch),
        ('Steps: 2', loop('backward', per_epoch=('step','zero_grad'))),
        ('step before backward', loop('step','backward','zero_grad')),
        ('finds none', loop('backward','zero_grad','step')),
        ('must be zeroed', loop('backward','step', per_epoch=('zero_grad',))),
        ('again and again', same_batch),
        ('predictions first', exchanged),
        ('calls backward', lambda *args: None),
        ('TypeError', lambda model: None),
    ],
}

CASES = [(name,word,answer) for name,pairs in WRONG.items() for word,answer in pairs]

@pytest.mark.parametrize('name, word, answer', CASES, ids=[f'{name[6:]}: {word}' for name,word,_ in CASES])
def test_wrong_answers_get_the_hint_that_names_the_fault(name, word, answer):
    for _ in range(5): assert word in CHECKS[name](answer)

def test_every_check_has_right_and_wrong_answers():
    assert list(RIGHT)==list(WRONG) and set(RIGHT)==set(CHECKS) and len(CHECKS)>=12
    assert min(map(len, WRONG.values()))>=8


# Nothing a reader passes stops a check

class Odd:
    "Neither prints nor compares"
    def __repr__(self): raise RuntimeError('no repr')
    def __eq__(self, other): raise RuntimeError('no eq')
    __hash__ = None

def boom(*args): raise KeyError('boom')

STRANGE = [None, 3, 'three', [], {}, (), Odd(), tensor(1.), torch.zeros(0), float('nan'), [Odd()],
           (Odd(),Odd()), [None,None], (None,None), [[1],[2,3]], [tensor([1,2])], np.array(['a']), 1j,
           10**400, range(3), int, b'3', torch.ones(2,2).to_sparse(), torch.ones(2, dtype=torch.bool)]

@pytest.mark.parametrize('name', CHECKS)
def test_strange_answers_get_a_hint(name):
    stopped = 'stopped with KeyError: ' if name!='check_picture_stack' else 'not a tensor'
    assert stopped in CHECKS[name](boom)
    for strange in STRANGE:
        answers = [strange] if name=='check_picture_stack' else [strange, lambda *args: strange]
        for answer in answers:
            hint = CHECKS[name](answer)
            assert isinstance(hint, str) and hint!='Right.' and len(hint)<400
            assert not re.search(r' at 0x', hint)

WITHOUT_RESULT = {'check_picture_stack','check_epoch','check_training_loop'}

@pytest.mark.parametrize('name', sorted(set(CHECKS)-WITHOUT_RESULT))
def test_a_function_that_returns_nothing(name):
    assert 'returns nothing' in CHECKS[name](lambda *args: None)


# Hints do not tell

SOLUTION = {
    'check_double_odds': r'%|\[2, 6\]|for o in',
    'check_picture_stack': r'4, ?2, ?3',
    'check_rank': r'len\(|ndim|\.dim',
    'check_l1_and_rmse': r'abs\(|sqrt|\*\*|1\.5|1\.73',
    'check_bottom_right': r'arange|view|\[?-2:|1:,|\[\[10',
    'check_derivative': r'6 ?\*? ?x|\b13\b',
    'check_sigmoid': r'exp\(|1/\(|torch\.sigmoid',
    'check_relu': r'max\(|clamp|relu\(|where',
    'check_batches': r'range\(|i ?\+ ?bs|\[5, 6, 7, 8\], \[9',
    'check_pairs': r'zip\(|\[\(1',
    'check_view': r'view\(|-1|reshape|flatten',
    'check_matmul': r'@|sum\(|matmul|None',
    'check_new_weights': r'lr ?\*|\* ?lr|-=|w ?-',
    'check_epoch': r'-=|\.data|zero_\(|backward\(',
    'check_training_loop': r'for |backward\(\)',
}

def test_hints_do_not_show_the_solution():
    assert set(SOLUTION)==set(CHECKS)
    for name,word,answer in CASES:
        if re.match(r'[A-Z]\w+Error', word): continue  # quotes what the reader's own code raised
        hint = CHECKS[name](answer)
        own = hint.split(' returns ')[-1] if word=='not right' else ''  # quotes an answer known by heart
        assert not re.search(SOLUTION[name], hint.replace(own, '')), (name,hint)


# The page

CELLS = cells('questions')
QUESTIONS = [source for kind,source,_ in CELLS if kind=='markdown' and re.match(r'\*\*\d+\.\*\*', source)]

def test_the_page_has_37_questions_in_order():
    assert [int(re.match(r'\*\*(\d+)', q).group(1)) for q in QUESTIONS]==list(range(1,38))

@pytest.mark.parametrize('i', range(37))
def test_each_question_has_an_answer_to_unfold(i):
    question,answer = QUESTIONS[i].split('\n\n<details><summary>Answer</summary>\n\n')
    assert answer.endswith('\n\n</details>') and answer.count('details>')==1
    assert len(question)>15 and len(answer)>250
    assert re.search(r'\n\nTaught in \[lesson \d+\]\(\d\d_\w+\.ipynb\)', answer)

def test_links_lead_to_notebooks():
    links = re.findall(r'\]\(([^)]*)\)', ''.join(source for _,source,_ in CELLS))
    assert links and all((ROOT/'nbs'/link).is_file() for link in links if not link.startswith('#'))

def test_every_check_stands_below_its_question_with_a_wrong_attempt():
    "The cell after the question calls the check, and its saved output is a hint"
    found = {}
    for (_,question,_),(kind,source,outputs) in zip(CELLS, CELLS[1:]):
        if question in QUESTIONS and kind=='code':
            name = re.search(r'^(check_\w+)\(', source, re.M).group(1)
            found[name] = int(re.match(r'\*\*(\d+)', question).group(1))
            hint = ''.join(outputs[0]['data']['text/plain'])
            assert 'Right' not in hint and len(hint)>20
    assert set(found)==set(CHECKS)
    for name,number in found.items(): assert f'question {number}:' in CHECKS[name].__doc__

def test_the_answers_in_the_folds_are_right():
    "Where an answer has code and a check follows, run the one with the other"
    n = 0
    for (_,question,_),(kind,source,_) in zip(CELLS, CELLS[1:]):
        if not (question in QUESTIONS and kind=='code'): continue
        scope = {'torch': torch}
        exec(re.search(r'```python\n(.*?)```', question, re.S).group(1), scope)
        name,answer = re.search(r'^(check_\w+)\((\w+)', source, re.M).groups()
        assert CHECKS[name](scope['x' if name=='check_picture_stack' else answer])=='Right.', name
        n += 1
    assert n==len(CHECKS)

def test_the_two_further_tasks_are_there():
    tasks = [source for kind,source,_ in CELLS if '<summary>Hints</summary>' in source]
    assert len(tasks)==2 and 'Learner' in tasks[0] and 'ten digits' in tasks[1]
    for word in ('cross-entropy', 'Labels', 'Initialisation', 'Learning rate'): assert word in tasks[1]
