"What the ladder must reach on the shipped digits, and that it can be repeated"
import statistics

import pytest, torch
from fastbook_ch4.ladder import STEPS, Digits, run_step


@pytest.fixture(scope='module')
def digits(shipped): return Digits.from_folder(shipped)

@pytest.mark.parametrize('step, least', [('pixel similarity',.96), ('own loop',.965), ('BasicOptim',.965), ('SGD',.965), ('two-layer net',.97),
    pytest.param('resnet18', .98, marks=pytest.mark.full)])
def test_accuracy(digits, step, least):
    "The median of three seeds counts"
    accs = [run_step(step, digits, seed).accuracy for seed in range(3)]
    print(step, accs)
    assert statistics.median(accs)>=least

@pytest.mark.parametrize('step', [pytest.param(s, marks=[pytest.mark.full]*(s=='resnet18')) for s in STEPS])
def test_same_seed_same_answers(digits, step):
    a,b = [run_step(step, digits, seed=5) for _ in range(2)]
    assert torch.equal(a.probs, b.probs)

def test_published_figures_only_for_the_full_sample(digits):
    assert run_step('pixel similarity', digits).published is None

def test_progress_is_reported_up_to_the_end(digits):
    for step in ('own loop', 'BasicOptim', 'SGD'):
        shares = []
        run_step(step, digits, report=shares.append)
        assert shares==sorted(shares) and shares[-1]==pytest.approx(1) and len(shares)>50
