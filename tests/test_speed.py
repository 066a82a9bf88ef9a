"The fast paths: loaders that slice tensors, resnet18 on them, memory, the benchmark (no test asserts a time)"
import copy,csv,os,subprocess,sys,warnings

import matplotlib.pyplot as plt, pytest, torch, torch.nn.functional as F
from torch import nn
from torchvision.models import resnet18
from fastbook_ch4.data import *
from fastbook_ch4.learner import *
from fastbook_ch4.vision import *
from fastbook_ch4.plumbing.images import image_files
from fastbook_ch4.plumbing.fast import (
    WholeMap, fast_resnet_learner, fused_adamw, grey_dataloaders, trim_kernels)
from conftest import ROOT
from PIL import Image
from fastai.vision.all import ClassificationInterpretation, load_learner, set_seed

N = 80

@pytest.fixture
def digits():
    "Pictures that can be told apart by their first pixel, which counts them"
    x = torch.zeros(N,3,3)
    x[:,0,0] = torch.arange(N)/N
    return (x, torch.arange(N)[:,None]%2),(x[:10], torch.arange(10)[:,None]%2)

def numbers(dl): return [(xb.flatten(1)[:,0]*N).round().int().tolist() for xb,_ in dl]

# The loader

def test_every_picture_once_each_epoch_in_a_new_order(digits):
    dl = Digits('', ['7','3'], *digits).dataloaders(bs=32).train
    first,second = [sum(numbers(dl), []) for _ in range(2)]
    assert sorted(first)==sorted(second)==list(range(N)) and first!=second!=list(range(N))

def test_pictures_keep_their_targets(digits):
    for xb,yb in Digits('', ['7','3'], *digits).dataloaders(bs=32).train:
        assert torch.equal((xb[:,0]*N).round().int()%2, yb[:,0])

def test_same_seed_same_order(digits):
    def order():
        set_seed(3)
        return numbers(Digits('', ['7','3'], *digits).dataloaders(bs=32).train)
    assert order()==order()

@pytest.mark.parametrize('flat, lengths', [(True,[32,32,16]), (False,[32,32])])
def test_short_last_batch(digits, flat, lengths):
    "One picture stops batch normalisation, so loaders of pictures drop a short batch; validation never does"
    dls = Digits('', ['7','3'], *digits).dataloaders(bs=32, flat=flat)
    assert [len(xb) for xb,_ in dls.train]==lengths and len(dls.train)==len(lengths)
    assert numbers(dls.valid)==[list(range(10))]

def test_fewer_pictures_than_a_batch(digits):
    dls = Digits('', ['7','3'], *digits).dataloaders(bs=128, flat=False)
    assert [xb.shape for xb,_ in dls.train]==[(N,1,3,3)]

def test_some_of_the_pictures(digits):
    "fastai's `n`, and the indices that `get_preds` hands on"
    dl = Digits('', ['7','3'], *digits).dataloaders(bs=4).valid
    assert numbers(dl.new(n=6))==[[0,1,2,3],[4,5]]
    assert numbers(dl.new(get_idxs=lambda: [7,2,5]))==[[7,2,5]]

def test_worker_processes_share_the_batches(digits):
    dls = Digits('', ['7','3'], *digits).dataloaders(bs=32)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Python's own, about fork in a process with threads
        got = numbers(dls.train.new(num_workers=2))
    assert sorted(sum(got, []))==list(range(N)) and sorted(map(len, got))==[16,32,32]

def test_all_pictures_move_to_the_device_at_once(digits):
    "So that no batch is copied from device to device; PyTorch's `meta` device stands in for a GPU"
    dls = Digits('', ['7','3'], *digits).dataloaders(bs=32, device='meta')
    for dl in dls.loaders:
        assert dl.dataset.x.device.type==dl.dataset.y.device.type=='meta'
        assert all(o.device.type=='meta' for b in dl for o in b)
    assert digits[0][0].device.type=='cpu'

@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU here')
@pytest.mark.parametrize('loaders', [digit_dataloaders, grey_dataloaders])
def test_on_a_gpu(few, loaders):
    dls = loaders(few, bs=16, device='cuda')
    xb,yb = dls.one_batch()
    assert xb.is_cuda and yb.is_cuda and dls.train_ds.x.is_cuda
    learn = fast_resnet_learner(dls) if xb.ndim==4 else digit_learner(dls, nn.Linear(784,1))
    with learn.no_bar(), learn.no_logging():
        learn.fit(2)
        assert learn.predict(image_files(few/'valid'/'3')[0])[0] in ('3','7')

def test_the_source_is_not_changed_by_training(few):
    x,y,*_ = digit_tensors(few)
    dls = Digits('', ['7','3'], (x.view(-1,28,28),y), (x.view(-1,28,28),y)).dataloaders(bs=16)
    copy = x.clone()
    for xb,_ in dls.train: xb.mul_(0)
    assert torch.equal(x, copy)

# resnet18 on pictures in memory

@pytest.fixture(scope='module')
def learn(shipped, once, tmp_path_factory):
    set_seed(0)
    dls = grey_dataloaders(shipped, bs=32, device='cpu')
    learn = fast_resnet_learner(dls, path=tmp_path_factory.mktemp('fast'))
    def train():
        learn.fit_one_cycle(2)
        return learn.model.state_dict(),learn.recorder.values
    with learn.no_bar(), learn.no_logging():
        state,learn.recorder.values = once('fast resnet', train)
        learn.model.load_state_dict(state)
        yield learn

def test_it_names_files_pictures_and_tensors(learn, shipped):
    files = [f for label in '37' for f in image_files(shipped/'valid'/label)[:20]]
    named = [learn.predict(f)[0] for f in files]
    assert sum(a==f.parent.name for a,f in zip(named, files))>=36
    for other in (str, Image.open, lambda f: load_images(f.parent)[image_files(f.parent).index(f)]):
        assert [learn.predict(other(f))[0] for f in files[::8]]==named[::8], other

def test_probabilities_belong_to_the_labels(learn):
    probs,targets,decoded = learn.get_preds(with_decoded=True)
    assert torch.allclose(probs.sum(1), torch.ones(len(probs)))
    share = (decoded==targets).float().mean().item()
    assert share==pytest.approx(learn.recorder.values[-1][-1]) and share>.9
    assert learn.dls.vocab.o2i['3']==1 and probs[:100,1].mean()>.8>.2>probs[100:,1].mean()

def test_reports_of_fastai(learn):
    interp = ClassificationInterpretation.from_learner(learn)
    assert interp.confusion_matrix().sum()==len(learn.dls.valid_ds)
    losses,idxs = interp.top_losses(3)
    assert losses.shape==idxs.shape==(3,) and losses[0]>=losses[1]>=losses[2]
    learn.dls.show_batch(max_n=4)
    axes = [ax for ax in plt.gcf().axes if ax.images]
    plt.close('all')
    assert len(axes)==4 and axes[0].images[0].get_array().shape==(28,28)

def test_save_load_export(learn, shipped, tmp_path):
    weight = next(learn.model.parameters())
    before = weight.detach().clone()
    learn.save('model')
    with torch.no_grad(): weight.add_(1)
    learn.load('model')
    assert torch.equal(next(learn.model.parameters()), before)
    learn.export(tmp_path/'export.pkl')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # fastai's own: load_learner unpickles
        again = load_learner(tmp_path/'export.pkl')
    with again.no_bar(): assert [again.predict(image_files(shipped/'valid'/o)[0])[0] for o in '37']==['3','7']

def test_lr_find_freeze_and_slices(few, tmp_path):
    learn = fast_resnet_learner(grey_dataloaders(few, bs=16, device='cpu'), path=tmp_path)
    with learn.no_bar(), learn.no_logging():
        assert learn.lr_find(num_it=5, show_plot=False).valley>0
        learn.freeze()
        before = next(learn.model.parameters()).detach().clone()
        learn.fit(1, slice(1e-4,1e-3))
        assert torch.equal(next(learn.model.parameters()), before)
        learn.unfreeze()
        learn.fit(1, slice(1e-4,1e-3))
    assert not torch.equal(next(learn.model.parameters()), before)
    assert [h['lr'] for h in learn.opt.hypers][-1]==pytest.approx(1e-3)

def test_other_labels_and_sizes(make_folder):
    dls = grey_dataloaders(make_folder(size=(20,12), mode='RGB', n=3), device='cpu')
    assert list(dls.vocab)==['dog','cat'] and dls.one_batch()[0].shape==(6,1,12,20)

@pytest.mark.parametrize('size, trimmed', [((28,28),5), ((12,20),5), ((60,40),0)])
def test_trimmed_kernels_change_nothing_but_the_time(size, trimmed):
    "Same answers, and the same gradients for the weights that are left; those cut off have none"
    torch.manual_seed(0)
    plain = resnet18(num_classes=2).train()
    plain.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    ours,x = trim_kernels(copy.deepcopy(plain), (1,*size)),torch.rand(8,1,*size)
    assert ours.training and sum(isinstance(m, WholeMap) for m in ours.modules())==trimmed
    for m in (plain,ours): F.cross_entropy(m(x), torch.arange(8)%2).backward()
    for (name,p),q in zip(plain.named_parameters(), ours.parameters()):
        if p.shape==q.shape: assert torch.allclose(p.grad, q.grad, atol=1e-4), name
        else:
            left = p.grad.flatten(2).abs().sum((0,1))>0
            assert left.sum()==q[0,0].numel(), name
            assert torch.allclose(p.grad.flatten(2)[...,left], q.grad.flatten(2), atol=1e-4), name
    for m in (plain,ours): m.eval()
    with torch.no_grad(): assert torch.allclose(plain(x), ours(x), atol=1e-4)

def test_pictures_of_another_size_are_refused(learn):
    with pytest.raises(ValueError, match='size of the training pictures'), torch.no_grad():
        learn.model(torch.rand(2,1,64,64))

def test_fused_adamw_equals_adamw():
    ours,theirs = nn.Linear(5,1),nn.Linear(5,1)
    theirs.load_state_dict(ours.state_dict())
    opts = fused_adamw(ours.parameters(), lr=.01),torch.optim.AdamW(theirs.parameters(), lr=.01)
    for _ in range(5):
        x = torch.randn(8,5)
        for m,opt in zip((ours,theirs), opts):
            m(x).sigmoid().mean().backward()
            opt.step()
            opt.zero_grad()
    assert torch.allclose(ours.weight, theirs.weight, rtol=1e-5)

# Memory and the benchmark

def bench(*args):
    cmd = [sys.executable, ROOT/'tools'/'bench.py', *map(str, args)]
    return subprocess.run(cmd, capture_output=True, text=True, env={**os.environ, 'PYTHONPATH': str(ROOT)})

@pytest.mark.full
def test_memory(full, monkeypatch):
    "Loading the full sample and training the linear models takes at most 3 times the memory of its tensors"
    monkeypatch.syspath_prepend(ROOT/'tools')
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    from bench import child
    assert float(child('memory_of_linear_steps()'))<3

@pytest.mark.full
def test_bench(full, tmp_path):
    p = bench('--rounds', 1, '--only', 'images,own_loop', '--out', tmp_path)
    assert p.returncode==0, p.stderr
    rows = list(csv.DictReader(open(tmp_path/'bench.csv')))
    assert list(rows[0])==['work','book_seconds','our_seconds','ratio','book_accuracy','our_accuracy']
    assert [r['work'] for r in rows]==['images to tensors, second time', 'linear model, own loop, 20 epochs']
    for r in rows:
        ratio = float(r['our_seconds'])/float(r['book_seconds'])
        assert float(r['ratio'])==pytest.approx(ratio, rel=.05)
    assert not rows[0]['book_accuracy']
    assert .95<float(rows[1]['book_accuracy'])<=float(rows[1]['our_accuracy'])
    assert 'CPU cores' in (tmp_path/'machine.txt').read_text()
    assert 'index_select' in (tmp_path/'report.txt').read_text()

@pytest.mark.full
def test_bench_says_what_it_takes(tmp_path):
    p = bench('--only', 'tea', '--out', tmp_path/'out')
    assert p.returncode==2 and 'own_loop' in p.stderr and not (tmp_path/'out').exists()

def test_the_page_shows_one_run():
    "All works are there, and each ratio is that of its seconds"
    text = (ROOT/'site'/'speed.md').read_text(encoding='utf8')
    rows = [[c.strip() for c in line.split('|')[1:-1]] for line in text.splitlines() if line.startswith('|')]
    works = [r for r in rows if len(r)==7][2:]
    assert [r[0].split(',')[0] for r in works]==[
        'images to tensors', 'linear model', 'linear model in Learner', 'two layers in Learner', 'resnet18']
    for _,book,ours,ratio,*_ in works: assert float(ratio)==pytest.approx(float(ours)/float(book), abs=.02)
    assert 'Measured on:' in text
