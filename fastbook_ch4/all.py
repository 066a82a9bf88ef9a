"""Everything for `from fastbook_ch4.all import *`, fastai's convention.

Written by hand. Of fastai's names only `sigmoid` and `mse` are replaced, with the same results."""
from fastai.vision.all import *
from torchvision.models import resnet18
from fastbook_ch4.plumbing.images import image_files
from fastbook_ch4.plumbing.loops import epochs_for, like_book
from fastbook_ch4.plumbing.pictures import other_digits
from fastbook_ch4.plumbing.drawings import draw_flow
from fastbook_ch4.plumbing.plots import gv, lesson_style, plot_function
from fastbook_ch4.data import *
from fastbook_ch4.baseline import *
from fastbook_ch4.descent import *
from fastbook_ch4.loss import *
from fastbook_ch4.training import *
from fastbook_ch4.optimizer import *
from fastbook_ch4.learner import *
from fastbook_ch4.models import *
from fastbook_ch4.vision import *
from fastbook_ch4.plumbing.mistakes import show_mistakes
from fastbook_ch4.plumbing.fast import fast_resnet_learner, fused_adamw, grey_dataloaders
from fastbook_ch4.plumbing.steps import STEPS, Rung, plot_ladder
from fastbook_ch4.ladder import *
from fastbook_ch4.neurons import *
from fastbook_ch4.autograd import *
from fastbook_ch4.thermometer import *
from fastbook_ch4.birds import *
from fastbook_ch4.multiclass import *
from fastbook_ch4.application import *
from fastbook_ch4.own_learner import OwnLearner
