"What the ladder must reach on the shipped digits, and that it can be repeated"
import statistics

import pytest, torch
from fastbook_ch4.ladder import STEPS, run_step
from fastbook_ch4.data import Digits


@pytest.fixture(scope='module')
def digits(shipped): return Digits.from_folder(shipped)

@pytest.mark.parametrize('step, least', [('pixel similarity',.96), ('own loop',.965), ('BasicOptim',.965), ('SGD',.965), ('two-layer net',.97),
    pytest.param('resnet18', .98, marks=pytest.mark.full)])
def test_accuracy(trained, step, least):
    "The median of three seeds counts"
    accs = [trained(step, seed).accuracy for seed in range(3)]
    print(step, accs)
    assert statistics.median(accs)>=least

@pytest.mark.parametrize('step', [pytest.param(s, marks=[pytest.mark.full]*(s=='resnet18')) for s in STEPS])
def test_same_seed_same_answers(trained, digits, step):
    "Also while progress is reported, up to the end"
    shares = []
    again = run_step(step, digits, seed=0, report=shares.append)
    assert torch.equal(trained(step, 0).probs, again.probs)
    if step!='pixel similarity': assert shares==sorted(shares) and shares[-1]==pytest.approx(1) and len(shares)>50

def test_published_figures_only_for_the_full_sample(trained): assert trained('pixel similarity', 0).published is None
