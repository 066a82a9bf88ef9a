"The helpers where engineers use them: in fastai's `Learner` and `cnn_learner`, and beside PyTorch's own"
import warnings
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import matplotlib.pyplot as plt, pytest, torch, torch.nn.functional as F
from torch import nn,tensor
from torch.func import functional_call
from torchvision.models import resnet18
from fastbook_ch4.application import *
from fastbook_ch4.baseline import *
from fastbook_ch4.birds import *
from fastbook_ch4.data import *
from fastbook_ch4.descent import *
from fastbook_ch4.ladder import *
from fastbook_ch4.plumbing.steps import *
from fastbook_ch4.learner import *
from fastbook_ch4.loss import *
from fastbook_ch4.models import *
from fastbook_ch4.optimizer import *
from fastbook_ch4.thermometer import *
from fastbook_ch4.training import *
from fastbook_ch4.vision import *
from fastbook_ch4.plumbing.images import image_files
from fastbook_ch4.plumbing.fast import grey_dataloaders, fast_resnet_learner
from PIL import Image
from fastai.vision.all import (Adam, ClassificationInterpretation, ImageDataLoaders, Learner, PILImage, SGD,
                               accuracy, accuracy_multi, cnn_learner, load_learner, set_seed)


@pytest.fixture
def dls(few):
    set_seed(0)
    return digit_dataloaders(few, bs=16)

OURS_IN_A_LEARNER = dict(opt_func=BasicOptim, loss_func=mnist_loss, metrics=batch_accuracy)

@pytest.fixture
def learn(dls, tmp_path):
    learn = Learner(dls, nn.Linear(784,1), path=tmp_path, **OURS_IN_A_LEARNER)
    with learn.no_bar(), learn.no_logging(): yield learn

@pytest.fixture
def image_dls(few):
    set_seed(0)
    return ImageDataLoaders.from_folder(few, valid='valid', bs=16, num_workers=0, device='cpu')

@pytest.fixture
def image_learn(image_dls, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # fastai's own: cnn_learner is called vision_learner now
        learn = cnn_learner(image_dls, resnet18, pretrained=False, n_out=1, path=tmp_path,
                            **OURS_IN_A_LEARNER)
    with learn.no_bar(), learn.no_logging(): yield learn

def accuracy_of(learn): return learn.recorder.values[-1][-1]

# Learner on rows of pixels

def test_fit(learn):
    learn.fit(40, lr=1.)
    assert accuracy_of(learn)>.85

def test_fit_one_cycle_and_slices(learn):
    learn.fit_one_cycle(40, slice(1.))
    assert accuracy_of(learn)>.85

def test_lr_find(learn):
    found = learn.lr_find(num_it=20, show_plot=False)
    assert 0<found.valley<10

def test_save_and_load(learn):
    learn.fit(2, lr=1.)
    before = learn.model.weight.detach().clone()
    learn.save('digits')
    learn.fit(2, lr=1.)
    assert not torch.equal(before, learn.model.weight)
    learn.load('digits')
    assert torch.equal(before, learn.model.weight)

def test_freeze_trains_the_last_group_only(dls):
    def splitter(m): return [list(m[0].parameters()), list(m[2].parameters())]
    learn = Learner(dls, simple_net(), opt_func=BasicOptim, loss_func=mnist_loss, splitter=splitter)
    before = [p.detach().clone() for p in learn.model.parameters()]
    learn.freeze()
    with learn.no_bar(), learn.no_logging(): learn.fit(1, lr=slice(.01,1.))
    same = [torch.equal(p,q) for p,q in zip(before, learn.model.parameters())]
    assert same==[True,True,False,False]
    learn.unfreeze()
    with learn.no_bar(), learn.no_logging(): learn.fit(1, lr=slice(.01,1.))
    assert not torch.equal(before[0], learn.model[0].weight)
    assert [h['lr'] for h in learn.opt.hypers]==pytest.approx([.01,1.])

@pytest.mark.parametrize('group', [list, tuple, iter])
def test_basic_optim_trains_every_way_to_write_groups(group):
    a,b = nn.Linear(2,2),nn.Linear(2,1)
    before = [p.detach().clone() for m in (a,b) for p in m.parameters()]
    opt = BasicOptim([group(a.parameters()), group(b.parameters())], .1)
    b(a(torch.ones(1,2))).sum().backward()
    opt.step()
    after = [*a.parameters(), *b.parameters()]
    assert len(opt.hypers)==2 and not any(torch.equal(p, q) for p,q in zip(before, after))

def test_reports_of_fastai(learn):
    learn.fit(40, lr=1.)
    interp = ClassificationInterpretation.from_learner(learn)
    matrix = interp.confusion_matrix()
    assert matrix.shape==(2,2) and matrix.sum()==32 and matrix.trace()/32==pytest.approx(accuracy_of(learn))
    assert list(interp.vocab)==['7','3'] and interp.top_losses(3)[0].shape==(3,)

def test_weight_decay_is_refused_before_training(learn):
    before = learn.model.weight.detach().clone()
    with pytest.raises(ValueError, match='no weight decay'): learn.fit(1, wd=.1)
    assert torch.equal(before, learn.model.weight)

def test_get_preds_are_probabilities(learn, few):
    learn.fit(40, lr=1.)
    probs,targets,decoded = learn.get_preds(with_decoded=True)
    _,_,valid_x,valid_y = digit_tensors(few)
    assert torch.allclose(probs, torch.sigmoid(learn.model(valid_x)))
    assert torch.equal(targets, valid_y)
    assert (decoded==targets[:,0]).float().mean().item()==pytest.approx(accuracy_of(learn))

def test_predict_names_a_3_and_a_7(learn, dls):
    learn.fit(40, lr=1.)
    x = dls.valid_ds.x
    for row,label in ((x[0],'3'), (x[-1],'7'), (x[0].view(28,28),'3')):
        named,target,prob = learn.predict(row)
        assert (named, dls.vocab[int(target)])==(label,label)
        assert (prob.item()>.5)==(label=='3')

def test_export_and_load_learner(learn, dls, tmp_path):
    learn.fit(40, lr=1.)
    learn.export(tmp_path/'export.pkl')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # fastai's own: load_learner unpickles
        again = load_learner(tmp_path/'export.pkl')
    with again.no_bar(): assert [again.predict(dls.valid_ds.x[i])[0] for i in (0,-1)]==['3','7']

def test_show_batch_shows_pictures_with_labels(dls):
    dls.show_batch(max_n=4)
    axes = [ax for ax in plt.gcf().axes if ax.images]
    plt.close('all')
    assert len(axes)==4 and all(ax.get_title() in '37' for ax in axes)
    assert axes[0].images[0].get_array().shape==(28,28)

def test_titles_belong_to_their_pictures(few):
    "In file order the first validation image is a 3; the targets' meaning must not be turned round"
    dls = digit_dataloaders(few, shuffle=False)
    dls.valid.show_batch(max_n=1)
    title = plt.gcf().axes[0].get_title()
    plt.close('all')
    assert title=='3'

@pytest.mark.parametrize('opt_func', [SGD, Adam, BasicOptim])
def test_fastai_optimizers_with_our_loss_and_metric(dls, opt_func):
    learn = digit_learner(dls, nn.Linear(784,1), lr=1. if opt_func is not Adam else .01, opt_func=opt_func)
    with learn.no_bar(), learn.no_logging(): learn.fit(40)
    assert accuracy_of(learn)>.85

# cnn_learner on ImageDataLoaders

def test_cnn_learner(image_learn, few):
    image_learn.fit_one_cycle(8, .1)
    assert accuracy_of(image_learn)>.7
    right = 0
    for label in '37':
        for file in image_files(few/'train'/label)[:8]:
            named,target,prob = image_learn.predict(file)
            assert named==image_learn.dls.vocab[int(target)]
            assert (prob.item()>.5)==(named=='7')  # fastai numbers the labels ['3','7']: 1 means 7
            right += named==label
    assert right>=13
    interp = ClassificationInterpretation.from_learner(image_learn)
    matrix = interp.confusion_matrix()
    assert matrix.sum()==32 and matrix.trace()/32==pytest.approx(accuracy_of(image_learn))
    losses,idxs = interp.top_losses(3)
    assert losses.shape==idxs.shape==(3,) and losses[0]>=losses[1]>=losses[2]
    interp.plot_top_losses(3)
    titles = [ax.get_title() for ax in plt.gcf().axes]
    plt.close('all')
    assert len(titles)==3 and all(t.split('/')[0] in '37' for t in titles)

def test_cnn_learner_save_freeze_lr_find(image_learn):
    image_learn.freeze()
    image_learn.fit(1, lr=slice(.001,.01))
    image_learn.save('images')
    image_learn.load('images')
    image_learn.unfreeze()
    assert image_learn.lr_find(num_it=5, show_plot=False).valley>0

@pytest.mark.full
def test_resnet_learner_names_a_3_and_a_7(few):
    "However a picture is passed, and though it is large and in colour"
    for f in few.glob('*/*/*.png'): Image.open(f).resize((50,50)).convert('RGB').save(f)
    set_seed(0)
    learn = resnet_learner(image_dataloaders(few, bs=16, device='cpu'))
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(8, .01)
        files = [f for label in '37' for f in image_files(few/'train'/label)[:6]]
        named = [learn.predict(f)[0] for f in files]
        assert sum(a==f.parent.name for a,f in zip(named, files))>=10
        for other in (str, PILImage.create, Image.open):
            assert [learn.predict(other(f))[0] for f in files[::4]]==named[::4], other

def test_resnet_with_one_output_measures_what_it_should(few):
    set_seed(0)
    learn = resnet_learner(image_dataloaders(few, bs=16, device='cpu'), n_out=1)
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(3, .01)
        reported = accuracy_of(learn)
        probs,targets = learn.get_preds()
    assert reported==pytest.approx(((probs[:,0]>.5)==(targets==1)).float().mean().item())

# fastai's tensors outside fit

def test_fastai_tensors_outside_fit(image_dls):
    xb,yb = image_dls.one_batch()
    assert type(xb) is not torch.Tensor and type(yb) is not torch.Tensor
    preds = xb.mean((1,2,3))[:,None]
    plain = preds.as_subclass(torch.Tensor),yb.as_subclass(torch.Tensor)
    assert mnist_loss(preds, yb)==mnist_loss(*plain)
    assert mnist_loss(preds, yb, reduction='none').shape==yb.shape
    assert batch_accuracy(preds, yb)==batch_accuracy(*plain)
    assert mse(preds, yb)==mse(*plain)
    grey = xb[:,0]
    plain_grey = grey.as_subclass(torch.Tensor)
    distances = mnist_distance(grey, grey[0]).as_subclass(torch.Tensor)
    assert torch.equal(distances, mnist_distance(plain_grey, plain_grey[0]))
    w,b = init_params((784,1)),init_params(1)
    loss = calc_grad(grey.flatten(1), yb, lambda x: linear1(x, w, b), mnist_loss)
    assert 0<loss<1 and w.grad.abs().sum()>0

# Parity

def test_distances_and_losses_equal_torch():
    torch.manual_seed(0)
    a,b = torch.rand(28,28),torch.rand(28,28)
    assert mnist_distance(a, b)==pytest.approx(F.l1_loss(a, b).item(), rel=1e-6)
    preds,targets = torch.randn(50,1),torch.randn(50)
    assert mse(preds, targets)==pytest.approx(F.mse_loss(preds[:,0], targets).item(), rel=1e-6)
    assert rmse_loss(preds, targets)==pytest.approx(F.mse_loss(preds[:,0], targets).sqrt().item(), rel=1e-6)

def test_replaced_names_are_drop_in():
    "`sigmoid` and `mse` are the two names of fastai's that the star import replaces"
    import fastai.layers,fastai.metrics
    x = torch.linspace(-20, 20, 101)
    assert torch.equal(sigmoid(x), torch.sigmoid(x))
    assert torch.allclose(sigmoid(x), fastai.layers.sigmoid(x), atol=2e-7)
    assert torch.equal(sigmoid(x, eps=1e-7), fastai.layers.sigmoid(x, eps=1e-7))
    preds,targets = torch.randn(9,1),torch.randn(9)
    assert mse(preds, targets)==fastai.metrics.mse(preds, targets)

def test_accuracy_equals_accuracy_multi():
    torch.manual_seed(0)
    for n in (1, 7, 256):
        preds,targets = torch.randn(n,1)*1e-3,torch.randint(2, (n,1))
        assert batch_accuracy(preds, targets)==accuracy_multi(preds, targets)

def test_accuracy_in_learner_weights_batches_by_size(few):
    dls = digit_dataloaders(few, bs=24)  # 32 validation images: batches of 24 and 8
    learn = digit_learner(dls, nn.Linear(784,1))
    with learn.no_bar(), learn.no_logging(): learn.fit(1)
    assert validate_epoch(learn.model, dls.valid)==pytest.approx(accuracy_of(learn), abs=1e-6)

@pytest.mark.parametrize('lr', [1e-3, .5, 3.])
def test_basic_optim_equals_torch_sgd(lr):
    "In float64: with long steps float32's rounding errors outgrow a parameter that comes near to 0"
    torch.manual_seed(0)
    ours = [torch.randn(*shape, dtype=torch.float64).requires_grad_() for shape in ((3,2),(4,))]
    theirs = [p.detach().clone().requires_grad_() for p in ours]
    opts = BasicOptim(ours, lr),torch.optim.SGD(theirs, lr)
    for i in range(20):
        grads = [torch.randn_like(p) if (i+j)%3 else None for j,p in enumerate(ours)]
        for params,opt in zip((ours,theirs), opts):
            for p,g in zip(params, grads): p.grad = None if g is None else g.clone()
            opt.step()
            opt.zero_grad()
            assert all(p.grad is None for p in params)
    for p,q in zip(ours, theirs): assert torch.allclose(p, q, rtol=1e-6, atol=1e-7)

def test_inputs_are_not_changed(few):
    x = load_images(few/'train'/'3')
    preds,targets = torch.randn(4,1),tensor([1,0,1,0])
    old = [o.clone() for o in (x,preds,targets)]
    mean_digit(x)
    mnist_distance(x, x[0])
    saturation(preds)
    for f in (mnist_loss,batch_accuracy,mse): f(preds, targets)
    assert all(torch.equal(o, was) for o,was in zip((x,preds,targets), old))

def test_validation_leaves_a_module_as_it_was(dls):
    model = nn.Sequential(nn.Linear(784,4), nn.BatchNorm1d(4), nn.Linear(4,1), nn.Dropout())
    model[3].eval()
    before = {k: v.clone() for k,v in model.state_dict().items()}
    validate_epoch(model, dls.valid)
    with pytest.raises(ValueError): validate_epoch(model, [(torch.zeros(2,784), torch.zeros(3))])
    assert [m.training for m in model]==[True,True,True,False] and model.training
    assert all(torch.equal(before[k], v) for k,v in model.state_dict().items())

# A module trains in training mode, whichever it was left in

def modal_net(n_out):
    "A net that is another in training and in evaluation"
    return nn.Sequential(nn.Linear(784,8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(.5), nn.Linear(8,n_out))

def plain_sgd(model): return torch.optim.SGD(model.parameters(), lr=.1)

def by_learner(model, dls):
    learn = Learner(dls, model, loss_func=mnist_loss, opt_func=SGD, lr=.1)
    with learn.no_bar(), learn.no_logging(): learn.fit(1)

def by_classes(model, dls):
    train,valid = [[(xb,yb[:,0]) for xb,yb in dl] for dl in (dls.train,dls.valid)]
    by_class = SimpleNamespace(train=train, valid=valid)
    train_model(model, by_class, plain_sgd(model), 2, F.cross_entropy, accuracy)

def by_loop(model, dls):
    pair = dls.valid_ds.x,dls.valid_ds.y.float()
    training_loop(model, pair, pair, plain_sgd(model), 2)

def by_epoch(model, dls): train_epoch(model, dls.train, plain_sgd(model), mnist_loss)

def by_model(model, dls): train_model(model, dls, plain_sgd(model), 2)

TRAINERS = {
    # name: (outputs of the net, function that trains it, mode it is left in)
    'train_epoch':   (1, by_epoch, True),
    'train_model':   (1, by_model, True),
    'training_loop': (1, by_loop, True),
    'two outputs':   (2, by_classes, True),
    'Learner.fit':   (1, by_learner, False),  # fastai's, which validates last
}

@pytest.mark.parametrize('name', TRAINERS)
def test_a_model_left_in_evaluation_mode_is_trained_all_the_same(dls, name):
    n_out,train,left = TRAINERS[name]
    trained = []
    for mode in (True,False):
        set_seed(1)
        dls.train.rng.seed(1)
        model = modal_net(n_out).train(mode)
        train(model, dls)
        assert [m.training for m in model]==[left]*5
        trained.append(model.state_dict())
    assert trained[0]['1.num_batches_tracked']>0
    assert all(torch.equal(v, trained[1][k]) for k,v in trained[0].items())

def test_after_get_preds_of_fastai(dls):
    "The way on which one meets it: it leaves the model in evaluation mode"
    learn = digit_learner(dls, modal_net(1))
    with learn.no_bar(), learn.no_logging(): learn.get_preds()
    assert not learn.model.training
    train_epoch(learn.model, dls.train, plain_sgd(learn.model), mnist_loss)
    assert learn.model[1].num_batches_tracked==len(dls.train)

def test_validating_leaves_a_module_as_it_was():
    model = modal_net(2)
    model[1].eval()
    validate_epoch(model, [(torch.rand(4,784),tensor([0,1,0,1]))], accuracy)
    assert [m.training for m in model]==[True,False,True,True,True] and model.training

# Inside PyTorch's transforms; what is written out in plain PyTorch is the reference

def plain_mnist_loss(preds, targets):
    probs = preds.sigmoid()
    return torch.where(targets==1, 1-probs, probs).mean()

def plain_rmse(preds, targets): return F.mse_loss(preds, targets).sqrt()

LOSSES = {'mnist_loss': (mnist_loss, plain_mnist_loss),
          'mse':        (mse, F.mse_loss),
          'rmse_loss':  (rmse_loss, plain_rmse)}
each_loss = pytest.mark.parametrize('ours, plain', LOSSES.values(), ids=LOSSES)

@pytest.fixture
def batch():
    torch.manual_seed(0)
    return torch.randn(6,4),tensor([1.,0.,0.,1.,1.,0.])

@each_loss
def test_gradients_per_sample(batch, ours, plain):
    model = nn.Linear(4,1)
    params = {k: p.detach() for k,p in model.named_parameters()}
    def gradients(loss_func):
        def loss(params, x, y): return loss_func(functional_call(model, params, (x[None],))[:,0], y[None])
        return torch.func.vmap(torch.func.grad(loss), (None,0,0))(params, *batch)
    found,expected = gradients(ours),gradients(plain)
    assert found['weight'].shape==(6,1,4) and found['weight'].abs().min()>0
    for k in params: assert torch.allclose(found[k], expected[k])

@each_loss
@pytest.mark.parametrize('transform', ['grad', 'jacrev', 'jacfwd', 'hessian'])
def test_derivatives(batch, ours, plain, transform):
    x,y = batch
    found,expected = [getattr(torch.func, transform)(f)(x[:,0], y) for f in (ours,plain)]
    assert torch.allclose(found, expected, atol=1e-6) and found.abs().sum()>0

@each_loss
def test_compiled(batch, ours, plain):
    x,y = batch
    compiled = torch.compile(ours, backend='eager')
    assert torch.allclose(compiled(x[:,0], y), plain(x[:,0], y))
    with pytest.raises(ValueError, match='do not pair up'): compiled(x, y)

def test_compiled_code_still_looks_at_targets():
    compiled = torch.compile(mnist_loss, backend='eager')
    with pytest.raises(ValueError, match='one is 3'): compiled(torch.zeros(2), tensor([3,7]))

@each_loss
def test_traced(batch, ours, plain):
    x,y = batch
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # PyTorch's own: a trace keeps no checks
        traced = torch.jit.trace(lambda preds,targets: ours(preds, targets), (x[:,0],y))
    assert torch.allclose(traced(x[:,1], y), plain(x[:,1], y))

@each_loss
def test_shapes_without_values(batch, ours, plain):
    "On the meta device, where PyTorch tries a model out without calculating"
    x,y = [o.to('meta') for o in batch]
    assert ours(x[:,0], y).shape==()

def test_accuracy_per_sample(batch):
    preds = batch[0]
    preds[0,0] = .1  # between the two limits, so this answer is wrong
    targets = (preds>.3).long()
    found = torch.func.vmap(batch_accuracy)(preds, targets)
    assert torch.equal(found, ((preds>0)==(targets==1)).float().mean(1)) and 0<found.mean()<1

def test_distances_and_means_of_many_piles():
    torch.manual_seed(0)
    piles,one = torch.rand(3,5,8,8),torch.rand(8,8)
    assert torch.allclose(torch.func.vmap(mean_digit)(piles), piles.mean(1))
    found = torch.func.vmap(mnist_distance, (0,None))(piles, one)
    assert torch.allclose(found, (piles-one).abs().mean((-1,-2)))
    slope = torch.func.grad(lambda a: mnist_distance(a, one))(piles[0,0])
    assert torch.allclose(slope, (piles[0,0]-one).sign()/64)

def test_decoded_in_piles():
    probs = tensor([[.2,.7],[.9,.4]])
    assert torch.func.vmap(decode_targets)(probs).tolist()==[[0,1],[1,0]]

# With another default type of PyTorch's, our models fit our pictures

@pytest.fixture
def double():
    "PyTorch makes new numbers float64"
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)

def colours():
    images = torch.randint(256, (4,3,8,8), dtype=torch.uint8)
    return standardise(images, *channel_stats(images))

def rows(path): return digit_tensors(path)[0]
def first_batch(dls): return dls.one_batch()[0]

OURS = {
    # name: (makes a model, makes what it reads of a folder)
    'init_params':   (lambda path: partial(linear1, weights=init_params((784,1)), bias=init_params(1)), rows),
    'simple_net':    (lambda path: simple_net(), lambda path: first_batch(digit_dataloaders(path))),
    'tanh_net':      (lambda path: tanh_net(), lambda path: thermometer_readings()[0]),
    'flat_net':      (lambda path: flat_net(3*8*8), lambda path: colours()),
    'grey_resnet':   (lambda path: grey_resnet(28, 28).eval(),
                      lambda path: Digits.from_folder(path).train[0][:2,None]),
    'resnet_learner': (lambda path: resnet_learner(image_dataloaders(path, bs=8)).model,
                       lambda path: first_batch(image_dataloaders(path, bs=8))),
    'fast_resnet_learner': (lambda path: fast_resnet_learner(grey_dataloaders(path, bs=8)).model,
                            lambda path: first_batch(grey_dataloaders(path, bs=8))),
    'ARCHITECTURES': (lambda path: ARCHITECTURES['linear'](28, 28), rows),
}

@pytest.mark.parametrize('name', OURS)
def test_what_we_make_fits_what_we_load(few, double, name):
    make,load = OURS[name]
    x = load(few)
    out = make(few)(x)
    assert x.dtype==out.dtype==torch.float32 and len(out)==len(x)

@pytest.mark.parametrize('step', STEPS)
def test_each_step_of_the_ladder(few, double, step, tmp_path):
    "Trained, saved and loaded again, on either default"
    digits = Digits.from_folder(few)
    model = STEPS[step].train(digits, **({} if step=='pixel similarity' else {'steps': 4}))
    probs = label_probs(model, STEPS[step].architecture, digits.valid[0])[:,1]
    assert probs.dtype==torch.float32 and {p.dtype for p in model.parameters()}=={torch.float32}
    rung = judge(step, model, probs, digits, 0.)
    save_digit_model(ladder_model(rung, digits), tmp_path/'m')
    x = digits.valid[0]
    there = load_digit_model(tmp_path/'m').probs(x)
    torch.set_default_dtype(torch.float32)
    assert there.dtype==torch.float32 and torch.equal(load_digit_model(tmp_path/'m').probs(x), there)
    assert torch.allclose(there[:,1], probs, atol=1e-4)

def test_the_quick_model(few, double, monkeypatch):
    short = replace(BESIDE['small CNN'], train=partial(small_cnn, steps=4))
    monkeypatch.setitem(BESIDE, 'small CNN', short)
    assert predict_digit(quick_model(few), next((few/'valid'/'3').iterdir())).label in ('3','7')

def test_a_thermometer(double):
    t_u,t_c = thermometer_readings()
    net = tanh_net()
    train,valid = hold_out(.1*t_u, t_c, [1,3])
    losses = training_loop(net, train, valid, BasicOptim(net.parameters(), 1e-3), 3)
    ax = plt.subplots()[1]
    show_fit({'net': net}, train, valid, ax=ax)
    plt.close('all')
    assert losses[-1][0]<losses[0][0] and len(ax.lines)==1
