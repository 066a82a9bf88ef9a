"""Train the linear model of the site's drawing board and write fastbook_ch4/touch/digit_weights.json.

    python tools/digit_weights.py [FILE]

The model is that of lesson 7, trained for 20 epochs on the full MNIST_SAMPLE, which must be installed.
"""
import json,sys
from pathlib import Path

from fastai.torch_core import set_seed
from torch import nn
from fastbook_ch4 import store
from fastbook_ch4.data import digit_dataloaders
from fastbook_ch4.learner import digit_learner

FILE = Path(__file__).resolve().parents[1]/'fastbook_ch4'/'touch'/'digit_weights.json'

def trained(path):
    "Labels, accuracy, bias and 784 weights of the linear model after 20 epochs on the images in `path`"
    set_seed(0)
    dls = digit_dataloaders(path)
    learn = digit_learner(dls, nn.Linear(784,1))
    with learn.no_bar(), learn.no_logging(): learn.fit(20)
    vocab = list(dls.vocab)
    return dict(labels=[vocab[1], vocab[0]],  # the label of target 1 first: a positive logit means it
                accuracy=round(learn.recorder.values[-1][2], 4), images=len(dls.valid_ds),
                bias=round(learn.model.bias.item(), 4),
                weights=[round(w, 4) for w in learn.model.weight[0].tolist()])

if __name__=='__main__':
    if not store.is_installed('mnist_sample'):
        sys.exit('The full MNIST_SAMPLE is not installed. Install it with `ch4 data --archive FILE`.')
    model = trained(store.folder('mnist_sample'))
    Path(*sys.argv[1:] or [FILE]).write_text(json.dumps(model)+'\n', encoding='utf8')
    print(f"{model['accuracy']} on {model['images']:,} images")
