"Lesson 13: `Value` against PyTorch, on calculations drawn at random, long ones and ones that share"
import ast,random,statistics

import pytest,torch
from conftest import ROOT
from fastbook_ch4.autograd import Value
from fastbook_ch4.data import load_images, mnist_sample
from fastbook_ch4.loss import mnist_loss
from fastbook_ch4.training import linear1

def grads(f, numbers):
    "Value and slopes of `f`, by ours"
    values = [Value(o) for o in numbers]
    end = f(*values)
    end.backward()
    return [end.data, *(v.grad for v in values)]

def theirs(f, numbers):
    "Value and slopes of `f`, by PyTorch"
    tensors = [torch.tensor(o, dtype=torch.double, requires_grad=True) for o in numbers]
    end = f(*tensors)
    end.backward()
    return [end.item(), *(0. if t.grad is None else t.grad.item() for t in tensors)]

def larger(a, b):
    "The maximum of what PyTorch or we calculate with"
    tensors = isinstance(a, torch.Tensor) or isinstance(b, torch.Tensor)
    if tensors: return torch.maximum(*(torch.as_tensor(o, dtype=torch.double) for o in (a,b)))
    return a.max(b) if isinstance(a, Value) else b.max(a)

STEPS = [lambda a, b: a+b, lambda a, b: a-b, lambda a, b: a*b, lambda a, b: a/(b*b+1), larger,
         lambda a, b: (-a*a).exp(), lambda a, b: 3-a, lambda a, b: 2+a, lambda a, b: a*-.5, lambda a, b: .5*a,
         lambda a, b: larger(a, 0), lambda a, b: 1/(a**2+1), lambda a, b: (a*a+1)**-.5, lambda a, b: a/2]

def tangle(seed, n=12):
    "A calculation of `n` steps, each of two numbers that are there, so that paths split and meet"
    rng = random.Random(seed)
    steps = [(rng.choice(STEPS), rng.random(), rng.random()) for _ in range(n)]
    def f(*numbers):
        made = list(numbers)
        for step,i,j in steps: made.append(step(made[int(i*len(made))], made[int(j*len(made))]))
        return sum(made[-3:])/3 + 0*sum(numbers)
    return f

@pytest.mark.parametrize('seed', range(60))
def test_a_tangle_drawn_at_random_has_pytorch_s_slopes(seed):
    rng = random.Random(seed)
    numbers = [rng.uniform(-2, 2) for _ in range(3)]
    ours,right = grads(tangle(seed), numbers),theirs(tangle(seed), numbers)
    assert ours==pytest.approx(right, rel=1e-9, abs=1e-12)

@pytest.mark.parametrize('seed', range(20))
def test_at_ties_too(seed):
    "Small whole numbers meet often"
    rng = random.Random(seed)
    numbers = [rng.choice([-1.,0.,1.]) for _ in range(3)]
    assert grads(tangle(seed), numbers)==pytest.approx(theirs(tangle(seed), numbers), rel=1e-9, abs=1e-12)

@pytest.mark.parametrize('f', [
    lambda x: x+x, lambda x: x*x, lambda x: x-x, lambda x: x/x, lambda x: larger(x, x),
    lambda x: larger(x, x*1), lambda x: x*x*x, lambda x: (x+x)*(x+x), lambda x: x**3, lambda x: x**0,
    lambda x: x**1, lambda x: x**-2, lambda x: sum([x]*50)], ids=range(13))
@pytest.mark.parametrize('x', [1.5, -2.])
def test_one_number_that_takes_part_many_times(f, x): assert grads(f, [x])==pytest.approx(theirs(f, [x]))

def test_to_the_power_of_0_at_0():
    assert grads(lambda x: x**0, [0.])==theirs(lambda x: x**0, [0.])==[1.,0.]
    assert grads(lambda x: x**2, [0.])==[0.,0.]

def test_where_pytorch_s_own_two_differ_at_the_corner():
    "`max` is `torch.maximum`; `relu` has 0 there"
    assert grads(lambda x: x.max(0), [0.])==theirs(lambda x: larger(x, 0), [0.])==[0.,.5]
    assert theirs(torch.relu, [0.])==[0.,0.]
    for x in (-2.,-1e-9,1e-9,3.): assert grads(lambda v: v.max(0), [x])==theirs(torch.relu, [x])

def test_a_very_long_chain():
    x = Value(1.)
    y = x
    for _ in range(100_000): y = y*1. + 0.
    y.backward()
    assert (y.data, x.grad, y.depth)==(1., 1., 200_000)

def test_shared_parts_are_walked_once():
    "2**300 paths"
    x = Value(1.)
    y = x
    for _ in range(300): y = y+y
    y.backward()
    assert x.grad==y.data==2.**300

def test_a_short_and_a_long_way_to_one_number():
    "The short one must wait"
    x = Value(2.)
    p = x*3
    long = p
    for _ in range(50): long = long+1
    y = p*long
    y.backward()
    assert p.grad==pytest.approx(p.data+long.data) and x.grad==pytest.approx(3*(p.data+long.data))

@pytest.mark.parametrize('n', [2,3])
def test_backward_again_adds_as_pytorch_does(n):
    x,t = Value(2.),torch.tensor(2., requires_grad=True)
    p,q = x*3,t*3
    y,u = p*p + x,q*q + t
    for _ in range(n):
        y.backward()
        u.backward(retain_graph=True)
    assert x.grad==t.grad.item()==n*37 and p.grad==12.

def test_two_ends_of_one_beginning():
    "Each adds its part, and an end may be used further on"
    x,t = Value(2.),torch.tensor(2., requires_grad=True)
    y,u = x*x,t*t
    z,v = y+x,u+t
    for end in (y,z): end.backward()
    for end in (u,v): end.backward(retain_graph=True)
    assert x.grad==t.grad.item()==9.

def test_a_number_that_was_put_in():
    x = Value(3.)
    x.backward()
    assert x.grad==1.

def test_slopes_are_those_of_the_calculation_though_data_changed_since():
    x,w = Value(2.),Value(3.)
    y = w*x
    w.data = 100.
    y.backward()
    assert (w.grad, x.grad)==(2., 3.)

@pytest.mark.parametrize('make', [
    lambda: Value('3'), lambda: Value(None), lambda: Value([1.]), lambda: Value(torch.tensor(1.)),
    lambda: Value(Value(1.)), lambda: Value(1)+'x', lambda: 'x'*Value(1), lambda: Value(1)*torch.ones(2),
    lambda: torch.ones(2)+Value(1), lambda: Value(1).max(None), lambda: Value(-2)**.5], ids=range(11))
def test_what_is_no_number_is_refused(make):
    with pytest.raises(TypeError, match='Pass one number, not [A-Za-z]+'): make()

@pytest.mark.parametrize('make', [lambda: Value(2)**Value(2), lambda: Value(2)-'x', lambda: Value(2)/None])
def test_python_refuses_the_rest(make):
    with pytest.raises(TypeError): make()

def test_large_numbers():
    with pytest.raises(OverflowError): Value(1000).exp()
    with pytest.raises(ZeroDivisionError): 1/Value(0)
    assert grads(lambda x: x.exp(), [-1000.])==[0.,0.]

def test_numpy_s_numbers_are_numbers():
    import numpy as np
    assert (Value(np.float32(2))*np.float64(3)).data==6.

def test_it_takes_as_many_lines_as_the_page_says():
    "Imports, documentation and decorators left out"
    tree = ast.parse((ROOT/'fastbook_ch4'/'autograd.py').read_text(encoding='utf8'))
    imports = ast.Import,ast.ImportFrom
    code = [o for o in ast.walk(tree) if isinstance(o, ast.stmt) and not isinstance(o, imports)]
    said = [o for o in code if isinstance(o, ast.Expr) and isinstance(o.value, ast.Constant)]
    lines = {o.lineno for o in code if o not in said and not ast.unparse(o).startswith('__all__')}
    page = (ROOT/'nbs'/'13_autograd.ipynb').read_text(encoding='utf8')
    assert f'# Autograd in {len(lines)} lines' in page and f'in {len(lines)} lines of Python' in page

# The digits

def descent(images, targets, steps=8, lr=.3):
    "Weights and bias of lesson 4's model after `steps` from 0"
    weights,bias = torch.zeros(784,1, dtype=torch.double),torch.zeros(1, dtype=torch.double)
    params = [p.requires_grad_() for p in (weights,bias)]
    for _ in range(steps):
        mnist_loss(linear1(images, *params), targets).backward()
        for p in params:
            p.data -= lr*p.grad
            p.grad = None
    return [p.detach() for p in params]

def n_right(threes, sevens, valid):
    images = torch.cat([threes, sevens]).view(-1,784).double()
    params = descent(images, torch.tensor([1]*len(threes)+[0]*len(sevens))[:,None])
    scores = [linear1(o.view(-1,784).double(), *params) for o in valid]
    return ((scores[0]>0).sum() + (scores[1]<=0).sum()).item()

def draw(images, generator): return images[torch.randperm(len(images), generator=generator)[:10]]

def of_eight_draws(path):
    "How many the first ten and ten get right, and those of eight draws; and how many there are"
    train,valid = [[load_images(path/part/o) for o in '37'] for part in ('train','valid')]
    seeds = [torch.Generator().manual_seed(seed) for seed in range(8)]
    drawn = [n_right(*(draw(o, g) for o in train), valid) for g in seeds]
    return n_right(*(o[:10] for o in train), valid),sorted(drawn),sum(map(len, valid))

def test_twenty_digits_are_enough_for_most():
    first,drawn,n = of_eight_draws(mnist_sample())
    assert min(first, *drawn)>.8*n

@pytest.mark.full
def test_the_page_says_how_lucky_its_twenty_are(full):
    first,drawn,n = of_eight_draws(full)
    assert (first, drawn[0], drawn[-1], n)==(1959, 1903, 1947, 2038)
    assert statistics.median(drawn)==1930.5  # the page says about 1,930
