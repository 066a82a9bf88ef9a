"Lesson 16: ten digits in memory, a few labels of each, and a body handed on"
import pytest, torch
from PIL import Image
from fastai.vision.all import Flip,Learner,nn
from fastbook_ch4.multiclass import *
from fastbook_ch4.plumbing.fast import fast_resnet_learner

def some(n=8, labels=2, size=28): return torch.rand(n,1,size,size), torch.arange(n)%labels

def test_ten_digits_install_once(home):
    path = ten_digits()
    file = path/'train'/'8'/'000.png'
    was = file.stat().st_mtime_ns
    assert ten_digits()==path==home/'data'/'fastbook_ch4_digits' and file.stat().st_mtime_ns==was

def test_targets_follow_the_list_of_labels(make_folder):
    path = make_folder(labels=('ape','bee','cat'), n=2)
    (x,y),_ = labelled_images(path, ['cat','ape'])
    assert x.shape==(4,1,28,28) and y.tolist()==[0,0,1,1]
    assert x[0].mean()>x[2].mean()  # `make_folder` makes later labels lighter

@pytest.mark.parametrize('labels,message', [
    (['ape','dodo'], "no label 'dodo'"), (['ape','ape'], 'each once'), ([], 'at least one')])
def test_wrong_labels(make_folder, labels, message):
    with pytest.raises(ValueError, match=message): labelled_images(make_folder(labels=('ape','bee')), labels)

def test_labels_of_two_sizes(make_folder):
    path = make_folder(labels=('ape','bee'))
    for f in (path/'train'/'bee').iterdir(): Image.new('L', (20,20)).save(f)
    with pytest.raises(ValueError, match=r'\(20, 20\) and of \(28, 28\)'):
        labelled_images(path, ['ape','bee'])

def test_few_of_each():
    targets = torch.tensor([5,2,5,2,5,2,2])
    drawn = few_of_each(targets, 2, seed=1)
    assert targets[drawn].tolist()==[2,2,5,5] and len(set(drawn.tolist()))==4
    assert torch.equal(drawn, few_of_each(targets, 2, seed=1))
    assert len({tuple(few_of_each(targets, 1, seed).tolist()) for seed in range(20)})>3

def test_few_of_each_leaves_the_random_numbers_alone():
    torch.manual_seed(0)
    few_of_each(torch.arange(4)%2, 1)
    after = torch.rand(1)
    torch.manual_seed(0)
    assert after==torch.rand(1)

@pytest.mark.parametrize('n', [0, 3])
def test_too_few_of_each(n):
    with pytest.raises(ValueError, match='rarest occurs 2 times'): few_of_each(torch.tensor([0,0,0,1,1]), n)

def test_transforms_change_training_batches_only():
    train,valid = some(),some()
    dls = class_dataloaders(train, valid, '37', bs=8, batch_tfms=[Flip(p=1.)])
    xb,yb = dls.valid.one_batch()
    assert torch.allclose(xb, valid[0], atol=1e-5)  # fastai draws these anew, too, each pixel where it was
    assert torch.equal(yb, valid[1])
    xb,yb = dls.train.one_batch()
    apart = torch.cdist(torch.Tensor(xb).flatten(1), train[0].flip(3).flatten(1))
    assert apart.min(1).values.max()<1e-2 and torch.equal(train[1][apart.argmin(1)], yb)

@pytest.mark.parametrize('train,valid,vocab,bs,message', [
    (some(), some(size=20), '37', 8, 'differ in size'),
    (some(), some(labels=3), '37', 8, 'from 0 to 1'),
    ((some()[0],some()[1].float()), some(), '37', 8, 'integers'),
    ((some()[0],some(6)[1]), some(), '37', 8, 'do not fit'),
    ((some()[0]*255,some()[1]), some(), '37', 8, '0..1'),
    (some(), some(), '37', 0, 'bs=0')])
def test_parts_that_do_not_fit(train, valid, vocab, bs, message):
    with pytest.raises(ValueError, match=message): class_dataloaders(train, valid, vocab, bs)

def test_another_body_is_refused_and_nothing_changes():
    loaders = [class_dataloaders(some(size=s), some(size=s), '37') for s in (28,64)]
    learn,other = map(fast_resnet_learner, loaders)
    before = {k: v.clone() for k,v in learn.model.state_dict().items()}
    with pytest.raises(ValueError, match='bodies differ'): take_body(learn, other)
    assert all(torch.equal(v, before[k]) for k,v in learn.model.state_dict().items())

def test_a_model_without_a_body_is_refused():
    "Its first part has no parameters, so that copying them would do nothing in silence"
    dls = class_dataloaders(some(), some(), '37')
    def plain():
        model = nn.Sequential(nn.Flatten(), nn.Linear(784,2))
        return Learner(dls, model, loss_func=nn.CrossEntropyLoss())
    with pytest.raises(ValueError, match='there is none'): take_body(plain(), plain())

def test_the_head_stays():
    loaders = [class_dataloaders(some(labels=n), some(labels=n), 'abc'[:n]) for n in (2,3)]
    learn,source = map(fast_resnet_learner, loaders)
    head = [p.clone() for p in learn.model[1].parameters()]
    take_body(learn, source.model)
    bodies = [o.model[0].state_dict().values() for o in (learn,source)]
    assert all(torch.equal(a, b) for a,b in zip(*bodies))
    assert all(torch.equal(a, b) for a,b in zip(learn.model[1].parameters(), head))
