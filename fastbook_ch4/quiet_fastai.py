"""All of fastai's vision side, imported without what others announce: a reader can do nothing about it.

Written by hand. A module that uses fastai imports this one first, or one that does."""
import warnings
with warnings.catch_warnings():
    # Today torch and pandas announce the end of two things that fastai 2.8 uses at import
    for kind in (DeprecationWarning,FutureWarning): warnings.simplefilter('ignore', kind)
    import fastai.vision.all
