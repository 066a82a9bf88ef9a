"Lesson 18: `OwnLearner` against fastai's `Learner`, what a callback may do, and what is refused"
import ast
from copy import deepcopy
from functools import partial

import pytest,torch
from conftest import ROOT
from fastai.callback.core import event
from fastai.callback.training import GradientClip
from fastai.callback.tracker import EarlyStoppingCallback
from fastai.data.core import DataLoader,DataLoaders
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import accuracy
from fastai.optimizer import SGD,Adam,OptimWrapper
from fastai.torch_core import set_seed
from fastai.vision.data import ImageDataLoaders
from torch import nn

from fastbook_ch4.data import Digits,digit_dataloaders
from fastbook_ch4.learner import digit_learner
from fastbook_ch4.loss import batch_accuracy,mnist_loss
from fastbook_ch4.models import simple_net
from fastbook_ch4.multiclass import class_dataloaders,labelled_images,ten_digits
from fastbook_ch4.optimizer import BasicOptim
from fastbook_ch4.own_learner import OwnLearner,Schedule,StopEarly,one_cycle
from fastbook_ch4.plumbing.loops import MOMENTS

@pytest.fixture(scope='module')
def digits(shipped): return Digits.from_folder(shipped)

def loaders(digits, seed=0):
    set_seed(seed)
    return digits.dataloaders()

def few(n_train=2, n_valid=1, bs=4):
    "Loaders of small random batches, and a model that goes with them"
    batches = [(torch.rand(bs,3), torch.randint(2, (bs,1))) for _ in range(n_train+n_valid)]
    return DataLoaders(batches[:n_train], batches[n_train:]),nn.Linear(3,1)

def fastai_fit(learn, *args, fit=Learner.fit, **kwargs):
    with learn.no_bar(), learn.no_logging(): fit(learn, *args, **kwargs)
    return [list(o) for o in learn.recorder.values]

def apart(a, b):
    "The largest difference between the parameters of two models"
    return max((p-q).abs().max().item() for p,q in zip(a.parameters(), b.parameters()))

# The same as fastai's

@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('make', [lambda: nn.Linear(784,1), simple_net], ids=['linear','net'])
@pytest.mark.parametrize('opt_func', [SGD, BasicOptim])
def test_three_epochs_end_where_fastais_do(digits, opt_func, make, seed):
    ours = make()
    theirs = deepcopy(ours)
    learn = OwnLearner(loaders(digits, seed), ours, mnist_loss, opt_func, metrics=batch_accuracy)
    table = learn.fit(3, lr=1.)
    fastais = Learner(loaders(digits, seed), theirs, opt_func=SGD, loss_func=mnist_loss,
                      metrics=batch_accuracy)
    rows = torch.tensor(fastai_fit(fastais, 3, 1.))
    assert apart(ours, theirs)<1e-5
    assert table[['valid_loss','batch_accuracy']].values==pytest.approx(rows[:,1:].numpy(), abs=1e-5)
    assert learn.recorder.lrs==fastais.recorder.lrs

@pytest.mark.parametrize('opt_func', [
    partial(SGD, mom=.9), partial(Adam, wd=0.), partial(OptimWrapper, opt=torch.optim.SGD)],
    ids=['momentum','Adam','PyTorch, wrapped'])
def test_with_other_optimizers(digits, opt_func):
    ours = simple_net()
    theirs = deepcopy(ours)
    OwnLearner(loaders(digits), ours, mnist_loss, opt_func).fit(3, lr=.05)
    fastai_fit(Learner(loaders(digits), theirs, opt_func=opt_func, loss_func=mnist_loss), 3, .05)
    assert apart(ours, theirs)<1e-5

def test_with_fastais_image_loaders_and_two_outputs(shipped):
    "Pictures of type TensorImage and targets of type TensorCategory, and a loss of fastai's"
    def dls():
        set_seed(0)
        return ImageDataLoaders.from_folder(shipped, train='train', valid='valid', bs=64, num_workers=0,
                                            device='cpu')
    ours = nn.Sequential(nn.Conv2d(3,4,3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
                         nn.Linear(676,2))
    theirs,loss_func = deepcopy(ours),CrossEntropyLossFlat()
    table = OwnLearner(dls(), ours, loss_func, metrics=accuracy).fit(1, lr=.1)
    rows = fastai_fit(Learner(dls(), theirs, opt_func=SGD, loss_func=loss_func, metrics=accuracy), 1, .1)
    assert apart(ours, theirs)<1e-5
    assert list(table.iloc[0])[2:]==pytest.approx(rows[0][1:], abs=1e-5)

def test_with_three_labels():
    def dls():
        set_seed(0)
        return class_dataloaders(*labelled_images(ten_digits(), '012'), '012', bs=100)
    ours = nn.Sequential(nn.Flatten(), nn.Linear(784,3))
    theirs,loss_func = deepcopy(ours),nn.CrossEntropyLoss()
    table = OwnLearner(dls(), ours, loss_func, metrics=[accuracy]).fit(2, lr=.1)
    rows = fastai_fit(Learner(dls(), theirs, opt_func=SGD, loss_func=loss_func, metrics=accuracy), 2, .1)
    assert apart(ours, theirs)<1e-5 and table.accuracy.iloc[-1]==pytest.approx(rows[-1][2], abs=1e-5)

@pytest.mark.parametrize('opt_func', [SGD, BasicOptim])
def test_the_one_cycle_schedule_is_fastais(digits, opt_func):
    ours = simple_net()
    theirs = deepcopy(ours)
    learn = OwnLearner(loaders(digits), ours, mnist_loss, opt_func)
    learn.fit(5, lr=2., cbs=Schedule(one_cycle))
    fastais = Learner(loaders(digits), theirs, opt_func=opt_func, loss_func=mnist_loss)
    fastai_fit(fastais, 5, 2., fit=Learner.fit_one_cycle)
    assert learn.recorder.lrs==pytest.approx(fastais.recorder.lrs) and apart(ours, theirs)<1e-5

class Clip:
    def __init__(self, most): self.most = most
    def before_step(self, learn): nn.utils.clip_grad_norm_(learn.model.parameters(), self.most)

def test_clipping_is_fastais_and_changes_something(digits):
    ours = simple_net()
    theirs,free = deepcopy(ours),deepcopy(ours)
    OwnLearner(loaders(digits), ours, mnist_loss).fit(2, lr=1., cbs=Clip(.05))
    fastais = Learner(loaders(digits), theirs, opt_func=SGD, loss_func=mnist_loss)
    fastai_fit(fastais, 2, 1., cbs=GradientClip(.05))
    OwnLearner(loaders(digits), free, mnist_loss).fit(2, lr=1.)
    assert apart(ours, theirs)<1e-5 and apart(ours, free)>.01

@pytest.mark.parametrize('patience', [1,2,3])
@pytest.mark.parametrize('seed', range(4))
def test_early_stopping_stops_when_fastais_does(digits, patience, seed):
    "A large rate makes the loss rise and fall"
    ours = nn.Linear(784,1)
    theirs = deepcopy(ours)
    table = OwnLearner(loaders(digits, seed), ours, mnist_loss).fit(60, 20., StopEarly(patience))
    fastais = Learner(loaders(digits, seed), theirs, opt_func=SGD, loss_func=mnist_loss)
    rows = fastai_fit(fastais, 60, 20., cbs=EarlyStoppingCallback(patience=patience))
    assert list(table.valid_loss)==pytest.approx([o[1] for o in rows]) and apart(ours, theirs)<1e-4
    assert len(rows)<60

@pytest.mark.parametrize('losses, patience, epochs', [
    ([3.,2.,1.,0.], 1, 4), ([3.,2.,2.,1.], 1, 3), ([3.,2.,2.,1.], 2, 4), ([1.,2.,3.,0.], 2, 3),
    ([1.,1.,1.,1.], 3, 4)])
def test_patience_counts_epochs_since_the_lowest_loss(losses, patience, epochs):
    dls,model = few(1)
    todo = iter(losses)
    def loss_func(preds, targets): return preds.mean() if preds.requires_grad else torch.tensor(next(todo))
    assert len(OwnLearner(dls, model, loss_func).fit(len(losses), .1, StopEarly(patience)))==epochs

# Callbacks

class Diary:
    "Notes all calls, and cancels at a moment"
    def __init__(self, moment=None, stage=None, at=1):
        self.calls,self.moment = [],moment
        self.stage,self.at = stage,at

def note(moment):
    def method(self, learn):
        self.calls.append(moment)
        if moment==self.moment and self.calls.count(moment)==self.at: learn.cancel(self.stage)
    return method

for moment in MOMENTS: setattr(Diary, moment, note(moment))

STEP,LOOK = ['before_batch','before_step','after_batch'],['before_batch','after_batch']
EPOCH = ['before_epoch',*STEP,*STEP,*LOOK,'after_epoch']

def calls(*args, n_epoch=2):
    dls,model = few()
    diary,learn = Diary(*args),OwnLearner(dls, model, mnist_loss)
    learn.fit(n_epoch, 1., diary)
    assert learn.stages==[]
    return diary.calls

def test_calls_come_as_they_are_drawn():
    assert calls()==['before_fit',*EPOCH,*EPOCH,'after_fit']

@pytest.mark.parametrize('moment, stage, middle', [
    ('before_batch', 'batch', ['before_epoch',*LOOK,*STEP,*LOOK,'after_epoch']),
    ('before_step', 'batch', ['before_epoch',*STEP,*STEP,*LOOK,'after_epoch']),
    ('before_step', 'epoch', ['before_epoch',*STEP[:2],'after_epoch']),
    ('after_batch', 'epoch', ['before_epoch',*STEP,'after_epoch']),
    ('before_epoch', 'epoch', ['before_epoch','after_epoch']),
    ('before_epoch', 'fit', ['before_epoch']),
    ('before_fit', 'fit', []),
    ('after_batch', 'fit', ['before_epoch',*STEP]),
    ('after_epoch', 'fit', EPOCH)])
def test_a_cancelled_stage_ends_in_good_order(moment, stage, middle):
    assert calls(moment, stage, n_epoch=1)==['before_fit',*middle,'after_fit']

def test_a_validation_batch_can_be_cancelled_too():
    assert calls('before_batch', 'batch', 3, n_epoch=1)==['before_fit',*EPOCH,'after_fit']

def test_a_cancelled_batch_leaves_no_figures():
    dls,model = few()
    learn = OwnLearner(dls, model, mnist_loss, metrics=batch_accuracy)
    table = learn.fit(1, 1., Diary('before_batch', 'batch'))
    assert len(learn.recorder.losses)==1
    assert table.train_loss[0]==pytest.approx(learn.recorder.losses[0])
    table = learn.fit(2, 1., Diary('after_batch', 'epoch'))
    assert table.valid_loss.isna().tolist()==[True,False] and len(learn.recorder.losses)==3

@pytest.mark.parametrize('moment, stage', [
    ('after_batch','batch'), ('after_epoch','epoch'), ('after_fit','fit'), ('before_fit','epoch'),
    ('before_epoch','batch'), ('before_step','step')])
def test_what_is_not_running_cannot_be_cancelled(moment, stage):
    with pytest.raises(ValueError, match=f"no '{stage}' to cancel. Running now: "): calls(moment, stage)

def test_the_recorder_comes_first_and_the_others_in_their_order():
    said = []
    class Say:
        def __init__(self, name): self.name = name
        def after_epoch(self, learn): said.append((self.name, len(learn.recorder.rows)))
    dls,model = few()
    OwnLearner(dls, model, mnist_loss).fit(2, 1., [Say('a'), Say('b')])
    assert said==[('a',1), ('b',1), ('a',2), ('b',2)]

def test_validation_batches_go_the_same_way(digits):
    class Invert:
        def before_batch(self, learn): learn.xb = 1-learn.xb
    set_seed(0)
    model = nn.Linear(784,1)
    turned = deepcopy(model)
    dls = loaders(digits)
    table = OwnLearner(dls, turned, mnist_loss, metrics=batch_accuracy).fit(4, .1, Invert())
    x,y = digits.valid[0].flatten(1),digits.valid[1]
    assert table.batch_accuracy.iloc[-1]==pytest.approx(batch_accuracy(turned(1-x), y).item())

def test_modes_and_gradients():
    seen = []
    class Look:
        def before_batch(self, learn):
            seen.append((learn.training, learn.model.training, torch.is_grad_enabled()))
    dls,model = few()
    OwnLearner(dls, model, mnist_loss).fit(1, 1., Look())
    assert seen==[(True,)*3]*2+[(False,)*3] and torch.is_grad_enabled()

def test_progress_goes_from_0_to_1():
    seen = []
    class Look:
        def before_batch(self, learn): seen.append(learn.progress)
    dls,model = few(n_train=4, n_valid=0)
    dls = DataLoaders(dls.train, dls.train[:1])
    OwnLearner(dls, model, mnist_loss).fit(2, 1., Look())
    assert seen==[0.,.125,.25,.375,.375,.5,.625,.75,.875,.875]

def test_an_error_comes_through_and_the_next_fit_is_as_new():
    class Fall:
        def before_step(self, learn): raise KeyboardInterrupt
    dls,model = few()
    other = deepcopy(model)
    learn = OwnLearner(dls, model, mnist_loss)
    with pytest.raises(KeyboardInterrupt): learn.fit(1, 1., Fall())
    assert learn.stages==[] and torch.is_grad_enabled() and model.weight.grad is not None
    learn.fit(2, 1.)
    OwnLearner(dls, other, mnist_loss).fit(2, 1.)
    assert apart(model, other)==0.

# The recorder

def test_means_count_items_and_not_batches():
    batches = [(torch.rand(n,3), torch.randint(2, (n,1))) for n in (5,5,2)]
    dls = DataLoaders(batches[:1], batches)
    model = nn.Linear(3,1)
    table = OwnLearner(dls, model, mnist_loss, metrics=[batch_accuracy]).fit(1, .1)
    x,y = [torch.cat(o) for o in zip(*batches)]
    assert table.valid_loss[0]==pytest.approx(mnist_loss(model(x), y).item())
    assert table.batch_accuracy[0]==pytest.approx(batch_accuracy(model(x), y).item())

def test_several_metrics_and_what_they_are_called():
    def half(preds, targets, by=2): return 1/by
    dls,model = few()
    metrics = [half, batch_accuracy, partial(nn.functional.mse_loss)]
    table = OwnLearner(dls, model, mnist_loss, metrics=metrics)
    assert list(table.fit(1, 1.))==['epoch','train_loss','valid_loss','half','batch_accuracy','mse_loss']

def test_each_fit_has_a_new_record_and_a_new_optimizer():
    dls,model = few()
    learn = OwnLearner(dls, model, mnist_loss, partial(SGD, mom=.9))
    learn.fit(2, 1.)
    first = learn.opt
    table = learn.fit(1, .5)
    assert learn.opt is not first and len(table)==1 and learn.recorder.lrs==[.5,.5]

def test_frozen_parameters_stay(digits):
    net = simple_net()
    net[0].requires_grad_(False)
    before = deepcopy(net)
    OwnLearner(loaders(digits), net, mnist_loss).fit(1, 1.)
    assert torch.equal(net[0].weight, before[0].weight) and not torch.equal(net[2].weight, before[2].weight)

# What is refused

@pytest.mark.parametrize('change, error, words', [
    (dict(dls=[]), TypeError, 'not one list'),
    (dict(dls=DataLoader(range(4), bs=2)), TypeError, 'not one DataLoader'),
    (dict(model=nn.Linear), TypeError, 'a module with parameters'),
    (dict(model=torch.sigmoid), TypeError, 'a module with parameters'),
    (dict(model=nn.Linear(3,1).requires_grad_(False)), TypeError, 'parameters to train'),
    (dict(loss_func='mse'), TypeError, 'The loss must be a function'),
    (dict(loss_func=nn.MSELoss), TypeError, 'The loss must be a function'),
    (dict(opt_func=SGD([torch.zeros(1)], lr=1.)), TypeError, '`opt_func` must be what makes'),
    (dict(metrics='accuracy'), TypeError, 'A metric must be a function'),
    (dict(metrics=[batch_accuracy]*2), ValueError, "called 'batch_accuracy'")])
def test_parts_that_do_not_go_together(change, error, words):
    dls,model = few()
    parts = dict(dls=dls, model=model, loss_func=mnist_loss) | change
    with pytest.raises(error, match=words): OwnLearner(**parts)

class Typo:
    def befor_batch(self, learn): pass

class Late:
    def after_step(self, learn): pass

@pytest.mark.parametrize('args, error, words', [
    ((0, 1.), ValueError, 'at least 1 epoch'), ((1.5, 1.), ValueError, 'a whole number'),
    ((1, 0.), ValueError, 'positive finite'), ((1, torch.nan), ValueError, 'positive finite'),
    ((1, slice(1.)), ValueError, 'positive finite'),
    ((1, 1., Clip), TypeError, r'Pass an object, Clip\(\)'),
    ((1, 1., Typo()), TypeError, 'Typo has no method for any moment'),
    ((1, 1., [Clip(1.),Late()]), ValueError, 'after_step of Late would never be called'),
    ((1, 1., GradientClip()), TypeError, "GradientClip is made for fastai's Learner"),
    ((1, 1., print), TypeError, 'no method for any moment')])
def test_a_fit_that_cannot_be_and_changes_nothing(args, error, words):
    dls,model = few()
    before = deepcopy(model)
    with pytest.raises(error, match=words): OwnLearner(dls, model, mnist_loss).fit(*args)
    assert apart(model, before)==0.

def test_optimizers_and_losses_that_cannot_be():
    dls,model = few()
    with pytest.raises(TypeError, match='OptimWrapper'):
        OwnLearner(dls, model, mnist_loss, torch.optim.SGD).fit(1, 1.)
    with pytest.raises(ValueError, match='one number'):
        OwnLearner(dls, model, nn.MSELoss(reduction='none')).fit(1, 1.)
    with pytest.raises(ValueError, match='Accuracy has no gradient'):
        OwnLearner(dls, model, batch_accuracy).fit(1, 1.)
    with pytest.raises(ValueError, match='at least 1 epoch'): StopEarly(0)

@pytest.mark.parametrize('batch, words', [
    (torch.rand(4,3), 'not Tensor'), ((torch.rand(4,3),), 'not tuple'),
    ((torch.rand(4,3),[1]*4), r"\['Tensor', 'list'\]"), ((torch.rand(4,3),)*3, 'not tuple')])
def test_batches_that_are_no_pairs(batch, words):
    with pytest.raises(TypeError, match=words):
        OwnLearner(DataLoaders([batch], [batch]), nn.Linear(3,1), mnist_loss).fit(1, 1.)

def test_loaders_without_a_batch():
    dls,model = few()
    for empty in (DataLoaders([], dls.valid), DataLoaders(dls.train, [])):
        with pytest.raises(ValueError, match='no batch'): OwnLearner(empty, model, mnist_loss).fit(1, 1.)

# What the page says

def page(): return (ROOT/'nbs'/'18_own_learner.ipynb').read_text(encoding='utf8')

def test_it_takes_as_many_lines_as_the_page_says():
    "Learner, recorder and schedule: imports, documentation and decorators left out"
    tree = ast.parse((ROOT/'fastbook_ch4'/'own_learner.py').read_text(encoding='utf8'))
    imports,extra = (ast.Import,ast.ImportFrom),('one_cycle','_half_wave','StopEarly')
    parts = [o for o in tree.body if getattr(o, 'name', None) not in extra]
    nodes = [o for part in parts for o in ast.walk(part) if not isinstance(o, imports)]
    code = [o for o in nodes if isinstance(o, (ast.stmt,ast.ExceptHandler))]
    said = [o for o in code if isinstance(o, ast.Expr) and isinstance(o.value, ast.Constant)]
    lines = {o.lineno for o in code if o not in said and not ast.unparse(o).startswith('__all__')}
    assert page().count(f'takes {len(lines)} lines')==2 and len(lines)<=70

def test_fastai_has_as_many_moments_as_the_page_says():
    moments = [o for o in vars(event) if o.startswith(('before_','after_'))]
    assert f'It knows {len(moments)} moments where ours has {len(MOMENTS)}' in page()

@pytest.mark.parametrize('seed', range(4))
def test_the_stuck_run_is_noticed_at_once(shipped, seed):
    "Whatever the start; the page says three epochs"
    set_seed(seed)
    dls = digit_dataloaders(shipped, bs=64, shuffle=False)
    assert len(OwnLearner(dls, nn.Linear(784,1), mnist_loss).fit(20, 10., StopEarly(patience=2)))==3

def test_a_model_with_the_optimizer_of_another_stays_as_it_is(digits):
    "In fastai's Learner too, if it is given a new model after a fit"
    learn = digit_learner(loaders(digits), nn.Linear(784,1))
    fastai_fit(learn, 1)
    learn.model = nn.Linear(784,1)
    before = deepcopy(learn.model)
    fastai_fit(learn, 1)
    assert apart(learn.model, before)==0.
    own = OwnLearner(loaders(digits), nn.Linear(784,1), mnist_loss)
    own.fit(1, 1.)
    own.model = learn.model
    own.fit(1, 1.)
    assert apart(learn.model, before)>.01
