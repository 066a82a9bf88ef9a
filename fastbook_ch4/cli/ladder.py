"""`ch4 ladder`: every step of the chapter trained on the same images, and what comes of it in a folder."""
import argparse,contextlib,hashlib,os,sys,tempfile,time,warnings
from functools import partial
from pathlib import Path

from fastbook_ch4 import store
from fastbook_ch4.cli.data import full_sample
from fastbook_ch4.cli.say import place

STEPS = 'pixel similarity','own loop','BasicOptim','SGD','two-layer net','resnet18'
LADDER,MODEL = Path('runs/ladder'),'digits.safetensors'  # where the ladder writes, and its best model there
# For labels in Korean and more
FONTS = ('Noto Sans CJK KR', 'NanumGothic', 'Malgun Gothic', 'Apple SD Gothic Neo', 'AppleGothic',
         'Arial Unicode MS')


def _seed(text):
    "The number in `text`, if numpy and torch both take it as a seed"
    if not text.isdecimal() or int(text)>=2**32:
        raise argparse.ArgumentTypeError(f'{text!r} is not between 0 and 4294967295')
    return int(text)

def add(sub):
    "Add this command to the subparsers `sub`"
    p = sub.add_parser('ladder', help='train every step of the chapter and compare them',
        description='Train the steps of the chapter on the same images and compare accuracy, size and time.')
    p.add_argument('--data', default='auto', metavar='auto|full|shipped|FOLDER',
        help='the best images there are (auto, the default), the full MNIST_SAMPLE, the 1,000 that ship with '
             'the package, or a folder with train/<label> and valid/<label> for two labels')
    p.add_argument('--steps', metavar='NAMES',
        help=f'only these, separated by commas; the beginning of a name is enough: {", ".join(STEPS)}')
    p.add_argument('--seed', type=_seed, default=0,
        help='0 to 4294967295, for parameters and shuffling (default: 0)')
    p.add_argument('--out', type=place, default=LADDER, metavar='DIR',
        help=f'folder for ladder.csv, ladder.png, mistakes.png and the best model, {MODEL} '
             f'(default: {LADDER})')
    p.add_argument('--quiet', action='store_true', help='print nothing but the table')
    p.set_defaults(run=run)

def _choose_data(data):
    "The folder that `--data` means"
    if data=='shipped': return store.install_shipped()
    if data=='full': return full_sample()
    if data=='auto':
        from fastbook_ch4.data import mnist_sample
        return mnist_sample()
    folder = Path(data).expanduser()
    if not data or not folder.is_dir():
        raise FileNotFoundError(f'There is no folder {data}. --data takes auto, full, '
                                'shipped or a folder with train/<label> and valid/<label>.')
    return folder

def choose_steps(text):
    "The steps that a comma-separated list means; the beginning of a name is enough"
    def find(word):
        hits = [s for s in STEPS if s.lower().startswith(word.strip().lower())]
        if not word.strip() or len(hits)!=1:
            raise ValueError(f'{word.strip()!r} is not one of the steps {", ".join(STEPS)}.')
        return hits[0]
    chosen = [find(word) for word in text.split(',')]
    return [s for s in STEPS if s in chosen]

def _use_fonts_for(labels):
    "Let matplotlib draw `labels` with fonts of this machine; returns the letters that none of them has"
    from matplotlib import font_manager as fm,rcParams
    families = [*rcParams['font.family'], *[f for f in FONTS if f in fm.get_font_names()]]
    rcParams['font.family'] = families
    files = [fm.findfont(fm.FontProperties(family=[f])) for f in families]
    known = {letter for file in files for letter in fm.get_font(file).get_charmap()}
    return sorted({c for label in labels for c in label if ord(c) not in known})

@contextlib.contextmanager
def only_one_in(out):
    "One ladder at a time writes into the folder `out`, which is made and must be writable"
    from filelock import FileLock,Timeout
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f'{out} is not a folder. Name another with --out.')
    out.mkdir(parents=True, exist_ok=True)
    try: tempfile.TemporaryFile(dir=out).close()
    except OSError as e:
        raise OSError(f'Cannot write to {out} ({e.strerror}). Name another folder with --out.') from None
    key = hashlib.sha256(os.fsencode(out.resolve())).hexdigest()[:16]
    try:
        with FileLock(Path(tempfile.gettempdir())/f'fastbook_ch4-{key}.lock', timeout=0): yield
    except Timeout:
        raise OSError(f'Another ladder is writing to {out}. Name another folder with --out.') from None

def run(args):
    "Run the ladder and write its results"
    say = partial(print, flush=True) if not args.quiet else lambda *a,**kw: None
    names = list(STEPS) if args.steps is None else choose_steps(args.steps)
    say('Loading fastai …')
    start = time.perf_counter()
    import matplotlib
    matplotlib.use('Agg')
    from fastbook_ch4.application import ladder_model,save_digit_model
    from fastbook_ch4.ladder import Digits,class_accuracy,folder_notes,format_ladder,run_ladder
    with contextlib.redirect_stdout(sys.stderr if args.quiet else sys.stdout): path = _choose_data(args.data)
    digits = Digits.from_folder(path)
    n_train,n_valid = len(digits.train[0]),len(digits.valid[0])
    say(f'{n_train:,} training and {n_valid:,} validation images of {" and ".join(digits.labels)} from {path}')
    if args.data not in ('auto','full','shipped'):
        for note in folder_notes(path): say(note)
    warnings.filterwarnings('ignore', message='Glyph')
    unknown = _use_fonts_for(digits.labels)
    if unknown: say(f'No font of this machine has {"".join(unknown)}: the pictures show boxes instead.')
    back = '\r' if sys.stdout.isatty() else ''
    def report(name, share):
        if back: say(f'{back}{name:<17} training {share:4.0%}'.ljust(50), end='')
    rungs = []
    def done(r):
        if not rungs: (args.out/MODEL).unlink(missing_ok=True)  # of an earlier run, as its pictures
        rungs.append(r)
        say(f'{back}{r.step:<17} {r.correct:,} of {r.total:,} right after {r.seconds:.1f} s'.ljust(50 if back else 0))
    with only_one_in(args.out):
        try: run_ladder(digits, names, args.seed, args.out, report, done)
        finally:  # also if someone has waited long enough
            best = max(rungs, key=lambda r: r.correct, default=None)
            if best: save_digit_model(ladder_model(best, digits), args.out/MODEL)
    say()
    print(format_ladder(rungs))
    if any(r.published for r in rungs):
        print('\npublished: printed in a study post on the whole of fastbook chapter 4 (2025, in Korean)')
        if rungs[0].step=='pixel similarity':
            ours = class_accuracy(rungs[0].probs, digits.valid[1])
            print(f'  for pixel similarity as the mean of the two class accuracies, by which ours is {ours:.4f}')
    say(f'\nladder.csv, ladder.png, mistakes.png and {MODEL} are in {args.out}  '
        f'({time.perf_counter()-start:.0f} s in all)\n'
        f'{MODEL} is the best model, {best.step}. Show it a picture:  ch4 predict FILE --model {args.out/MODEL}')
