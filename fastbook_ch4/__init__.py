"""Modules:

- `fastbook_ch4.store`: Which data sets are installed, and how they get there."""
