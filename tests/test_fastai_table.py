"""The part of fastai that our loaders, loss, metric and optimizer are for, call by call.

Each call is made twice: with what is ours, and with what fastai makes from the same files.
Both must give the same numbers, names, titles and parameters."""
import os,pickle,re,shutil,warnings
from copy import deepcopy
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt, numpy as np, pandas as pd, pytest, torch
from torch import nn
from fastbook_ch4.birds import colour_dataloaders
from fastbook_ch4.plumbing.images import colour_images, image_files
from fastbook_ch4.data import digit_dataloaders
from fastbook_ch4.multiclass import class_dataloaders, labelled_images
from fastbook_ch4.loss import batch_accuracy, mnist_loss
from fastbook_ch4.optimizer import BasicOptim
from fastbook_ch4.vision import image_dataloaders
from fastbook_ch4.plumbing.fast import grey_dataloaders
from PIL import Image
from fastai.callback.all import (CSVLogger, CutMix, EarlyStoppingCallback, GradientAccumulation, GradientClip,
                                 MixUp, ParamScheduler, PartialDL, ReduceLROnPlateau, SaveModelCallback,
                                 SchedLin, WeightedDL)
from fastai.distributed import DistributedDL
from fastai.losses import BaseLoss
from fastai.vision.all import (BCEWithLogitsLossFlat, Brightness, CategoryBlock, ClassificationInterpretation,
                               CrossEntropyLossFlat, DataBlock, DataLoaders, FlipItem, ImageBlock,
                               IndexSplitter, Interpretation, L, Learner, Normalize, PILImage, PILImageBW,
                               SGD, accuracy, accuracy_multi, load_learner, parent_label, set_seed,
                               trainable_params)

@pytest.fixture(scope='module')
def path(shipped, tmp_path_factory):
    "A folder with 20 training and 10 validation digits of each label"
    path = tmp_path_factory.mktemp('table')/'digits'
    for split,n in (('train',20), ('valid',10)):
        for label in '37':
            (path/split/label).mkdir(parents=True)
            for f in image_files(shipped/split/label)[:n]: shutil.copy(f, path/split/label)
    return path

# What is ours and what is fastai's: loaders of the same pictures in one order, model, optimizer, loss, metric

def fastai_loaders(path, order, image, vocab='73', batch_tfms=None):
    "fastai's own loaders; `order` is that of the labels in each split, `vocab` that of the targets"
    train,valid = [[f for o in order for f in image_files(path/split/o)] for split in ('train','valid')]
    block = DataBlock(blocks=(ImageBlock(image), CategoryBlock(list(vocab), sort=False)), get_y=parent_label,
                      splitter=IndexSplitter(range(len(train), len(train)+len(valid))), batch_tfms=batch_tfms)
    return block.dataloaders(train+valid, bs=8, num_workers=0, device='cpu')

class MnistLossModule(nn.Module):
    "The chapter's formula in the form of PyTorch's losses"
    def __init__(self, reduction='mean'):
        super().__init__()
        self.reduction = reduction
    def forward(self, x, y):
        losses = torch.where(y==1, 1-x.sigmoid(), x.sigmoid())
        return losses if self.reduction=='none' else losses.mean()

class FastaiMnistLoss(BaseLoss):
    "The same loss in the form of fastai's own"
    y_int = True
    def __init__(self): super().__init__(MnistLossModule, is_2d=False)
    def decodes(self, x): return (x.view(-1)>.5).long()
    def activation(self, x): return x.sigmoid()

def one_logit(ours, theirs):
    "Loaders and model on either side, with what goes with one logit"
    return (*ours,BasicOptim,mnist_loss,batch_accuracy),(*theirs,SGD,FastaiMnistLoss(),accuracy_multi)

def rows(path):
    model = nn.Linear(784,1)
    theirs = fastai_loaders(path, '37', PILImageBW),nn.Sequential(nn.Flatten(), model)
    return one_logit((digit_dataloaders(path, bs=8),model), theirs)

def net(channels, n_out):
    body = nn.Sequential(nn.Conv2d(channels, 4, 3, stride=3), nn.ReLU())
    return nn.Sequential(body, nn.Sequential(nn.Flatten(), nn.Linear(4*9*9, n_out)))

def pictures(channels, *loaders):
    return [(dls,net(channels, 2),SGD,CrossEntropyLossFlat(),accuracy) for dls in loaders]

def grey(path):
    ours = grey_dataloaders(path, bs=8, device='cpu')
    return pictures(1, ours, fastai_loaders(path, '37', PILImageBW))

def one_output(path):
    "Pictures, and a model with one output"
    return one_logit(*[(dls,net(1, 1)) for dls,*_ in grey(path)])

def classes(path):
    ours = class_dataloaders(*labelled_images(path, '73'), '73', bs=8)
    return pictures(1, ours, fastai_loaders(path, '73', PILImageBW))

def colour(path):
    x = {split: [colour_images(path/split/label) for label in '73'] for split in ('train','valid')}
    parts = [(torch.cat(xs), torch.tensor([0]*len(xs[0])+[1]*len(xs[1]))) for xs in x.values()]
    mean,std = [f(parts[0][0]/255, (0,2,3)) for f in (torch.mean, torch.std)]
    theirs = fastai_loaders(path, '73', PILImage, batch_tfms=Normalize.from_stats(mean, std, cuda=False))
    return pictures(3, colour_dataloaders(*parts, list('73'), bs=8), theirs)

def images(path):
    ours = image_dataloaders(path, bs=8, device='cpu')
    return pictures(3, ours, fastai_loaders(path, '37', PILImage, '37'))

def book(path):
    "The book's loaders with our loss, metric and optimizer"
    loaders = fastai_loaders(path, '37', PILImage)
    return one_logit((loaders,net(3, 1)), (loaders,net(3, 1)))

# the last two wait for `make test-full`: their parts are those of others here, put together anew
KINDS = [rows, grey, classes, colour, images, *[pytest.param(o, marks=pytest.mark.full, id=o.__name__)
                                                for o in (one_output, book)]]

@pytest.fixture(scope='module', params=KINDS, ids=lambda f: f.__name__)
def kind(request, path): return request.param(path)

def body_and_head(model): return [list(part.parameters()) for part in model]

@pytest.fixture
def pair(kind, tmp_path):
    "Our `Learner` and fastai's, with equal parameters, that see the training pictures in file order"
    learners = []
    for who,(dls,model,opt_func,loss_func,metric) in zip(('ours','theirs'), kind):
        dls = DataLoaders(dls.train.new(shuffle=False, drop_last=False), dls.valid, device='cpu')
        one_layer = isinstance(model, nn.Linear) or 'Flatten' in str(model)[:40]
        (tmp_path/who).mkdir()
        learners.append(Learner(dls, deepcopy(model), opt_func=opt_func, loss_func=loss_func, metrics=metric,
                                lr=.1, splitter=trainable_params if one_layer else body_and_head,
                                path=tmp_path/who))
    ours,theirs = learners
    for p,q in zip(ours.model.parameters(), theirs.model.parameters()): q.data.copy_(p)
    return ours,theirs

def alike(a, b):
    "Are two results the same, but for rounding?"
    if isinstance(a, (torch.Tensor,np.ndarray)):
        a,b = [torch.as_tensor(o).float().flatten() for o in (a,b)]
        return a.shape==b.shape and torch.allclose(a, b, rtol=1e-3, atol=1e-5)
    if isinstance(a, float): return a==pytest.approx(b, rel=1e-3, abs=1e-5)
    if isinstance(a, (list,tuple,L)): return len(a)==len(b) and all(map(alike, a, b))
    return a==b

def same_from_both(pair, call, *args):
    "What `call` returns for our learner, if it returns the same for fastai's"
    results = []
    for learn in pair:
        set_seed(0)
        with learn.no_bar(), learn.no_logging(), warnings.catch_warnings():
            warnings.simplefilter('ignore')  # fastai's own
            results.append(call(learn, *args))
    assert alike(*results), results
    return results[0]

# Training

def record(learn):
    return [p.detach().clone() for p in learn.model.parameters()],[list(o) for o in learn.recorder.values]

def freeze_to(learn):
    learn.freeze_to(-1)
    learn.fit(1, slice(.1))
    learn.unfreeze()
    learn.fit(1, slice(.01,.1))

TRAININGS = {
    'fit': lambda learn: learn.fit(2),
    'fit_one_cycle': lambda learn: learn.fit_one_cycle(2, .1),
    'fit_flat_cos': lambda learn: learn.fit_flat_cos(2),
    'fit_sgdr': lambda learn: learn.fit_sgdr(2, 1),
    'fine_tune': lambda learn: learn.fine_tune(1),
    'freeze_to and slices': freeze_to,
    'warm-up from a rate of 0': lambda learn: learn.fit(2, cbs=ParamScheduler({'lr': SchedLin(0, .1)})),
    'MixUp': lambda learn: learn.fit(2, cbs=MixUp()),
    'EarlyStoppingCallback': lambda learn: learn.fit(3, cbs=EarlyStoppingCallback(min_delta=10.)),
    'SaveModelCallback': lambda learn: learn.fit(3, 1., cbs=SaveModelCallback()),
    'ReduceLROnPlateau': lambda learn: learn.fit(3, cbs=ReduceLROnPlateau(min_delta=10.)),
    'GradientAccumulation': lambda learn: learn.fit(2, cbs=GradientAccumulation(16)),
    'GradientClip': lambda learn: learn.fit(2, cbs=GradientClip(.01)),
    'to_fp16': lambda learn: learn.to_fp16().fit(2),
    'to_bf16': lambda learn: learn.to_bf16().fit(2),
}

@pytest.mark.parametrize('name', TRAININGS)
def test_training(pair, name):
    "Parameters, losses and metrics afterwards"
    def train(learn):
        TRAININGS[name](learn)
        return record(learn)
    before = [p.detach().clone() for p in pair[0].model.parameters()]
    after,_ = same_from_both(pair, train)
    assert not all(map(torch.equal, before, after))

def test_cutmix(pair):
    def cut(learn):
        learn.fit(1, cbs=CutMix())
        return record(learn)
    if pair[0].dls.one_batch()[0].ndim==4: same_from_both(pair, cut)
    else:
        with pytest.raises(ValueError, match='expected 4, got 2'), pair[0].no_bar():
            cut(pair[0])  # fastai's own: rows have no places

def test_lr_find(pair):
    def find(learn):
        found = learn.lr_find(num_it=20, show_plot=False)
        return [float(o) for o in found],learn.recorder.losses
    same_from_both(pair, find)

def test_csv_logger(pair):
    def logged(learn):
        learn.fit(2, cbs=CSVLogger(fname='log.csv'))
        return pd.read_csv(learn.path/'log.csv')[['epoch','train_loss','valid_loss']].values
    assert len(same_from_both(pair, logged))==2

# Asking the model

def as_path(f): return f

def as_bytes(f): return f.read_bytes()

@pytest.mark.parametrize('form', [as_path, str, as_bytes, np.array], ids=lambda f: f.__name__)
def test_predict(pair, path, form):
    def ask(learn):
        grey = learn.dls.one_batch()[0].shape[1] in (1,784)
        def passed(f):
            return form(Image.open(f).convert('L' if grey else 'RGB')) if form is np.array else form(f)
        files = [f for label in '37' for f in image_files(path/'valid'/label)[:2]]
        answers = [learn.predict(passed(f)) for f in files]
        return [(str(name),int(target),probs) for name,target,probs in answers]
    for name,target,_ in same_from_both(pair, ask): assert name==pair[0].dls.vocab[target]

@pytest.mark.parametrize('loaders', [rows, grey, one_output, classes, colour])
def test_predict_of_pictures_in_memory(path, loaders):
    "PIL images, of fastai's kind or not, and tensors as in the training set, also inside a pair"
    dls,model,_,loss_func,_ = loaders(path)[0]
    learn = Learner(dls, model, loss_func=loss_func)
    files = [image_files(path/'valid'/label)[0] for label in '73']
    pictures = [next(x for x,label in dls.valid_ds.items if label==f.parent.name) for f in files]
    with learn.no_bar():
        for f,x in zip(files, pictures):
            probs = learn.predict(f)[2]
            for other in (Image.open(f), PILImage.create(f), x, x.flatten(), (x,'any label')):
                assert torch.allclose(learn.predict(other)[2], probs), type(other)

def test_predict_with_input(pair, path):
    "fastai decodes pictures to bytes; ours are floats"
    def ask(learn):
        x = learn.predict(image_files(path/'valid'/'3')[0], with_input=True)[0]
        return [*x.shape],x>x.max()/2
    assert len(same_from_both(pair, ask)[0])==3

@pytest.mark.parametrize('options', [
    {}, {'with_loss': True}, {'with_decoded': True}, {'with_loss': True, 'with_decoded': True}, {'ds_idx': 0},
    {'with_targs': False}], ids=str)
def test_get_preds(pair, options):
    "Probabilities, also where single losses are asked for: fastai then takes the loss function apart"
    probs = same_from_both(pair, lambda learn: learn.get_preds(**options))[0]
    assert probs.min()>=0 and probs.max()<=1

@pytest.mark.parametrize('with_labels', [True, False])
def test_test_dl(pair, path, with_labels):
    some = [f for label in '73' for f in image_files(path/'valid'/label)[:3]]
    def ask(learn): return learn.get_preds(dl=learn.dls.test_dl(some, with_labels=with_labels))
    _,targets = same_from_both(pair, ask)
    if with_labels: assert [pair[0].dls.vocab[t] for t in targets.flatten().tolist()]==list('777333')
    else: assert targets is None

def test_validate(pair, path):
    some = image_files(path/'valid'/'3')
    def validate(learn):
        labelled = learn.dls.test_dl(some, with_labels=True)
        return list(learn.validate()),list(learn.validate(dl=labelled))
    same_from_both(pair, validate)

def test_tta(pair): same_from_both(pair, lambda learn: learn.tta(n=2))

# Looking

def titles():
    found = [ax.get_title() for ax in plt.gcf().axes if ax.images]
    plt.close('all')
    return found

def interpretation(learn, **options): return ClassificationInterpretation.from_learner(learn, **options)

LOOKS = {
    'show_batch': lambda learn: learn.dls.show_batch(max_n=4),
    'show_batch of the validation set': lambda learn: learn.dls.valid.show_batch(max_n=4),
    'show_batch(unique=True)': lambda learn: learn.dls.show_batch(max_n=4, unique=True),
    'show_results': lambda learn: learn.show_results(max_n=4, shuffle=False),
    'show_results of the training set': lambda learn: learn.show_results(ds_idx=0, max_n=4, shuffle=False),
    'Interpretation.show_results': lambda learn: Interpretation.from_learner(learn).show_results([0,1,15]),
    'plot_top_losses': lambda learn: interpretation(learn).plot_top_losses(4),
    'plot_top_losses of a range': lambda learn: interpretation(learn).plot_top_losses(range(2)),
    'plot_top_losses of the training set':
        lambda learn: interpretation(learn, ds_idx=0).plot_top_losses(2),
}

@pytest.mark.parametrize('name', LOOKS)
def test_looking(pair, name):
    "The labels, answers, losses and probabilities above the pictures"
    def look(learn):
        LOOKS[name](learn)
        return titles()
    assert all(any(v in title for v in '37') for title in same_from_both(pair, look))

def test_interpretation(pair):
    def report(learn):
        interp = interpretation(learn)
        confused = [(a,b,int(n)) for a,b,n in interp.most_confused()]
        return interp.confusion_matrix(),confused,*interp.top_losses(),interp.top_losses(2)[1]
    matrix,*_ = same_from_both(pair, report)
    assert matrix.sum()==20

def test_items_of_top_losses(pair, path):
    "In memory an item is a pair of a picture and its label; fastai's are files"
    for learn in pair:
        with learn.no_bar(): _,idxs,items = Interpretation.from_learner(learn).top_losses(4, items=True)
        labels = [o.parent.name if isinstance(o, Path) else o[1] for o in items]
        order = [learn.dls.vocab[t] for t in learn.get_preds()[1].flatten().tolist()]
        assert labels==[order[i] for i in idxs]

def test_summary(pair):
    def total(learn): return re.search(r'Total params: (\S+)', str(learn.summary())).group(1)
    assert int(same_from_both(pair, total).replace(',', ''))>300

# Loaders

def targets(dl): return torch.cat([yb.flatten() for _,yb in dl])

def batches(dl): return [torch.Tensor(xb).flatten(1).mean(1) for xb,_ in dl],targets(dl)

def backwards(idxs): return list(idxs)[::-1]

LOADERS = {
    'as they are': lambda dls: [batches(dl) for dl in (dls.train,dls.valid.new(bs=8))],
    'new(bs)': lambda dls: batches(dls.train.new(bs=13)),
    'new(drop_last)': lambda dls: batches(dls.train.new(bs=13, drop_last=True)),
    'new(n)': lambda dls: batches(dls.train.new(n=11)),
    'new(get_idxs)': lambda dls: batches(dls.train.new(get_idxs=lambda: [5,35,1])),
    'new(shuffle_fn)': lambda dls: batches(dls.train.new(shuffle=True, shuffle_fn=backwards)),
    'weights':
        lambda dls: targets(dls.train.new(cls=WeightedDL, shuffle=True, wgts=np.repeat([1.,0.], 20))),
    'a part': lambda dls: len(targets(dls.train.new(cls=PartialDL, partial_n=16))),
    'new_empty': lambda dls: [len(dl.dataset) for dl in dls.new_empty().loaders],
    'decode_batch': lambda dls: [str(o[1]) for o in dls.valid.decode_batch(dls.valid.new(bs=8).one_batch())],
    'vocab and c': lambda dls: (list(dls.vocab),dls.c,len(dls.train_ds),len(dls.valid_ds)),
}

each_loader = pytest.mark.parametrize('kind', [rows, grey, classes, colour, images], indirect=True,
                                      ids=lambda f: f.__name__)

@each_loader
@pytest.mark.parametrize('name', LOADERS)
def test_loaders(pair, name): same_from_both(pair, lambda learn: LOADERS[name](learn.dls))

@pytest.mark.parametrize('kind', [rows, colour], indirect=True, ids=lambda f: f.__name__)
@pytest.mark.parametrize('options', [{}, {'before_batch': [list]}], ids=['whole batches','single items'])
def test_worker_processes(pair, options):
    def deal(learn): return batches(learn.dls.train.new(num_workers=2, **options))
    same_from_both(pair, deal)

def counted(learn, event):
    "How often a function is called that is given to the training loader as `event`"
    calls = []
    def count(o):
        calls.append(o)
        return o
    old = getattr(learn.dls.train, event) if event in ('after_item','after_batch') else None
    targets(learn.dls.train.new(**{event: [count, *old.fs] if old else [count]}))
    return len(calls)

@each_loader
@pytest.mark.parametrize('event', ['after_item','before_batch','after_batch'])
def test_a_transform_given_to_a_loader_is_used(pair, event): assert same_from_both(pair, counted, event)>0

@each_loader
@pytest.mark.parametrize('event', ['create_item','do_batch'])
def test_a_function_given_to_a_loader_is_used(pair, event):
    def used(learn):
        dl,calls = learn.dls.train,[]
        def do(o):
            calls.append(o)
            return getattr(dl, event)(o)
        return len(targets(dl.new(**{event: do}))),len(calls)
    assert same_from_both(pair, used)[1]>0

def test_transforms_of_pictures_as_arguments(path):
    "`item_tfms` and `batch_tfms` as fastai's own builders take them, and the random ones for training only"
    flips = dict(item_tfms=[FlipItem(1.)], batch_tfms=[Brightness(max_lighting=.5, p=1., draw=.9)])
    class_parts = labelled_images(path, '73')
    colours = [((x.expand(-1,3,-1,-1)*255).byte(),y) for x,y in class_parts]
    for build in (partial(grey_dataloaders, path, device='cpu'),
                  partial(class_dataloaders, *class_parts, '73'),
                  partial(colour_dataloaders, *colours, '73')):
        plain,changed = build(),build(**flips)
        assert alike(*[torch.Tensor(dls.valid.one_batch()[0]) for dls in (plain,changed)])
        (x,_),(z,_) = [next(iter(dls.train.new(shuffle=False))) for dls in (plain,changed)]
        bright = plain.train.new(shuffle=False, after_item=[FlipItem(1.)])
        assert not alike(torch.Tensor(x), torch.Tensor(z))
        assert alike(torch.Tensor(x).flip(-1), torch.Tensor(next(iter(bright))[0]))

@each_loader
@pytest.mark.parametrize('rank', [0, 1])
def test_the_share_of_one_of_two_processes(pair, rank, monkeypatch):
    "As `to_distributed` deals pictures out; there is no second process here to tell the order to"
    monkeypatch.setattr(DistributedDL, '_broadcast', lambda self, t, rank: [int(o) for o in t])
    def share(learn): return batches(DistributedDL(learn.dls.train, rank=rank, world_size=2))
    assert len(same_from_both(pair, share)[1])==20

@pytest.mark.parametrize('loaders', [rows, grey, classes, colour])
def test_weighted_and_partial_dataloaders(path, loaders):
    "In fastai they are for a whole set; each half of ours knows the other"
    dls = loaders(path)[0][0]
    weighted = dls.train_ds.weighted_dataloaders(np.array([1.]*20+[0.]*20), bs=8, device='cpu')
    first = dls.train_ds.y[0].item()
    assert set(targets(weighted.train).tolist())=={first}
    partial = dls.train_ds.partial_dataloaders(16, bs=8, device='cpu')
    assert len(targets(partial.train))==16
    for other in (weighted,partial):
        assert other.one_batch()[0].shape[1:]==dls.one_batch()[0].shape[1:]
        assert torch.equal(targets(other.valid), targets(dls.valid))

# Keeping

def test_export(pair, path):
    "A file without a training picture, and the same answers from it"
    def kept(learn):
        learn.fit(1)
        learn.export('export.pkl')
        again = load_learner(learn.path/'export.pkl')
        some = [f for label in '37' for f in image_files(path/'valid'/label)[:2]]
        with again.no_bar(): answers = [[str(o.predict(f)[0]) for f in some] for o in (learn,again)]
        assert answers[0]==answers[1]
        return answers
    same_from_both(pair, kept)
    ours,theirs = [os.path.getsize(learn.path/'export.pkl') for learn in pair]
    assert ours<theirs+10_000

def test_save_load_and_go_on(pair):
    def kept(learn):
        learn.fit(1)
        learn.save('model')
        learn.fit(1)
        learn.load('model')
        learn.fit(1)
        return record(learn)
    same_from_both(pair, kept)

def pickled(o): return pickle.loads(pickle.dumps(o))

@each_loader
@pytest.mark.parametrize('copied', [deepcopy,pickled], ids=['deepcopy','pickle'])
def test_a_copy_of_the_loaders(pair, copied):
    def both(learn): return batches(copied(learn.dls).train)
    same_from_both(pair, both)

def test_a_copy_of_the_learner(pair):
    def train(learn):
        again = deepcopy(learn)
        with again.no_bar(), again.no_logging(): again.fit(1)
        return record(again)
    same_from_both(pair, train)

# What fastai does in silence, and ours refuse

def ask_in_vain(learn, path):
    "fastai would name a label, and maybe a wrong one"
    with pytest.raises(ValueError, match='needs `decodes`'), learn.no_bar():
        learn.predict(image_files(path/'valid'/'3')[0])

LOSSES = {
    'a lambda': lambda preds, targets: nn.functional.cross_entropy(preds, targets),
    'a partial': partial(nn.functional.cross_entropy),
    "PyTorch's own": nn.functional.cross_entropy,
}

@pytest.mark.parametrize('name', LOSSES)
@pytest.mark.parametrize('loaders', [grey, classes, colour, images])
def test_a_loss_that_cannot_decode_names_no_label(path, loaders, name):
    "fastai takes the logits of its own loaders for places in the list of labels"
    dls,model,*_ = loaders(path)[0]
    ask_in_vain(Learner(dls, model, loss_func=LOSSES[name]), path)

def entropy(preds, targets): return nn.functional.binary_cross_entropy_with_logits(preds, targets.float())

@pytest.mark.parametrize('bias', [.7, -.7, 3.])
def test_a_logit_is_no_label(path, bias):
    "Cut to a whole number, .7 would name the label of 0, and a negative one the last label"
    dls,model,*_ = rows(path)[0]
    with torch.no_grad():
        model.weight.zero_()
        model.bias.fill_(bias)
    ask_in_vain(Learner(dls, model, loss_func=entropy), path)

def test_a_loss_of_fastai_that_can_decode(path):
    dls,model,*_ = rows(path)[0]
    with torch.no_grad():
        model.weight.zero_()
        model.bias.fill_(.7)
    learn = Learner(dls, model, loss_func=BCEWithLogitsLossFlat())
    with learn.no_bar(): assert learn.predict(image_files(path/'valid'/'7')[0])[0]=='3'

def test_no_loss_is_guessed_for_one_output(path):
    "fastai would take cross-entropy, which is 0 for a single output"
    dls,model,*_ = rows(path)[0]
    with pytest.raises(AssertionError, match='pass a loss function'): Learner(dls, model)

def test_step_takes_no_closure():
    p = torch.ones(1).requires_grad_()
    for opt in (BasicOptim([p], .1), SGD([p], .1)):
        opt.step(None)
        with pytest.raises(NotImplementedError): opt.step(lambda: p.sum())
