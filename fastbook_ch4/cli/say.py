"""What the commands have in common: the path in an option, and words for the terminal."""
import argparse,sys
from pathlib import Path


def place(text):
    "The path in `text`"
    # An empty one, as from a variable of the shell that is not set, would mean this folder
    if not text: raise argparse.ArgumentTypeError('a path is missing')
    return Path(text).expanduser()

def printable(text):
    "`text` without what would steer a terminal"
    return ''.join(c if c.isprintable() else '\N{REPLACEMENT CHARACTER}' for c in text)

def complain(e):
    "Tell the error `e` on one line; one that no command foresees by its name, too"
    text = f'{e.filename}: {e.strerror}' if isinstance(e, OSError) and e.filename and e.strerror else str(e)
    text = printable(' '.join(text.split()))
    if isinstance(e, UnicodeEncodeError):
        # PyTorch cannot be loaded from a folder that Python's own encoding does not have
        text = ('The name of a folder on the way has letters that Python cannot write here. '
                'Try again with PYTHONUTF8=1.')
    elif not (text and isinstance(e, (OSError,TypeError,ValueError))):
        text = (f'{type(e).__name__}: {text or "no reason given"}. '
                'ch4 --debug … shows where; ch4 doctor looks for the cause.')
    print(f'ch4: {text}', file=sys.stderr)
