"""Modules:

- `fastbook_ch4.all`: Everything for `from fastbook_ch4.all import *`, fastai's convention.
- `fastbook_ch4.store`: Which data sets are installed, and how they get there."""
