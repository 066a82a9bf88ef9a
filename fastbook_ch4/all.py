"""Everything for `from fastbook_ch4.all import *`, fastai's convention.

Written by hand. Of fastai's names only `sigmoid` and `mse` are replaced, by versions that give the same results."""
from fastai.vision.all import *
from torchvision.models import resnet18
from fastbook_ch4.data import *
from fastbook_ch4.baseline import *
from fastbook_ch4.descent import *
from fastbook_ch4.loss import *
from fastbook_ch4.training import *
from fastbook_ch4.optimizer import *
from fastbook_ch4.learner import *
from fastbook_ch4.models import *
from fastbook_ch4.vision import *
from fastbook_ch4.ladder import *
from fastbook_ch4.neurons import *
from fastbook_ch4.thermometer import *
from fastbook_ch4.birds import *
from fastbook_ch4.multiclass import *
from fastbook_ch4.application import *
