"What the ladder must reach on the shipped digits, and that it can be repeated"
import statistics

import pytest, torch
from fastbook_ch4.application import ARCHITECTURES
from fastbook_ch4.data import Digits
from fastbook_ch4.ladder import run_ladder, run_step
from fastbook_ch4.plumbing.steps import BESIDE,STEPS


@pytest.fixture(scope='module')
def digits(shipped): return Digits.from_folder(shipped)

@pytest.mark.parametrize('step, least', [
    ('pixel similarity', .96),
    ('own loop', .96),
    ('BasicOptim', .965),
    pytest.param('SGD', .965, marks=pytest.mark.full),
    pytest.param('two-layer net', .97, marks=pytest.mark.full),
    pytest.param('resnet18', .98, marks=pytest.mark.full)])
def test_accuracy(trained, step, least):
    "The median of three seeds counts, of nine where that takes seconds"
    accs = [trained(step, seed).accuracy for seed in range(9 if step in ALONE else 3)]
    print(step, accs)
    assert statistics.median(accs)>=least

ALONE = 'pixel similarity','own loop','BasicOptim'  # take a second and report nothing

@pytest.mark.parametrize('step', [
    pytest.param(s, marks=[pytest.mark.full]*(s not in ALONE)) for s in STEPS])
def test_same_seed_same_answers(trained, digits, step):
    "Also while progress is reported, up to the end"
    shares = []
    again = run_step(step, digits, seed=0, report=shares.append)
    assert torch.equal(trained(step, 0).probs, again.probs)
    if step in ALONE: assert shares==[]
    else:
        assert shares==sorted(shares) and len(shares)>50
        assert shares[-1]==pytest.approx(1)

def test_published_figures_only_for_the_full_sample(trained):
    assert trained('pixel similarity', 0).published is None

def test_each_kind_of_model_can_be_built_again(trained):
    "What a rung is called in a model file is known there"
    of_old_files = {'simple_cnn'}
    assert {step.architecture for step in (STEPS | BESIDE).values()}==set(ARCHITECTURES)-of_old_files
    for name in list(STEPS)[:3]:
        rung = trained(name, 0)
        ARCHITECTURES[rung.architecture](28, 28).load_state_dict(rung.model.state_dict())

@pytest.mark.full
@pytest.mark.parametrize('size, title', [((28,28), 'resnet18, trimmed'), ((64,64), 'resnet18')])
def test_the_table_says_whether_resnet18_was_trimmed(size, title):
    x = torch.rand(70, *size)
    y = torch.arange(70)[:,None]%2
    digits = Digits('nowhere', ['7','3'], (x,y), (x,y))
    assert run_step('resnet18', digits).title==title

def test_a_step_is_trained_when_it_is_asked_for(digits):
    told = []
    def report(name, share): told.append(name)
    rungs = run_ladder(digits, iter(['pixel similarity','SGD']), report=report)
    assert next(rungs).step=='pixel similarity' and told==[]
    assert next(rungs).step=='SGD' and set(told)=={'SGD'}
