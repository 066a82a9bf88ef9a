"""The `ch4` command.

Written by hand; heavy imports wait inside the commands that need them, so that `ch4 --help` answers at once."""
import argparse,contextlib,hashlib,os,signal,sys,tempfile,time,warnings
from functools import partial
from pathlib import Path

from fastbook_ch4 import store

STEPS = ('pixel similarity', 'own loop', 'BasicOptim', 'SGD', 'two-layer net', 'resnet18')
FONTS = 'Noto Sans CJK KR','NanumGothic','Malgun Gothic','Apple SD Gothic Neo','AppleGothic','Arial Unicode MS'  # for labels in Korean and more
LADDER,MODEL = Path('runs/ladder'),'digits.safetensors'  # where the ladder writes, and its best model there


def full_sample():
    "The folder of the full MNIST_SAMPLE, downloaded if need be"
    if store.is_installed('mnist_sample'): return store.folder('mnist_sample')
    try: return store.download()
    except OSError as e:
        raise OSError(f'The full MNIST_SAMPLE is not installed and was not downloaded: {e}. '
                      'Install it from a file with: ch4 data --archive FILE') from None

def show_data(args):
    "Install what was asked for, then say what is installed"
    if args.archive:
        name = store.install_archive(args.archive)
        print(f'{name}: {store.DATASETS[name].n_images:,} images installed in {store.folder(name)}')
        return
    if args.download: full_sample()
    print(f'Data folder: {store.data_home()}')
    for name,ds in store.DATASETS.items():
        state = 'installed' if store.is_installed(name) else 'incomplete' if store.folder(name).exists() else 'not installed'
        print(f'  {name:<20}{ds.n_images:>7,} images  {state:<14} {ds.about}')
    if not store.is_installed('mnist_sample'):
        print('Until mnist_sample is installed, lessons and ladder use the digits that ship with the package.\n'
              'Get it:  ch4 data --download   or, from a file you have,   ch4 data --archive mnist_sample.tgz')

def choose_data(data):
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

def printable(text):
    "`text` without what would steer a terminal"
    return ''.join(c if c.isprintable() else '\N{REPLACEMENT CHARACTER}' for c in text)

def use_fonts_for(labels):
    "Let matplotlib draw `labels` with fonts of this machine; returns the letters that none of them has"
    from matplotlib import font_manager as fm,rcParams
    families = [*rcParams['font.family'], *[f for f in FONTS if f in fm.get_font_names()]]
    rcParams['font.family'] = families
    letters = [fm.get_font(fm.findfont(fm.FontProperties(family=[f]))).get_charmap() for f in families]
    return sorted({c for label in labels for c in label if not any(ord(c) in known for known in letters)})

@contextlib.contextmanager
def only_one_in(out):
    "One ladder at a time writes into the folder `out`, which is made and must be writable"
    from filelock import FileLock,Timeout
    if out.exists() and not out.is_dir(): raise NotADirectoryError(f'{out} is not a folder. Name another with --out.')
    out.mkdir(parents=True, exist_ok=True)
    try: tempfile.TemporaryFile(dir=out).close()
    except OSError as e: raise OSError(f'Cannot write to {out} ({e.strerror}). Name another folder with --out.') from None
    key = hashlib.sha256(os.fsencode(out.resolve())).hexdigest()[:16]
    try:
        with FileLock(Path(tempfile.gettempdir())/f'fastbook_ch4-{key}.lock', timeout=0): yield
    except Timeout: raise OSError(f'Another ladder is writing to {out}. Name another folder with --out.') from None

def climb(args):
    "Run the ladder and write its results"
    say = partial(print, flush=True) if not args.quiet else lambda *a,**kw: None
    names = list(STEPS) if args.steps is None else choose_steps(args.steps)
    say('Loading fastai …')
    start = time.perf_counter()
    import matplotlib
    matplotlib.use('Agg')
    from fastbook_ch4.application import ladder_model,save_digit_model
    from fastbook_ch4.ladder import Digits,class_accuracy,folder_notes,format_ladder,run_ladder
    with contextlib.redirect_stdout(sys.stderr if args.quiet else sys.stdout): path = choose_data(args.data)
    digits = Digits.from_folder(path)
    n_train,n_valid = len(digits.train[0]),len(digits.valid[0])
    say(f'{n_train:,} training and {n_valid:,} validation images of {" and ".join(digits.labels)} from {path}')
    if args.data not in ('auto','full','shipped'):
        for note in folder_notes(path): say(note)
    warnings.filterwarnings('ignore', message='Glyph')
    unknown = use_fonts_for(digits.labels)
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
    say(f'\nladder.csv, ladder.png, mistakes.png and {MODEL} are in {args.out}  ({time.perf_counter()-start:.0f} s in all)\n'
        f'{MODEL} is the best model, {best.step}. Show it a picture:  ch4 predict FILE --model {args.out/MODEL}')

def choose_model(file):
    "The model that `--model` means, and a sentence on what it is"
    from fastbook_ch4.application import load_digit_model,quick_model
    if file or (LADDER/MODEL).exists(): model,where = load_digit_model(file or LADDER/MODEL),f'from {file or LADDER/MODEL}'
    else: model,where = quick_model(),f'trained just now on the shipped digits, as there is no {LADDER/MODEL} (ch4 ladder)'
    right = f', {model.accuracy:.1%} right in validation' if model.accuracy is not None else ''
    return model, f'Model: {model.architecture} for {" or ".join(sorted(model.labels))}{right}, {where}'

def predict(args):
    "Say for each file what it shows; status 1 if one could not be read"
    from fastbook_ch4.application import predict_digit
    model,about = choose_model(args.model)
    print(about, flush=True)
    warnings.filterwarnings('ignore', module='PIL')  # of headers that are odd, or pictures that are large
    status = 0
    for file in args.files:
        try: a = predict_digit(model, file)
        except (OSError,ValueError) as e:
            print(printable(f'ch4: {file}: {e}'), file=sys.stderr, flush=True)
            status = 1
        else:
            prob = 'over 99.9%' if a.prob>.999 else f'{a.prob:.1%}'  # no model is certain
            print(printable(f'{file}: {a.label}  {prob}  {a.note}'.rstrip()), flush=True)
    return status

def choose_versions(folder, names):
    "Ask whether the lessons `names` may replace the reader's files in `folder`, and do what the answer says"
    from fastbook_ch4 import lab
    print('Your files differ from the lessons in the package:', *names, sep='\n  ')
    if all(stream and stream.isatty() for stream in (sys.stdin,sys.stdout)):
        try: answer = input(f'Replace them? Yours stay beside them, as {Path(names[0]).stem}_mine.ipynb and so on. [y/N] ')
        except EOFError: answer = ''
        if answer.strip().lower() in ('y','yes'):
            for name,mine in zip(names, lab.replace_lessons(folder, names)): print(f'  {name} replaced; yours is {mine}')
            return
        lab.note_lessons(folder, names)
    print('They stay as they are. To get one from the package, rename yours and run this command again.')

def open_lessons(args):
    "Copy the lessons to a folder of the reader's own and open them"
    from fastbook_ch4 import lab
    folder = Path(args.folder or ('.' if Path(lab.RECORD).exists() else 'ch4_lessons')).expanduser()
    names = lab.copy_lessons(folder)
    print(f'Lessons in {folder.resolve()}')
    if not any(names.values()): print('  where they come from, so nothing was copied')
    if names['new']: print(f'  {len(names["new"])} copied')
    if names['updated']: print(f'  {len(names["updated"])} updated from the package: {", ".join(names["updated"])}')
    if names['yours']: print(f'  {len(names["yours"])} changed by you, left as they are')
    if names['differ']: choose_versions(folder, names['differ'])
    print(end='', flush=True)  # before JupyterLab says anything
    if args.open: return lab.open_jupyterlab(folder)

def open_app(args):
    "Serve the page on which one draws a digit"
    from fastbook_ch4.app import serve
    def make_model():
        from fastbook_ch4.application import load_digit_model,quick_model
        if args.model: return load_digit_model(args.model)
        print('No model given (--model), so one is trained from the digits that ship with the package …', flush=True)
        return quick_model()
    serve(make_model, args.host, args.port)

def see_doctor(args):
    "Say what was looked at and what is wrong; status 1 if anything is"
    from fastbook_ch4.doctor import examine
    problems = 0
    for finding in examine():
        problems += not finding.ok
        print(finding, flush=True)
    print(f'{problems} problem{"s" if problems>1 else ""}' if problems else 'No problem was found.')
    return int(problems>0)

def place(text):
    "The path in `text`; an empty one, as from a variable of the shell that is not set, would mean this folder"
    if not text: raise argparse.ArgumentTypeError('a path is missing')
    return Path(text).expanduser()

def port(text):
    "The number in `text`, if it is a port"
    if not text.isdecimal() or int(text)>=2**16: raise argparse.ArgumentTypeError(f'{text!r} is not between 0 and 65535')
    return int(text)

def seed(text):
    "The number in `text`, if numpy and torch both take it as a seed"
    if not text.isdecimal() or int(text)>=2**32: raise argparse.ArgumentTypeError(f'{text!r} is not between 0 and 4294967295')
    return int(text)

def parser():
    "The command line of `ch4`"
    p = argparse.ArgumentParser(prog='ch4', description='fastbook chapter 4, "Under the Hood: Training a Digit Classifier"',
                                epilog='If something does not work: ch4 doctor')
    p.add_argument('--debug', action='store_true', help='show the whole traceback of an error')
    sub = p.add_subparsers(required=True, metavar='COMMAND')
    ladder = sub.add_parser('ladder', help='train every step of the chapter and compare them',
        description='Train the steps of the chapter on the same images and compare accuracy, size and time.')
    option = ladder.add_argument
    option('--data', default='auto', metavar='auto|full|shipped|FOLDER',
           help='the best images there are (auto, the default), the full MNIST_SAMPLE, the 1,000 that ship with the '
                'package, or a folder with train/<label> and valid/<label> for two labels')
    option('--steps', metavar='NAMES',
           help=f'only these, separated by commas; the beginning of a name is enough: {", ".join(STEPS)}')
    option('--seed', type=seed, default=0, help='0 to 4294967295, for parameters and shuffling (default: 0)')
    option('--out', type=place, default=LADDER, metavar='DIR',
           help=f'folder for ladder.csv, ladder.png, mistakes.png and the best model, {MODEL} (default: {LADDER})')
    option('--quiet', action='store_true', help='print nothing but the table')
    ladder.set_defaults(run=climb)
    ask = sub.add_parser('predict', help='say which digit real pictures show',
        description='Say which digit each picture shows: of any size, grey or colour, dark on light or light on dark, one digit '
                    'on plain paper. Says so where a picture does not look like one of the digits the model knows.')
    ask.add_argument('files', nargs='+', metavar='FILE', help='an image file')
    ask.add_argument('--model', type=place, metavar='M', help=f'a model that the ladder saved (default: {LADDER/MODEL}; '
                     'without that, a small one is trained in seconds on the digits that ship with the package)')
    ask.set_defaults(run=predict)
    data = sub.add_parser('data', help='show which images are installed, or install more',
        description='Without options: show which data sets are installed.')
    which = data.add_mutually_exclusive_group()
    which.add_argument('--download', action='store_true', help='download the full MNIST_SAMPLE with fastai')
    which.add_argument('--archive', type=place, metavar='FILE', help='install mnist_sample, mnist_png, cifar2 or cifar10 from a local archive')
    data.set_defaults(run=show_data)
    lab = sub.add_parser('lab', help='copy the lessons to a folder of your own and open them in JupyterLab',
        description='Copy the lessons to a folder of your own and open JupyterLab there. A file that you changed stays as it '
                    'is; if the lesson has changed in the package too, you are asked.')
    lab.add_argument('folder', nargs='?', metavar='FOLDER',
                     help='where the lessons go (default: ch4_lessons, or the current folder if they are there)')
    lab.add_argument('--no-open', dest='open', action='store_false', help='only copy, for another editor than JupyterLab')
    lab.set_defaults(run=open_lessons)
    app = sub.add_parser('app', help='open a page on which one draws a digit and a model reads it',
        description='Serve a page on which one draws or uploads a digit and sees what a model reads.')
    app.add_argument('--model', type=place, metavar='FILE', help='a file that save_digit_model wrote (default: train one in seconds from the shipped digits)')
    app.add_argument('--port', type=port, default=7860, help='0 to 65535; 0 finds a free one (default: 7860)')
    app.add_argument('--host', default='127.0.0.1', help='address to listen on; any other than the default opens the page to the network')
    app.set_defaults(run=open_app)
    doctor = sub.add_parser('doctor', help='check whether this machine has what the lessons need',
        description='Look at Python, packages that must fit together, images, free disk, device and write access, and say in '
                    'one line each what is wrong and what to type. The status is 1 if anything is.')
    doctor.set_defaults(run=see_doctor)
    return p

def complain(e):
    "Tell the error `e` on one line; one that no command foresees by its name, too"
    text = printable(' '.join((f'{e.filename}: {e.strerror}' if isinstance(e, OSError) and e.filename and e.strerror else str(e)).split()))
    if isinstance(e, UnicodeEncodeError):  # PyTorch cannot be loaded from a folder that Python's own encoding does not have
        text = 'The name of a folder on the way has letters that Python cannot write here. Try again with PYTHONUTF8=1.'
    foreseen = isinstance(e, (OSError,TypeError,ValueError)) and text
    hint = '' if foreseen else f'{type(e).__name__}: {text or "no reason given"}. ch4 --debug … shows where; ch4 doctor looks for the cause.'
    print(f'ch4: {hint or text}', file=sys.stderr)

def check_home():
    "`OSError` if nobody knows a home folder of this user, where fastai, torch and matplotlib keep their files"
    try: Path.home()
    except RuntimeError: raise OSError('This user has no home folder. Name one that you can write to: export HOME=FOLDER') from None

def main(argv=None):
    "Run the command in `argv` (default: the program's arguments); returns the exit status"
    if argv is None:  # as a program of its own: a request to end must not leave anything half-written
        for name in ('SIGTERM','SIGHUP'):
            number = getattr(signal, name, None)
            if number and signal.getsignal(number)==signal.SIG_DFL:  # `nohup` has it ignored, and that stays
                signal.signal(number, lambda number, _: sys.exit(128+number))
    for name in ('stdout','stderr'):
        if getattr(sys, name) is None: setattr(sys, name, open(os.devnull, 'w'))  # closed by whoever started this
    for stream in (sys.stdout,sys.stderr):
        if hasattr(stream, 'reconfigure'): stream.reconfigure(errors='replace')  # terminals that are not UTF-8
    args = parser().parse_args(argv)
    try:
        check_home()
        status = args.run(args)
        sys.stdout.flush()
        return status or 0
    except BrokenPipeError:  # whoever reads has seen enough, as in `ch4 data | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain again when it ends
        return 141
    except KeyboardInterrupt:
        print('\nch4: interrupted; what was finished is kept', file=sys.stderr)
        return 130
    except Exception as e:
        if args.debug: raise
        complain(e)
        return 1

if __name__=='__main__': sys.exit(main())
