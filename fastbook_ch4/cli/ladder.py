"""`ch4 ladder`: every step of the chapter trained on the same images, and what comes of it in a folder."""
import argparse,contextlib,hashlib,io,os,sys,tempfile,time,warnings
from pathlib import Path

from fastbook_ch4 import store
from fastbook_ch4.cli.data import full_sample
from fastbook_ch4.cli.say import place

STEPS = 'pixel similarity','own loop','BasicOptim','SGD','two-layer net','resnet18'
# where the ladder writes, and its best model there
LADDER,MODEL = Path('runs/ladder'),'digits.safetensors'
# its plot, the mistakes of that model, and with more than two labels which it takes for which
PICTURES = 'ladder.png','mistakes.png','confusion.png'
FEW = 20       # a label with fewer training images is told
UNEQUAL = 1.5  # so many times the images of the rarest label make a difference
# For labels in Korean and more
FONTS = ('Noto Sans CJK KR', 'NanumGothic', 'Malgun Gothic', 'Apple SD Gothic Neo', 'AppleGothic',
         'Arial Unicode MS')


def _seed(text):
    "The number in `text`, if numpy and torch both take it as a seed"
    if not text.isdecimal() or int(text)>=2**32:
        raise argparse.ArgumentTypeError(f'{text!r} is not between 0 and 4294967295')
    return int(text)

def _processes(text):
    "The number in `text`, if so many processes can share a batch"
    if not text.isdecimal() or not 1<=int(text)<=16:
        raise argparse.ArgumentTypeError(f'{text!r} is not between 1 and 16')
    return int(text)

def add(sub):
    "Add this command to the subparsers `sub`"
    p = sub.add_parser('ladder', help='train every step of the chapter and compare them',
        description='Train the steps of the chapter on the same images and compare accuracy, size '
                    'and time.')
    p.add_argument('--data', default='auto', metavar='auto|full|shipped|ten|FOLDER',
        help='the best images of 3 and 7 there are (auto, the default), the full MNIST_SAMPLE, the '
             '1,000 that ship with the package, all ten digits that ship with it, or a folder with '
             'train/<label> and valid/<label> for two labels or more; without valid, a fifth of the '
             'images is kept for it')
    p.add_argument('--steps', metavar='NAMES',
        help='only these, separated by commas; the beginning of a name is enough: '
             f'{", ".join(STEPS)}')
    p.add_argument('--seed', type=_seed, default=0,
        help='0 to 4294967295, for parameters and shuffling (default: 0)')
    p.add_argument('--out', type=place, default=LADDER, metavar='DIR',
        help=f'folder for ladder.csv, pictures and the best model, {MODEL} (default: {LADDER})')
    p.add_argument('--processes', type=_processes, default=1, metavar='N',
        help='train resnet18 in 1 to 16 processes that share each batch (default: 1); more than '
             'one needs accelerate, and where there are GPUs, one for each')
    p.add_argument('--quiet', action='store_true', help='print nothing but the table')
    p.set_defaults(run=run)

def _choose_data(data):
    "The folder that `--data` means"
    if data=='shipped': return store.install_shipped()
    if data=='full': return full_sample()
    if data=='ten': return store.install_shipped('fastbook_ch4_digits')
    if data=='auto':
        from fastbook_ch4.data import mnist_sample
        return mnist_sample()
    folder = Path(data).expanduser()
    if not data or not folder.is_dir():
        raise FileNotFoundError(f'There is no folder {data}. --data takes auto, full, shipped, '
                                'ten or a folder with train/<label> and valid/<label>.')
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
    "Let matplotlib draw `labels` with this machine's fonts; returns the letters that none has"
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
        why = f'Cannot write to {out} ({e.strerror}). Name another folder with --out.'
        raise OSError(why) from None
    key = hashlib.sha256(os.fsencode(out.resolve())).hexdigest()[:16]
    try:
        with FileLock(Path(tempfile.gettempdir())/f'fastbook_ch4-{key}.lock', timeout=0): yield
    except Timeout:
        why = f'Another ladder is writing to {out}. Name another folder with --out.'
        raise OSError(why) from None

# The results

def table_text(table):
    "The DataFrame `table` of a ladder for the terminal, without columns in which nothing stands"
    correct = [f'{c:,} of {n:,}' for c,n in zip(table.correct, table.total)]
    step = f'{"step":<17}'  # to the left, as what stands below
    shown = table.assign(correct=correct).rename(columns={'step': step}).drop(columns='total')
    shown = shown.dropna(axis='columns', how='all')
    formats = {step: '{:<17}', 'parameters': '{:,}', 'seconds': '{:.1f}', 'accuracy': '{:.4f}',
               'balanced': '{:.4f}', 'published': '{:.4f}'}
    widths = {'parameters': 11, 'seconds': 8, 'correct': 14, 'accuracy': 9, 'balanced': 9,
              'published': 10}
    return shown.to_string(index=False, na_rep='',
                           formatters={k: v.format for k,v in formats.items()},
                           col_space={k: v for k,v in widths.items() if k in shown})

def table_csv(table):
    "The DataFrame `table` of a ladder as the text of a CSV file"
    digits = {'seconds': '{:.2f}', 'accuracy': '{:.6f}', 'balanced': '{:.6f}'}
    numbers = {k: table[k].map(v.format) for k,v in digits.items() if k in table}
    return table.assign(**numbers).to_csv(index=False, lineterminator='\n')

class Results:
    "What a ladder leaves in `folder`: its table, its best model, at its end also pictures"
    def __init__(self, folder, digits):
        self.folder,self.digits = folder,digits
        self.rungs = []

    @property
    def best(self): return max(self.rungs, key=lambda r: r.correct)

    def add(self, rung):
        "Write the table with `rung`; what an earlier run left goes with its table"
        from fastbook_ch4.ladder import ladder_table
        if not self.rungs:
            for name in (MODEL,*PICTURES): (self.folder/name).unlink(missing_ok=True)
        rungs = [*self.rungs, rung]
        self.table = ladder_table(rungs)
        # beside `accuracy`, which the commoner label decides
        if is_unequal(self.digits): self.table.insert(6, 'balanced', [r.balanced for r in rungs])
        store.write_whole(self.folder/'ladder.csv', table_csv(self.table).encode())
        self.rungs = rungs  # only now: no model without its table

    def draw(self):
        "Write the plot of the rungs and the mistakes of the best"
        import matplotlib.pyplot as plt
        from fastbook_ch4.plumbing.steps import plot_ladder
        from fastbook_ch4.plumbing.mistakes import show_confusion,show_mistakes
        best,(x,y) = self.best,self.digits.valid
        vocab,title = self.digits.vocab,f'{best.step}: '
        figures = [plot_ladder(self.rungs), show_mistakes(x, best.probs, y, vocab, title=title)]
        if self.digits.n_out>1: figures.append(show_confusion(best.probs, y, vocab, title))
        for fig,name in zip(figures, PICTURES):
            picture = io.BytesIO()
            fig.savefig(picture, format='png', dpi=150)
            plt.close(fig)
            store.write_whole(self.folder/name, picture.getvalue())

    def __enter__(self): return self

    def __exit__(self, error, *_):  # also if someone has waited long enough
        from fastbook_ch4.application import ladder_model,save_digit_model
        if not self.rungs: return
        save_digit_model(ladder_model(self.best, self.digits), self.folder/MODEL)
        if not error: self.draw()

# The command

def is_unequal(digits):
    "Are some labels of `digits` much commoner than others in validation?"
    counts = digits.valid[1][:,0].bincount(minlength=len(digits.vocab))
    return bool(counts.max()>UNEQUAL*counts.min())

def few_images(digits):
    "The labels of which a model can hardly learn much, each with the number of its training images"
    counts = digits.train[1][:,0].bincount(minlength=len(digits.vocab)).tolist()
    return [f'{label} ({n})' for label,n in zip(digits.vocab, counts) if n<FEW]

def _load(data, say):
    "The images that `--data` means, with a word on what is special about them"
    import matplotlib
    matplotlib.use('Agg')
    from fastbook_ch4.data import Digits
    from fastbook_ch4.plumbing.images import folder_notes,in_words
    path = _choose_data(data)
    digits = Digits.from_folder(path)
    n_train,n_valid = len(digits.train[1]),len(digits.valid[1])
    say(f'{n_train:,} training and {n_valid:,} validation images of {in_words(digits.vocab)} from {path}')
    if data not in ('auto','full','shipped','ten'):
        for note in folder_notes(path): say(note)
    few = few_images(digits) if digits.n_out>1 else ()
    if few: say(f'Few training images, so expect many mistakes: {", ".join(few)}.')
    warnings.filterwarnings('ignore', message='Glyph')
    unknown = _use_fonts_for(digits.vocab)
    if unknown:
        say(f'No font of this machine has {"".join(unknown)}: the pictures show boxes instead.')
    return digits

def _check_together(n, names):
    "Refuse what `n` processes cannot do, before anything takes time"
    from fastbook_ch4.plumbing.together import check_processes
    if int(os.environ.get('WORLD_SIZE') or 1)>1:
        raise ValueError('A launcher has started this process with others. Leave --processes out.')
    if 'resnet18' not in names:
        raise ValueError('--processes is for resnet18, and that is not among the --steps.')
    check_processes(n)

def _join(data, names, seed):
    "What a process does that a launcher has started beside the first: its part of resnet18"
    from fastbook_ch4.ladder import run_ladder
    if 'resnet18' in names: list(run_ladder(_load(data, lambda *_: None), ['resnet18'], seed))

def _climb(results, names, seed, processes, say):
    "Run the steps `names` into `results`; a terminal shows how far each is"
    from fastbook_ch4.ladder import run_ladder
    back,width = ('\r',50) if sys.stdout.isatty() else ('',0)
    def report(name, share):
        if back: say(f'{back}{name:<17} training {share:4.0%}'.ljust(width), end='')
    for r in run_ladder(results.digits, names, seed, report, processes):
        results.add(r)
        said = f'{back}{r.title:<17} {r.correct:,} of {r.total:,} right after {r.seconds:.1f} s'
        say(said.ljust(width))

def _print_table(results):
    "Print the table, and a word on what in it is not to be taken at its face"
    from fastbook_ch4.ladder import balanced_accuracy
    from fastbook_ch4.plumbing.steps import answers
    print(table_text(results.table))
    if 'balanced' in results.table:
        print('\nbalanced: the mean of the accuracies within each label, since some are much '
              'commoner')
    for r in results.rungs:
        said = answers(r.probs).unique()
        if len(said)==1: print(f'{r.step} answers {results.digits.vocab[said]} to every image.')
    if results.table.published.isna().all(): return
    print('\npublished: printed in a study post on the whole of fastbook chapter 4 (2025, in Korean)')
    first = results.rungs[0]
    if first.step=='pixel similarity':
        ours = balanced_accuracy(first.probs, results.digits.valid[1])
        print('  for pixel similarity as the mean of the two class accuracies, '
              f'by which ours is {ours:.4f}')

def run(args):
    "Run the ladder, print its table and leave its results in a folder"
    def say(text='', **kwargs):
        if not args.quiet: print(text, flush=True, **kwargs)
    names = list(STEPS) if args.steps is None else choose_steps(args.steps)
    if args.processes>1: _check_together(args.processes, names)
    if int(os.environ.get('RANK') or 0): return _join(args.data, names, args.seed)
    say('Loading fastai …')
    start = time.perf_counter()
    with contextlib.redirect_stdout(sys.stderr if args.quiet else sys.stdout):
        digits = _load(args.data, say)
    with only_one_in(args.out), Results(args.out, digits) as results:
        _climb(results, names, args.seed, args.processes, say)
    say()
    _print_table(results)
    pictures = PICTURES[:2] if results.digits.n_out==1 else PICTURES
    say(f'\nladder.csv, {", ".join(pictures)} and {MODEL} are in {args.out}  '
        f'({time.perf_counter()-start:.0f} s in all)')
    say(f'{MODEL} is the best model, {results.best.step}. '
        f'Show it a picture:  ch4 predict FILE --model {args.out/MODEL}')
