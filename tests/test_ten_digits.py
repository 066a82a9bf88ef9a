"Lesson 19: ten averages, ten outputs, and whether a model's shares can be believed"
import re
from statistics import median

import pytest, torch
from conftest import cells, load_tool
from fastbook_ch4 import store
from fastbook_ch4.baseline import mnist_distance
from fastbook_ch4.data import Digits
from fastbook_ch4.ladder import run_step
from fastbook_ch4.multiclass import ten_digits
from fastbook_ch4.ten_digits import calibration, nearest_mean
from torch.nn import functional as F

tool = load_tool('ten_digits')
TEXT = '\n'.join(source for kind,source,_ in cells('19_ten_digits') if kind=='markdown')

@pytest.fixture(scope='module')
def digits(): return Digits.from_folder(ten_digits())

# The nearest average

def pages(*rows): return torch.tensor(rows)[:,None]

def test_the_nearest_of_three():
    means = pages([0.,0.], [1.,0.], [1.,1.])
    assert nearest_mean(pages([.1,.2], [.9,.1], [.8,.9]), means).tolist()==[0,1,2]

def test_another_distance():
    "By the largest difference in place of the mean of all"
    def largest(a, b): return (a-b).abs().amax((-1,-2))
    means = pages([.5,.5,.5], [1.,0.,0.])
    x = pages([.2,.2,.2])
    assert nearest_mean(x, means, largest)==0 and nearest_mean(x, means).item()==0
    x = pages([1.,.6,.0])
    assert nearest_mean(x, means, largest)==0 and nearest_mean(x, means)==1

@pytest.mark.parametrize('images, means, message', [
    (torch.zeros(2,3,3), torch.zeros(3,3), 'height, width'),
    (torch.zeros(2,3,3), torch.zeros(2,4,4), r'\(2, 3, 3\) and \(4, 4\)'),
    (torch.zeros(2,3,3)+2, torch.zeros(2,3,3), '0..1')])
def test_images_and_averages_that_do_not_fit(images, means, message):
    with pytest.raises(ValueError, match=message): nearest_mean(images, means)

def test_a_distance_must_give_one_number_per_image():
    def per_row(a, b): return (a-b).abs().mean(-1)
    with pytest.raises(ValueError, match='one number per image'):
        nearest_mean(torch.zeros(2,3,3), torch.zeros(2,3,3), per_row)

def test_the_empty_page_is_nearest_by_l1_only(digits):
    "Why 1 is answered too often"
    x,y = digits.train
    means = torch.stack([x[y[:,0]==t].mean(0) for t in range(10)])
    own,empty = means[digits.valid[1][:,0]],torch.zeros(28,28)
    nearer = mnist_distance(digits.valid[0], empty)<mnist_distance(digits.valid[0], own)
    squares = (digits.valid[0]**2).mean((1,2))<((digits.valid[0]-own)**2).mean((1,2))
    assert nearer.sum()==355 and squares.sum()==16 and '355 by L1, 16 by RMSE' in TEXT
    assert means.mean((1,2)).argmin()==1

# How sure is sure

def test_a_calibrated_model_has_two_equal_columns():
    "Nine of ten are right where it says 0.9, and six of ten where it says 0.6"
    probs = torch.cat([torch.tensor([[.9,.1]]*10), torch.tensor([[.4,.6]]*10)])
    targets = torch.tensor([0]*9+[1] + [1]*6+[0]*4)
    table = calibration(probs, targets)
    assert torch.allclose(torch.tensor(table['says'].values), torch.tensor(table['is right'].values))
    assert table['answers'].tolist()==[10,10]

def test_groups_without_answers_are_left_out_and_edges_can_be_chosen():
    probs = torch.tensor([[.55,.45], [.65,.35], [1.,0.]])
    assert calibration(probs, torch.tensor([0,0,0]))['answers'].tolist()==[2,1]
    assert calibration(probs, torch.tensor([0,0,0]), (0,.6,1))['answers'].tolist()==[1,2]

def test_every_answer_is_counted():
    probs = torch.randn(200,10).mul(5).softmax(1)
    table = calibration(probs, torch.arange(200)%10)
    assert table['answers'].sum()==200 and table['is right'].between(0, 1).all()

def test_shares_on_the_way_of_a_training():
    assert calibration(torch.zeros(2,4).requires_grad_().softmax(1), torch.tensor([0,3]))['says'].item()==.25

@pytest.mark.parametrize('probs, targets, message', [
    (torch.tensor([[2.,1.]]), torch.tensor([0]), 'add up to 1'),
    (torch.tensor([[1.5,-.5]]), torch.tensor([0]), 'add up to 1'),
    (torch.tensor([[float('nan')]*2]), torch.tensor([0]), 'add up to 1'),
    (torch.tensor([[.5,.5]]), torch.tensor([2]), 'from 0 to 1'),
    (torch.tensor([[.5,.5]]), torch.tensor([0,1]), '1 images and 2 targets'),
    (torch.tensor([[.5,.5]]), torch.tensor([0.]), 'int64')])
def test_what_is_no_share_or_target(probs, targets, message):
    with pytest.raises(ValueError, match=message): calibration(probs, targets)

# The losses

def test_ten_questions_are_answered_with_no(digits):
    logits = tool.train_linear(digits, tool.ten_questions, lr=1., seed=1)
    assert (logits>0).float().mean()<.02 and tool.share_right(logits, digits)<.6

def test_one_minus_p_does_not_get_away_from_a_large_start(digits):
    stuck,free = [tool.share_right(tool.train_linear(digits, o, std=1., seed=1), digits)
                  for o in (tool.one_minus_p, F.cross_entropy)]
    assert stuck<.6 and free>.75

@pytest.mark.parametrize('n', [2,3,10,62])
def test_an_equal_guess_costs_the_logarithm_of_the_number_of_labels(n):
    loss = F.cross_entropy(torch.zeros(7,n), torch.arange(7)%n)
    assert loss.item()==pytest.approx(torch.tensor(float(n)).log().item(), abs=1e-5)

# What the lesson says of several seeds

def told(step, column):
    "Median, lowest and highest of `step` in column 1 or 2 of the lesson's table"
    row = re.search(rf'^\| {re.escape(step)} \|.*', TEXT, re.M)[0].split('|')
    return [float(o) for o in re.findall(r'0\.\d+', row[1+column])]

ASKED = {'pixel similarity': (.67,.66), 'SGD': (.89,.915), 'two-layer net': (.91,.96),
         'resnet18, trimmed': (.97,.985)}

@pytest.mark.parametrize('step', ASKED)
def test_the_table_reaches_what_was_asked(step):
    for column,least in enumerate(ASKED[step], 1): assert told(step, column)[0]>=least

@pytest.mark.full
@pytest.mark.parametrize('step', ['own loop','BasicOptim','SGD','two-layer net'])
def test_five_seeds_on_the_shipped_digits(step, digits):
    accs = [run_step(step, digits, seed).accuracy for seed in range(5)]
    assert median(accs)==pytest.approx(told(step, 1)[0], abs=.008)

@pytest.mark.full
def test_resnet18_on_the_shipped_digits(digits):
    accs = [run_step('resnet18', digits, seed).accuracy for seed in range(3)]
    assert median(accs)>=.965

@pytest.mark.full
@pytest.mark.parametrize('step', ['pixel similarity','SGD','two-layer net','resnet18, trimmed'])
def test_all_of_mnist(step):
    if not store.is_installed('mnist_png'): pytest.skip('not installed (ch4 data --archive mnist_png.tgz)')
    rung = run_step(step.removesuffix(', trimmed'), Digits.from_folder(store.folder('mnist_png')))
    assert rung.accuracy==pytest.approx(told(step, 2)[0], abs=.006)
