"""fastbook chapter 4, "Under the Hood: Training a Digit Classifier", as lessons and helpers"""
import warnings

# torch and pandas announce the end of two things that fastai 2.8 uses at import; a reader can do nothing about it
warnings.filterwarnings('ignore', message='.*torch.jit.script', module='torch.jit')
warnings.filterwarnings('ignore', message=".*'mode.chained_assignment'", module='fastai')
