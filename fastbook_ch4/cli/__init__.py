"""The `ch4` command: a file for each of its commands; `add` adds the options, `run` does the work.

Written by hand; what takes long to import waits inside the functions that need it, so that
`ch4 --help` answers at once."""
import argparse,os,signal,sys
from pathlib import Path

from fastbook_ch4.cli import app,data,doctor,lab,ladder,predict
from fastbook_ch4.cli.say import complain


def parser():
    "The command line of `ch4`"
    about = 'fastbook chapter 4, "Under the Hood: Training a Digit Classifier"'
    p = argparse.ArgumentParser('ch4', description=about, epilog='If something does not work: ch4 doctor')
    p.add_argument('--debug', action='store_true', help='show the whole traceback of an error')
    sub = p.add_subparsers(required=True, metavar='COMMAND')
    for command in (ladder,predict,data,lab,app,doctor): command.add(sub)
    return p

def _check_home():
    "Refuse a user without a home folder, where fastai, torch and matplotlib keep their files"
    try: Path.home()
    except RuntimeError:
        message = 'This user has no home folder. Name one that you can write to: export HOME=FOLDER'
        raise OSError(message) from None

def _heed_signals():
    """Let a request to end leave nothing half-written, and Ctrl-C interrupt as ever

    Returns the list that is no longer empty after Ctrl-C: a library that is being imported may make another
    error of the interrupt."""
    for name in ('SIGTERM','SIGHUP'):
        number = getattr(signal, name, None)
        # `nohup` has it ignored, and that stays
        if number and signal.getsignal(number)==signal.SIG_DFL:
            signal.signal(number, lambda number, _: sys.exit(128+number))
    interrupts = []
    def interrupt(number, _):
        interrupts.append(number)
        raise KeyboardInterrupt
    # a shell has it ignored for what runs in the background, and that stays, too
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler: signal.signal(signal.SIGINT, interrupt)
    return interrupts

def _mend_streams():
    "Give this program an output and an error stream that take every letter"
    for name in ('stdout','stderr'):
        if getattr(sys, name) is None:  # closed by whoever started this
            setattr(sys, name, open(os.devnull, 'w'))
        stream = getattr(sys, name)
        # not every terminal is UTF-8
        if hasattr(stream, 'reconfigure'): stream.reconfigure(errors='replace')

def main(argv=None):
    "Run the command in `argv` (default: the program's arguments); returns the exit status"
    interrupts = _heed_signals() if argv is None else ()  # as a program of its own
    _mend_streams()
    args = parser().parse_args(argv)
    try:
        _check_home()
        status = args.run(args)
        sys.stdout.flush()
        return status or 0
    except BrokenPipeError:  # whoever reads has seen enough, as in `ch4 data | head -1`
        # Or Python would complain again when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (KeyboardInterrupt,Exception) as e:
        if interrupts or isinstance(e, KeyboardInterrupt):
            print('\nch4: interrupted; what was finished is kept', file=sys.stderr)
            return 130
        if args.debug: raise
        complain(e)
        return 1
