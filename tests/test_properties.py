"""What holds for all inputs, tried on generated ones: a few in `make test`, thousands in `make test-full`

References are PyTorch's, fastai's or numpy's own functions; a GPU takes part where there is one."""
import io,math,tarfile
from pathlib import PureWindowsPath
from types import SimpleNamespace

import numpy as np, pytest, torch, torch.nn.functional as F
from hypothesis import HealthCheck, assume, given, settings, strategies as st
from PIL import Image
from torch import nn
from fastbook_ch4 import cli,store
from fastbook_ch4.store import archive
from fastbook_ch4.application import *
from fastbook_ch4.baseline import *
from fastbook_ch4.birds import *
from fastbook_ch4.data import *
from fastbook_ch4.descent import *
from fastbook_ch4.multiclass import *
from fastbook_ch4.ladder import balanced_accuracy
from fastbook_ch4.learner import *
from fastbook_ch4.loss import *
from fastbook_ch4.models import *
from fastbook_ch4.neurons import *
from fastbook_ch4.optimizer import *
from fastbook_ch4.thermometer import *
from fastbook_ch4.training import *
from fastbook_ch4.vision import *
from fastai.metrics import accuracy_multi
from fastbook_ch4.app.page import read_picture
from fastbook_ch4.plumbing.checks import check_pixels, check_targets, pair_up
from fastbook_ch4.plumbing.loops import epochs_for


DEVICES = ['cpu'] + ['cuda']*torch.cuda.is_available()

def for_all(most=600, **strategies):
    "Turn a function of generated values into a test: 10 of them in `make test`, `most` in `make test-full`"
    def wrap(f):
        @pytest.mark.parametrize('examples', [10, pytest.param(most, marks=pytest.mark.full)])
        def test(examples):
            how = settings(max_examples=examples, deadline=None, database=None,
                           suppress_health_check=list(HealthCheck))
            how(given(**strategies)(f))()
        test.__doc__,test.examples = f.__doc__,most
        return test
    return wrap

logits = st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=40)
any_logits = st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=40)
seeds = st.integers(0, 2**32-1)
columns = st.booleans()

def targets_for(n, seed): return torch.randint(2, (n,), generator=torch.Generator().manual_seed(seed))

def rand(seed, *shape, low=0., high=1.):
    return low + (high-low)*torch.rand(*shape, generator=torch.Generator().manual_seed(seed))

def strided(x): return torch.stack([x,x+1], -1)[...,0]  # the same values, two apart in memory

def as_bytes(x): return x.cpu().numpy().tobytes()

def unchanged(f, *tensors):
    "What `f` returns for `tensors`, of which none may be modified"
    before = list(map(as_bytes, tensors))
    result = f(*tensors)
    assert list(map(as_bytes, tensors))==before, 'an input was modified'
    return result

# Losses and metrics

@for_all(x=st.lists(st.floats(width=32), min_size=1, max_size=40))
def test_sigmoid_is_torch_s(x):
    x = torch.tensor(x)
    ours = unchanged(sigmoid, x)
    assert torch.equal(ours[~x.isnan()], torch.sigmoid(x)[~x.isnan()]) and ours.isnan().equal(x.isnan())
    assert ((ours[~x.isnan()]>=0) & (ours[~x.isnan()]<=1)).all()

@for_all(x=any_logits, seed=seeds, column=columns, reduction=st.sampled_from(['mean','sum','none']))
def test_mnist_loss_is_the_distance_from_the_target(x, seed, column, reduction):
    x = torch.tensor(x)
    y = targets_for(len(x), seed)
    ref = F.l1_loss(torch.sigmoid(x), y.float(), reduction=reduction)
    for device in DEVICES:
        preds,targets = [o.to(device)[:,None] if column else o.to(device) for o in (x,y)]
        loss = unchanged(lambda p,t: mnist_loss(p, t, reduction), preds, targets).cpu()
        assert torch.allclose(loss, ref, rtol=1e-5, atol=1e-6)
        if reduction!='sum': assert (loss>=0).all() and (loss<=1).all()
        elsewhere = mnist_loss(strided(preds), strided(targets), reduction).cpu()
        assert torch.allclose(elsewhere, loss), 'memory layout'

@for_all(x=any_logits, seed=seeds)
def test_a_missing_last_axis_changes_nothing(x, seed):
    x = torch.tensor(x)
    y = targets_for(len(x), seed)
    forms = [(p,t) for p in (x,x[:,None]) for t in (y,y[:,None],y.float(),y.bool())]
    for f in (mnist_loss,batch_accuracy): assert len({f(p, t).item() for p,t in forms})==1

@for_all(x=any_logits, seed=seeds)
def test_accuracy_is_fastai_s_and_a_multiple_of_one_share(x, seed):
    x = torch.tensor(x)
    y = targets_for(len(x), seed)
    acc = unchanged(batch_accuracy, x, y).item()
    assert acc==pytest.approx(accuracy_multi(x, y).item()) and 0<=acc<=1
    assert abs(acc*len(x)-round(acc*len(x)))<1e-4

@for_all(x=logits, seed=seeds)
def test_the_order_of_a_batch_does_not_matter(x, seed):
    x = torch.tensor(x)
    y = targets_for(len(x), seed)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    for f in (mnist_loss,batch_accuracy,mse):
        assert f(x[order], y[order]).item()==pytest.approx(f(x, y).item(), rel=1e-5)

@for_all(n=st.integers(1, 60), bs=st.integers(1, 60), seed=seeds)
def test_validation_does_not_depend_on_the_batches(n, bs, seed):
    x,y = rand(seed, n, 3, low=-1),targets_for(n, seed)[:,None]
    def model(xb): return xb.sum(1, keepdim=True)
    batches = list(zip(x.split(bs), y.split(bs)))
    assert validate_epoch(model, batches)==pytest.approx(batch_accuracy(model(x), y).item())

@for_all(x=logits, seed=seeds, dtype=st.sampled_from([torch.float32, torch.float64]))
def test_mse_and_rmse_are_torch_s(x, seed, dtype):
    x = torch.tensor(x, dtype=dtype)
    y = x.flip(0)*rand(seed, len(x)).to(dtype)
    ours = unchanged(mse, x, y)
    assert torch.allclose(ours, F.mse_loss(x, y)) and ours>=0 and ours.dtype==dtype
    assert torch.allclose(rmse_loss(x, y), F.mse_loss(x, y).sqrt(), atol=1e-6)

shapes = st.lists(st.integers(0, 4), max_size=3)

@for_all(a=shapes, b=shapes)
def test_shapes_pair_up_one_to_one_or_are_refused(a, b):
    "Never is anything stretched: what comes out has the numbers that went in"
    p,t = [torch.arange(math.prod(o)).float().reshape(o) for o in (a,b)]
    try: preds,targets = unchanged(pair_up, p, t)
    except ValueError as e: assert 'do not pair up' in str(e) or 'empty' in str(e)
    else:
        assert preds.shape==targets.shape and preds.numel()==p.numel()==t.numel()
        assert torch.equal(preds.flatten(), p.flatten())

@for_all(x=st.lists(st.one_of(st.sampled_from([0.,1.]), st.floats(width=32)), min_size=1, max_size=12))
def test_targets_are_accepted_if_all_are_0_or_1(x):
    try: ok = check_targets(torch.tensor(x)) is not None
    except ValueError: ok = False
    assert ok==all(o in (0,1) for o in x)

@for_all(x=st.lists(st.floats(-.25, 1.25, width=32), min_size=1, max_size=12))
def test_pixels_are_accepted_if_all_lie_in_0_to_1(x):
    try: ok = check_pixels(torch.tensor(x)) is not None
    except ValueError: ok = False
    assert ok==all(0<=o<=1 for o in x)

@for_all(x=st.lists(st.floats(0, 1, width=32), min_size=2, max_size=40), seed=seeds)
def test_balanced_accuracy_is_the_mean_of_two(x, seed):
    probs,y = torch.tensor(x),targets_for(len(x), seed)
    assume(len(y.unique())==2)
    ref = np.mean([np.mean((np.array(x, np.float32)>.5)[y.numpy()==t]==t) for t in (0,1)])
    assert unchanged(balanced_accuracy, probs, y)==pytest.approx(ref)
    wrong = most_wrong(probs, y)
    assert sorted(wrong.tolist())==((probs>.5)!=(y==1)).nonzero()[:,0].tolist()
    assert torch.equal(decode_targets(probs), (probs>.5).long())

# Images

@for_all(seed=seeds, n=st.integers(1, 5), h=st.integers(1, 9), w=st.integers(1, 9))
def test_distance_is_torch_s_and_a_distance(seed, n, h, w):
    x = rand(seed, n, h, w)
    a,b = rand(seed+1, h, w),rand(seed+2, h, w)
    d = unchanged(mnist_distance, x, a)
    assert torch.allclose(d, torch.stack([F.l1_loss(o, a) for o in x]), atol=1e-6)
    for same in (mnist_distance(a, x),mnist_distance(strided(x), a)): assert torch.allclose(d, same)
    assert (mnist_distance(x, x)==0).all()
    assert (d<=mnist_distance(x, b)+mnist_distance(b, a)+1e-6).all()
    assert torch.allclose(unchanged(mean_digit, x), torch.from_numpy(x.numpy().mean(0)), atol=1e-6)

@for_all(seed=seeds, n=st.integers(1, 50), bs=st.integers(1, 60), shuffle=st.booleans())
def test_a_loader_gives_each_picture_once_with_its_target(seed, n, bs, shuffle):
    x = torch.arange(n).float()[:,None,None].expand(n,2,2)/n
    y = targets_for(n, seed)[:,None]
    dls = Digits('', ['b','a'], (x,y), (x,y)).dataloaders(bs=bs, shuffle=shuffle)
    for dl in dls.loaders:
        batches = list(dl)
        numbers = torch.cat([(xb[:,0]*n).round().long() for xb,_ in batches])
        assert sorted(numbers.tolist())==list(range(n))
        assert torch.equal(torch.cat([yb for _,yb in batches]), y[numbers])
        assert [len(xb) for xb,_ in batches]==[bs]*(n//bs) + [n%bs]*(n%bs>0)
        if not shuffle or dl is dls.valid: assert numbers.tolist()==list(range(n))

@for_all(seed=seeds, n=st.integers(2, 5), c=st.integers(1, 3), side=st.integers(2, 6),
         right=st.integers(-1, 1), down=st.integers(-1, 1))
def test_channels_are_torchvision_s(seed, n, c, side, right, down):
    from torchvision.transforms import functional as tv
    x = (rand(seed, n, c, side, side)*255).byte()
    mean,std = unchanged(channel_stats, x)
    levels = x.numpy()/255
    assert np.allclose(mean, levels.mean((0,2,3)), atol=1e-5)
    assert np.allclose(std, levels.std((0,2,3), ddof=1), atol=1e-4)
    assume((std>.01).all())
    ours = unchanged(lambda x: standardise(x, mean, std), x)
    assert torch.allclose(ours, tv.normalize(x.float()/255, mean, std), atol=1e-5)
    moved = unchanged(lambda x: shift_images(x, right, down), x)
    padded = F.pad(x.float(), (1,1,1,1), 'replicate').byte()
    assert torch.equal(moved, padded[...,1-down:1-down+side,1-right:1-right+side])

# Steps

@for_all(seed=seeds, lr=st.floats(1e-4, 2), sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4),
         steps=st.lists(st.integers(0, 15), min_size=1, max_size=6), groups=st.booleans(), zero=st.booleans())
def test_basic_optim_is_torch_s_sgd(seed, lr, sizes, steps, groups, zero):
    "Over sequences of steps in which bit i of `steps` says whether parameter i has a gradient"
    for device in DEVICES:
        start = [rand(seed+i, n, low=-1).to(device) for i,n in enumerate(sizes)]
        ours,theirs = [[o.clone().requires_grad_() for o in start] for _ in range(2)]
        opt = BasicOptim([[p] for p in ours] if groups else ours, lr)
        ref = torch.optim.SGD(theirs, lr=lr)
        way = 1.  # how far a parameter may have gone: its rounding errors grow with that
        for k,bits in enumerate(steps):
            for i,(p,q) in enumerate(zip(ours, theirs)):
                if bits>>i & 1:
                    g = rand(seed+10*k+i, len(p), low=-1).to(device)
                    for o in (p,q): o.grad = g.clone() if o.grad is None else o.grad+g
            way += lr*max((p.grad.abs().max().item() for p in ours if p.grad is not None), default=0)
            for o in (opt,ref): o.step()
            for p,q in zip(ours, theirs): assert (p-q).abs().max()<=(k+1)*way*torch.finfo(torch.float32).eps
            if zero:
                for o in (opt,ref): o.zero_grad()
                assert all(p.grad is None for p in ours)

@for_all(seed=seeds, n=st.integers(1, 20), lr=st.floats(1e-6, 1e-2), loss=st.sampled_from([mse, rmse_loss]))
def test_apply_step_is_a_step_of_sgd(seed, n, lr, loss):
    t,y = rand(seed, n, low=-2, high=2),rand(seed+1, n, low=-5, high=5)
    ours,theirs = [rand(seed+2, 3, low=-1).requires_grad_() for _ in range(2)]
    unchanged(lambda t,y: apply_step(ours, t, y, lr, loss_func=loss), t, y)
    opt = torch.optim.SGD([theirs], lr=lr)
    loss(quadratic(t, theirs), y).backward()
    opt.step()
    assert torch.allclose(ours, theirs, rtol=1e-6) and ours.grad is None

@for_all(seed=seeds, n=st.integers(1, 9), n_in=st.integers(1, 9), n_out=st.integers(1, 3))
def test_linear1_is_torch_s_linear(seed, n, n_in, n_out):
    x,w = rand(seed, n, n_in),rand(seed+1, n_in, n_out)
    b = rand(seed+2, n_out)
    assert torch.allclose(unchanged(linear1, x, w, b), F.linear(x, w.T, b), atol=1e-5)
    once,twice = [rand(seed+3, n_in, n_out).requires_grad_() for _ in range(2)]
    def loss(preds, targets): return (preds-targets).square().mean()
    calc_grad(x, b, lambda xb: xb@once, loss)
    for _ in range(2): calc_grad(x, b, lambda xb: xb@twice, loss)
    assert torch.allclose(2*once.grad, twice.grad), 'gradients add up'

@for_all(n=st.integers(1, 5000), steps=st.integers(1, 5000))
def test_epochs_come_nearest_to_the_steps(n, steps):
    e = epochs_for(n, steps)
    assert e>=1 and all(abs(e*n-steps)<=abs(o*n-steps) for o in (e-1,e+1) if o>=1)

@for_all(x=logits, w=st.floats(-5, 5), b=st.floats(-5, 5), name=st.sampled_from(sorted(ACTIVATIONS)))
def test_neurons_and_slopes_are_autograd_s(x, w, b, name):
    x,f = torch.tensor(x),ACTIVATIONS[name]
    assert torch.allclose(unchanged(lambda x: neuron(x, w, b, f), x), f(w*x+b), atol=1e-6)
    at = x.clone().requires_grad_()
    f(at).sum().backward()
    assert torch.allclose(unchanged(lambda x: slopes(f, x), x), at.grad, atol=1e-6)

@for_all(n=st.integers(2, 12), data=st.data())
def test_hold_out_splits_every_row_once(n, data):
    rows = data.draw(st.lists(st.integers(0, n-1), min_size=1, max_size=n-1, unique=True))
    x = torch.arange(n)[:,None]
    (tx,ty),(vx,vy) = hold_out(x, 10*x, rows)
    assert vx[:,0].tolist()==rows and sorted(tx[:,0].tolist()+rows)==list(range(n))
    assert torch.equal(ty, 10*tx) and torch.equal(vy, 10*vx)

@for_all(most=300, sizes=st.lists(st.integers(1, 6), min_size=2, max_size=5), n=st.integers(1, 4),
         data=st.data())
def test_few_of_each_are_few_of_each(sizes, n, data):
    assume(min(sizes)>=n)
    y = torch.tensor(sum([[i]*k for i,k in enumerate(sizes)], []))[torch.randperm(sum(sizes))]
    rows = few_of_each(y, n)
    assert len(set(rows.tolist()))==n*len(sizes) and y[rows].bincount().tolist()==[n]*len(sizes)

# Files

NOTHING = store.DataSet('cifar2', 'one image', {'train/bird': 1})
part = st.sampled_from(['..', '.', '', 'cifar2', 'train', 'bird', '0.png', '~', 'C:', '\\', 'a\\..\\b', ' ',
                        '\n', '/', 'ㄱ', '.hidden'])
path_names = st.lists(part, min_size=1, max_size=6).map('/'.join)

@for_all(most=400, names=st.lists(path_names, min_size=1, max_size=3), absolute=st.booleans())
def test_no_name_in_an_archive_leads_outside(names, absolute):
    "Each file that would be written lies below the folder it is unpacked into, by its plain name"
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode='w') as t:
        for name in names: t.addfile(tarfile.TarInfo('/'*absolute+name), io.BytesIO())
    tar.seek(0)
    with tarfile.open(fileobj=tar) as t:
        try: paths = [path for _,path in archive._members(t, NOTHING, 'a.tgz')]
        except ValueError: return
    for path in paths:
        assert not path.is_absolute() and '..' not in path.parts and '\\' not in str(path)
        assert PureWindowsPath('D:/data', path).is_relative_to('D:/data')

def a_picture(kind, seed):
    "The bytes of a small picture"
    out = io.BytesIO()
    Image.fromarray((rand(seed, 20, 16)*255).byte().numpy()).save(out, kind)
    return out.getvalue()

places_and_values = st.tuples(st.floats(0, 1), st.integers(0, 255))
shares = st.one_of(st.just(1.), st.floats(0, 1))

def damaged(data, changes, keep):
    "The bytes `data` with `changes`, places as shares of the whole and values there, cut to the share `keep`"
    data = bytearray(data)
    for where,value in changes: data[int(where*(len(data)-1))] = value
    return bytes(data[:int(keep*len(data))])

@for_all(most=400, kind=st.sampled_from(['PNG','JPEG','GIF','BMP','TIFF','WEBP']), seed=seeds,
         changes=st.lists(places_and_values, max_size=6), keep=shares)
def test_a_damaged_picture_is_read_or_refused(kind, seed, changes, keep):
    "No other error, and what is read has 28x28 values in 0..1"
    try: x = centre_digit(damaged(a_picture(kind, seed), changes, keep))
    except ValueError as e: assert len(str(e))>10
    else: assert x.shape==(28,28) and 0<=x.min() and x.max()<=1

@for_all(most=300, data=st.binary(max_size=200))
def test_bytes_that_are_no_picture_are_refused(data):
    with pytest.raises(ValueError): centre_digit(data)

@pytest.fixture(scope='module')
def model_file(tmp_path_factory):
    "A small model on disk"
    x = rand(0, 3, 8, 8)
    file = tmp_path_factory.mktemp('model')/'m'
    familiar = Familiar(x, x[:0])
    save_digit_model(DigitModel(nn.Linear(64, 1), ['no','yes'], 'linear', familiar, .5, centred=False), file)
    return SimpleNamespace(place=file.with_name('changed'), data=file.read_bytes())

@pytest.mark.parametrize('examples', [10, pytest.param(400, marks=pytest.mark.full)])
def test_a_damaged_model_is_refused_or_whole(model_file, examples):
    "The checksum notices a change of a weight or a label, too; no other error than `ValueError` comes"
    saved = load_digit_model(model_file.place.with_name('m'))
    @settings(max_examples=examples, deadline=None, database=None)
    @given(changes=st.lists(places_and_values, max_size=5), keep=shares)
    def holds(changes, keep):
        model_file.place.write_bytes(damaged(model_file.data, changes, keep))
        try: m = load_digit_model(model_file.place)
        except ValueError as e: assert str(model_file.place) in str(e) and '\n' not in str(e)
        else:
            x = rand(1, 2, 8, 8)
            assert torch.equal(m.probs(x), saved.probs(x)) and m.labels==saved.labels
    holds()

# Text that people and browsers send

@for_all(text=st.text(max_size=40))
def test_any_list_of_steps_is_understood_or_refused(text):
    try: steps = cli.ladder.choose_steps(text)
    except ValueError as e: assert 'not one of the steps' in str(e)
    else: assert steps and steps==[s for s in cli.ladder.STEPS if s in steps]

@for_all(data=st.binary(max_size=200))
def test_bytes_that_are_no_picture_are_answered_in_words(data):
    said = read_picture(SimpleNamespace(centred=True), data)
    assert said.startswith('<p class="note">') and len(said)>40

def test_more_than_ten_thousand_in_all():
    most = [t.examples for t in globals().values() if hasattr(t, 'examples')]
    assert sum(most)>=10_000, sum(most)
