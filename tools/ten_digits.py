"""Measure the ladder on all ten digits, and the claims of lesson 19 that need several seeds.

    python tools/ten_digits.py [--data FOLDER] [--steps NAME,...] [--seeds N]
    python tools/ten_digits.py --lesson [--seeds N]

The ladder: trains each step from seeds 0, 1, ... and prints a row for each in Markdown: median, lowest and
highest accuracy, and the median of the seconds. FOLDER is the ten digits that ship with this package, or
all of MNIST in fastai's layout, `mnist_png`, or any other folder that the ladder takes. --lesson: in place
of that, what the lesson's losses and starts lead to on the shipped digits, the pairs that are mixed up, and
how sure the models are.
"""
import argparse
from collections import Counter
from functools import partial
from pathlib import Path
from statistics import median

import torch, torch.nn.functional as F
from fastai.torch_core import set_seed
from fastbook_ch4.baseline import mean_digit
from fastbook_ch4.data import Digits
from fastbook_ch4.ladder import run_step
from fastbook_ch4.loss import mnist_loss
from fastbook_ch4.multiclass import ten_digits
from fastbook_ch4.plumbing.steps import STEPS
from fastbook_ch4.training import calc_grad, init_params, linear1

def spread(values, digits=3):
    "Median, lowest and highest of `values`"
    return f'{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})'

# The ladder

def tell_ladder(digits, names, seeds):
    n = f'{len(digits.train[0]):,} to train with, {len(digits.valid[0]):,} to judge by'
    print(f'{n}, seeds 0 to {seeds-1}\n\n| step | accuracy | seconds |\n| --- | --- | --- |', flush=True)
    places = 4 if len(digits.valid[0])>=5000 else 3
    for name in names:
        n_runs = 1 if name=='pixel similarity' else seeds  # nothing in it is drawn at random
        rungs = [run_step(name, digits, seed) for seed in range(n_runs)]
        accs,seconds = [r.accuracy for r in rungs],median(r.seconds for r in rungs)
        print(f'| {rungs[0].title} | {spread(accs, places)} | {seconds:.1f} |', flush=True)

# The claims of the lesson

def ten_questions(logits, targets):
    return mnist_loss(logits.flatten(), F.one_hot(targets, 10).flatten())

def yes_or_no(logits, targets):
    return F.binary_cross_entropy_with_logits(logits, F.one_hot(targets, 10).float())

def one_minus_p(logits, targets): return 1 - logits.softmax(1)[range(len(targets)),targets].mean()

def one_softmax_more(logits, targets): return F.cross_entropy(logits.softmax(1), targets)

def train_linear(digits, loss_func, lr=.5, std=.01, epochs=30, seed=0):
    "The logits of a linear model for the validation images, trained as in the lesson"
    set_seed(seed)
    dls,n = digits.dataloaders(),len(digits.vocab)
    weights,bias = init_params((digits.n_pixels,n), std),init_params(n, std)
    model = partial(linear1, weights=weights, bias=bias)
    for _ in range(epochs):
        for xb,yb in dls.train:
            calc_grad(xb, yb, model, loss_func)
            for p in (weights,bias):
                p.data -= lr*p.grad
                p.grad.zero_()
    return model(digits.valid[0].flatten(1)).detach()

def share_right(logits, digits): return (logits.argmax(1)==digits.valid[1][:,0]).float().mean().item()

def first_loss(digits, std, seed):
    "Of a linear model that has not learned anything"
    return F.cross_entropy(train_linear(digits, F.cross_entropy, std=std, epochs=0, seed=seed),
                           digits.valid[1][:,0]).item()

def tell_losses(digits, seeds):
    runs = {'mnist_loss of ten questions, lr 1': dict(loss_func=ten_questions, lr=1.),
            'binary cross-entropy of ten questions, lr 1': dict(loss_func=yes_or_no, lr=1.),
            'one softmax too many': dict(loss_func=one_softmax_more)}
    for std in (.01,1.):
        runs[f'1 - p, start {std:g}'] = dict(loss_func=one_minus_p, std=std)
        runs[f'cross-entropy, start {std:g}'] = dict(loss_func=F.cross_entropy, std=std)
    for name,kwargs in runs.items():
        logits = [train_linear(digits, seed=seed, **kwargs) for seed in range(seeds)]
        ends = [kwargs['loss_func'](o, digits.valid[1][:,0]).item() for o in logits]
        yes = [(o>0).float().mean().item() for o in logits]
        print(f'{name}: right {spread([share_right(o, digits) for o in logits])}, loss {spread(ends)}, '
              f'outputs above 0 {spread(yes)}', flush=True)

def tell_starts(digits, seeds, rates=(.01,.1,1.,10.)):
    for std in (0.,.01,.1,1.):
        losses = [first_loss(digits, std, seed) for seed in range(seeds)]
        print(f'start {std:g}: first loss {spread(losses, 2)}')
    for std in (.01,.1,1.):
        for lr in rates:
            accs = [share_right(train_linear(digits, F.cross_entropy, lr, std, 12, seed), digits)
                    for seed in range(seeds)]
            print(f'start {std:g}, lr {lr:g}, 12 epochs: {spread(accs)}', flush=True)

def mixed_up(rung, targets):
    "How often each pair of labels is mixed up"
    answers = rung.probs.argmax(1)
    wrong = answers!=targets
    return Counter(tuple(sorted(o)) for o in zip(targets[wrong].tolist(), answers[wrong].tolist()))

def nearest_pairs(digits, n=10):
    "The `n` pairs of labels whose average images are nearest by RMSE"
    (x,y),pairs = digits.train,torch.combinations(torch.arange(len(digits.vocab)))
    means = torch.stack([mean_digit(x[y[:,0]==t]) for t in range(len(digits.vocab))])
    apart = ((means[pairs[:,0]]-means[pairs[:,1]])**2).mean((1,2))
    return [tuple(o) for o in pairs[apart.argsort()[:n]].tolist()]

def calibrated(logits, accuracy):
    "By what to divide `logits`, so that answers are as sure on average as they are right"
    low,high = .1,10.
    for _ in range(40):
        middle = (low*high)**.5
        too_sure = (logits/middle).softmax(1).max(1).values.mean()>accuracy
        low,high = (middle,high) if too_sure else (low,middle)
    return low

def tell_answers(digits, seeds):
    targets,near = digits.valid[1][:,0],nearest_pairs(digits)
    for name in ('SGD','two-layer net'):
        rungs = [run_step(name, digits, seed) for seed in range(seeds)]
        pairs = [mixed_up(r, targets) for r in rungs]
        boasts = [(r.probs.max(1).values.mean()-r.accuracy).item() for r in rungs]
        print(f'{name}: most mixed {sum(pairs, Counter()).most_common(6)}')
        print('  share of mistakes in the ten nearest pairs '
              f'{spread([sum(o[p] for p in near)/sum(o.values()) for o in pairs])}')
        print(f'  surer than right by {spread(boasts)}')
        for low,high in ((.7,.9),(.99,1.)):
            right = []
            for r in rungs:
                sure,answer = r.probs.max(1)
                group = (sure>low) & (sure<=high)
                right.append((answer==targets)[group].float().mean().item())
            print(f'  right of those {low} to {high} sure {spread(right)}')
        factors = [calibrated(r.probs.log(), r.accuracy) for r in rungs]
        print(f'  calibrated by dividing logits by {spread(factors, 2)}', flush=True)

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--data', type=Path)
    parser.add_argument('--steps', default=','.join(STEPS))
    parser.add_argument('--seeds', type=int, default=5)
    parser.add_argument('--lesson', action='store_true')
    args = parser.parse_args()
    digits = Digits.from_folder(args.data or ten_digits())
    if not args.lesson: return tell_ladder(digits, args.steps.split(','), args.seeds)
    for tell in (tell_losses, tell_starts, tell_answers): tell(digits, args.seeds)

if __name__=='__main__': main()
