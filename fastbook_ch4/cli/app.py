"""`ch4 app`: a page on which one draws a digit and a model reads it."""
import argparse

from fastbook_ch4.cli.predict import add_model,choose_model,model_file
from fastbook_ch4.cli.say import printable


def _port(text):
    "The number in `text`, if it is a port"
    if not text.isdecimal() or int(text)>=2**16:
        raise argparse.ArgumentTypeError(f'{text!r} is not between 0 and 65535')
    return int(text)

def add(sub):
    "Add this command to the subparsers `sub`"
    p = sub.add_parser('app', help='open a page on which one draws a digit and a model reads it',
        description='Serve a page on which one draws or uploads a digit and sees what a model reads.')
    add_model(p)
    p.add_argument('--port', type=_port, default=7860,
        help='0 to 65535; 0 finds a free one (default: 7860)')
    p.add_argument('--host', default='127.0.0.1',
        help='address to listen on; any other than the default opens the page to the network')
    p.set_defaults(run=run)

def run(args):
    "Serve the page on which one draws a digit"
    from fastbook_ch4.app import serve
    def make_model():
        print('Loading fastai …', flush=True)
        model,about = choose_model(args.model)
        print(printable(about), flush=True)
        return model
    if args.model: origin = 'was chosen when this page was started'
    elif model_file(None): origin = 'did best in the last training on this machine'
    else: origin = 'was trained a moment ago, on digits that come with the program'
    serve(make_model, origin, args.host, args.port)
