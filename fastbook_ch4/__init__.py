"""fastbook chapter 4, "Under the Hood: Training a Digit Classifier", as lessons and helpers"""
import warnings

__version__ = '0.1.0'

# Today torch and pandas announce the end of two things that fastai 2.8 uses at import, and pyparsing that of
# names which matplotlib 3.9 uses; a reader can do nothing about it
warnings.filterwarnings('ignore', '`torch.jit.script` is deprecated', FutureWarning, r'torch\.jit\.')
warnings.filterwarnings('ignore', "The 'mode.chained_assignment' option is deprecated", module=r'fastai\.')
warnings.filterwarnings('ignore', r"'\w+' deprecated - use", DeprecationWarning, r'matplotlib\.')
