"""All of fastai's vision side, imported without two warnings that a reader can do nothing about.

Written by hand. A module that uses fastai imports this one first, or one that does."""
import warnings
with warnings.catch_warnings():
    # torch and pandas announce the end of two things that fastai 2.8 uses at import
    for old in ('torch.jit.script', 'mode.chained_assignment'): warnings.filterwarnings('ignore', message=f'.*{old}')
    import fastai.vision.all
