"""`python -m fastbook_ch4.cli` is `ch4`."""
import sys

from fastbook_ch4.cli import main

sys.exit(main())
