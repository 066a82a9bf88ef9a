"""`ch4 predict`: which label real pictures show, such as which digit."""
import sys,warnings

from fastbook_ch4.cli.ladder import LADDER,MODEL
from fastbook_ch4.cli.say import place,printable


def add(sub):
    "Add this command to the subparsers `sub`"
    p = sub.add_parser('predict', help='say which digit real pictures show',
        description='Say which digit each picture shows: of any size, grey or colour, dark on light '
                    'or light on dark, one digit on plain paper. Says so where a picture does not '
                    'look like one of the digits the model knows.')
    p.add_argument('files', nargs='+', metavar='FILE', help='an image file')
    add_model(p)
    p.set_defaults(run=run)

def add_model(p):
    "Add the option `--model`, of the one rule for `ch4 predict` and `ch4 app`, to the parser `p`"
    p.add_argument('--model', type=place, metavar='M',
        help=f'a model that the ladder saved (default: {LADDER/MODEL}; without that, a small one is '
             'trained within a minute on the ten digits that ship with the package)')

def model_file(file):
    "The file that `--model` means: `file`, else what the ladder left, else `None`"
    return file or (LADDER/MODEL if (LADDER/MODEL).exists() else None)

def _train_now():
    "The quick model; a terminal shows how far it is"
    from fastbook_ch4.application import quick_model
    if not sys.stderr.isatty(): return quick_model()
    def show(text): print(f'\r{text}', end='', file=sys.stderr, flush=True)
    model = quick_model(report=lambda share: show(f'Training a model: {share:4.0%}'))
    show(' '*22+'\r')
    return model

def choose_model(file):
    "The model that `--model` means, and a sentence on what it is"
    from fastbook_ch4.application import load_digit_model
    from fastbook_ch4.plumbing.images import in_words
    file = model_file(file)
    if file: model,where = load_digit_model(file),f'from {file}'
    else:
        model = _train_now()
        where = f'trained just now on the shipped digits, as there is no {LADDER/MODEL} '
        where += '(ch4 ladder)'
    right = f', {model.accuracy:.1%} right in validation' if model.accuracy is not None else ''
    return model, f'Model: {model.architecture} for {in_words(model.labels, "or")}{right}, {where}'

def run(args):
    "Say for each file what it shows; status 1 if one could not be read"
    from fastbook_ch4.application import predict_digit
    model,about = choose_model(args.model)
    print(printable(about), flush=True)
    # of headers that are odd, or pictures that are large
    warnings.filterwarnings('ignore', module='PIL')
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
