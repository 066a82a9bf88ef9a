"""Measure what a hidden layer buys on questions about ten digits, for lesson 8.

    python tools/hidden_layer.py [--asks NAME,...] [--models NAME,...] [--rates X,...] [--seeds N] [--points]

Trains models on the digits that ship with this package, 4,000 to train on and 1,000 to judge by, with
`mnist_loss` and as many steps as 20 epochs on the full sample make, for each question, learning rate and
seed. Prints the accuracy at the end: median, lowest and highest over the seeds. --points: in place of that,
how many of 30 starts get all of the lesson's four points right, for nets of several widths.
"""
import argparse
from functools import partial
from statistics import median

import torch
from fastai.torch_core import set_seed
from fastbook_ch4.data import Digits
from fastbook_ch4.learner import digit_learner
from fastbook_ch4.loss import batch_accuracy, mnist_loss
from fastbook_ch4.models import simple_net
from fastbook_ch4.multiclass import labelled_images, ten_digits
from fastbook_ch4.optimizer import BasicOptim
from fastbook_ch4.plumbing.loops import like_book
from fastbook_ch4.training import calc_grad
from torch import nn

ASKS = {'odd': [1,3,5,7,9], 'loop': [0,6,8,9], 'three-or-eight': [3,8]}

def linear(): return nn.Linear(784, 1)

def line(): return nn.Linear(2, 1)

def net_of(width): return partial(simple_net, 2, width)

def by_sigmoid(): return nn.Sequential(nn.Linear(784, 30), nn.Sigmoid(), nn.Linear(30, 1))

def no_kink(): return nn.Sequential(nn.Linear(784, 30), nn.Linear(30, 1))

MODELS = {'linear': linear, '30': simple_net, '3': partial(simple_net, n_hidden=3),
          '300': partial(simple_net, n_hidden=300), 'sigmoid': by_sigmoid, 'no-kink': no_kink}

def asking(digits):
    "The ten digits, with target 1 for `digits` and 0 for the others"
    parts = labelled_images(ten_digits(), '0123456789')
    def targets(labels): return torch.isin(labels, torch.tensor(digits)).long()[:,None]
    return Digits(ten_digits(), ['no','yes'], *[(x[:,0], targets(labels)) for x,labels in parts])

def accuracy_on(digits, new_model, lr, seed, epochs=20):
    "Of a model trained on `digits` for `epochs` of the book, on the validation images"
    set_seed(seed)
    dls = digits.dataloaders()
    learn = digit_learner(dls, new_model(), lr=lr)
    with learn.no_bar(), learn.no_logging(): learn.fit(like_book(dls, epochs))
    return learn.recorder.values[-1][2]

def right_points(new_model, seed):
    "How many of the lesson's four points a model has right after training on them"
    pixels,either = torch.tensor([[0.,0.],[0.,1.],[1.,0.],[1.,1.]]),torch.tensor([[0],[1],[1],[0]])
    set_seed(seed)
    model = new_model()
    opt = BasicOptim(model.parameters(), 1.)
    for _ in range(1000):
        calc_grad(pixels, either, model, mnist_loss)
        opt.step()
        opt.zero_grad()
    return round(4*batch_accuracy(model(pixels), either).item())

def tell_points():
    for width in (2,4,16):
        right = [right_points(net_of(width), seed) for seed in range(30)]
        print(f'{width} hidden units: all four right in {right.count(4)} of {len(right)} starts', flush=True)

def tell_digits(asks, models, rates, seeds):
    for ask in asks:
        digits = asking(ASKS[ask])
        for name in models:
            for lr in rates:
                got = sorted(accuracy_on(digits, MODELS[name], lr, seed) for seed in range(seeds))
                print(f'{ask:14} {name:8} lr={lr:<4g} median {median(got):.3f}, '
                      f'{got[0]:.3f} to {got[-1]:.3f}', flush=True)

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--asks', default='odd,loop')
    parser.add_argument('--models', default='linear,30')
    parser.add_argument('--rates', default='.2,.5,1,2,5,10')
    parser.add_argument('--seeds', type=int, default=8)
    parser.add_argument('--points', action='store_true')
    args = parser.parse_args()
    if args.points: return tell_points()
    rates = [float(o) for o in args.rates.split(',')]
    tell_digits(args.asks.split(','), args.models.split(','), rates, args.seeds)

if __name__=='__main__': main()
