"""`ch4 lab`: the lessons in a folder of the reader's own, and JupyterLab on them."""
import json,os,sys
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from fastbook_ch4 import store

# In the reader's folder: the digest of each lesson in the version that they last got, or declined
RECORD = '.ch4_lessons.json'


def add(sub):
    "Add this command to the subparsers `sub`"
    p = sub.add_parser('lab', help='copy the lessons to a folder of yours and open them in JupyterLab',
        description='Copy the lessons to a folder of your own and open JupyterLab there. A file that '
                    'you changed stays as it is; if the lesson has changed in the package too, you '
                    'are asked.')
    p.add_argument('folder', nargs='?', metavar='FOLDER',
        help='where the lessons go (default: ch4_lessons, or the current folder if they are there)')
    p.add_argument('--no-open', dest='open', action='store_false',
        help='only copy, for another editor than JupyterLab')
    p.set_defaults(run=run)

# Copying

def _lesson_folder():
    "Where the shipped notebooks are: inside the package if it came in a wheel, else in `nbs/` beside it"
    here = Path(__file__).resolve().parents[1]
    for folder in (here/'lessons', here.parent/'nbs'):
        if (folder/'index.ipynb').is_file(): return folder
    raise FileNotFoundError(f'The lessons that belong to {here} are missing. Install fastbook_ch4 again.')

def _notebooks(folder):
    "The notebooks in `folder` and its folders by their names, such as `plumbing/steps.ipynb`"
    files = {f.relative_to(folder).as_posix(): f for f in sorted(folder.rglob('*.ipynb'))}
    # An editor keeps its copies in folders with a dot
    return {name: f for name,f in files.items() if '/.' not in f'/{name}'}

@contextmanager
def _using(path):
    "Let an error with `path` say what to do"
    try: yield
    except OSError as e:
        raise OSError(f'Cannot use {path} ({e.strerror}). '
                      'Mend that, or name another folder: ch4 lab FOLDER') from None

def _write(file, data):
    "Write the bytes `data` to `file`, whose folder is made if need be, all of them or none"
    with _using(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        store.write_whole(file, data)

def _digest(file):
    "sha256 of the cells of the notebook `file`; `None` if there is no such file"
    with _using(file):
        if not file.exists(): return None
        if not file.is_file(): raise OSError(0, 'it is not a file')  # a pipe would keep us waiting
        data = file.read_bytes()
    # Of the cells only: an editor adds metadata even if one only looks
    try: data = json.dumps(json.loads(data)['cells'], sort_keys=True).encode()
    except (KeyError, RecursionError, TypeError, ValueError): pass  # not a notebook: its bytes
    return sha256(data).hexdigest()

def _read_record(folder):
    "The record in `folder`; a damaged one is as good as none"
    try:
        if not (folder/RECORD).is_file(): return {}
        record = json.loads((folder/RECORD).read_text(encoding='utf8'))
    except (OSError, RecursionError, ValueError): return {}
    return record if isinstance(record, dict) else {}

def _note_lessons(folder, names):
    "Note in `folder` that the reader got, or declined, the lessons `names` as they are now shipped"
    old,source = _read_record(folder),_lesson_folder()
    new = {**old, **{name: _digest(source/name) for name in names}}
    if new!=old: _write(folder/RECORD, json.dumps(new, indent=1).encode())

def _state(mine, shipped, noted):
    "What a lesson is, by the digests of the reader's file, of the shipped one and of the one in the record"
    if mine is None:   return 'new'
    if mine==shipped:  return 'same'
    if mine==noted:    return 'updated'  # the reader has not touched it
    return 'yours' if shipped==noted else 'differ'

def _copy_lessons(folder):
    "Copy to `folder` every lesson but those that the reader changed; returns the names by `_state`, if any"
    source,record = _lesson_folder(),_read_record(folder)
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise NotADirectoryError(f'{folder} is not a folder. Name one, new or old: ch4 lab FOLDER')
    with _using(folder): folder.mkdir(parents=True, exist_ok=True)
    names = {state: [] for state in ('new','same','updated','yours','differ')}
    if folder.samefile(source): return names
    for name,file in _notebooks(source).items():
        state = _state(_digest(folder/name), _digest(file), record.get(name))
        if state in ('new','updated'): _write(folder/name, file.read_bytes())
        names[state].append(name)
    _note_lessons(folder, names['new']+names['same']+names['updated'])
    return names

def _free_name(file):
    "A name beside `file` that says whose version it is and is not taken"
    n,free = 1,file.with_stem(f'{file.stem}_mine')
    while free.exists(): n,free = n+1,file.with_stem(f'{file.stem}_mine_{n+1}')
    return free

def _replace_lessons(folder, names):
    "Put the shipped lessons `names` into `folder`; returns the names of the reader's versions beside them"
    source,kept = _lesson_folder(),[_free_name(folder/name) for name in names]
    for name,mine in zip(names, kept):
        with _using(folder/name): data = (folder/name).read_bytes()
        _write(mine, data)
        _write(folder/name, (source/name).read_bytes())
    _note_lessons(folder, names)
    return [mine.relative_to(folder).as_posix() for mine in kept]

# Opening

def _open_jupyterlab(folder):
    "Open JupyterLab on the index in `folder` and wait for its end; returns its exit status"
    import subprocess
    from importlib.util import find_spec
    folder = folder.resolve()
    if find_spec('jupyterlab') is None:
        raise OSError('JupyterLab is not installed. Get it with "pip install jupyterlab" and run '
                      'this command again, or open the lessons in another editor. They are in '
                      f'{folder}')
    # -P: a file of the reader's that is named like a module must not get in the way
    # root_dir: the reader's own Jupyter settings may name a folder without the index
    jupyter = [sys.executable, '-P', '-m', 'jupyterlab', f'--ServerApp.root_dir={folder}']
    p = subprocess.Popen([*jupyter, str(folder/'index.ipynb')])
    while True:
        try: status = p.wait()
        # JupyterLab gets Ctrl-C too, asks whether to stop, and may go on
        except KeyboardInterrupt: continue
        return status if status>=0 else 128-status  # ended by a signal: as a shell reports it

# The command

def _choose_versions(folder, names):
    "Ask whether the lessons `names` may replace the reader's files in `folder`, and do what the answer says"
    print('Your files differ from the lessons in the package:', *names, sep='\n  ')
    if all(stream and stream.isatty() for stream in (sys.stdin,sys.stdout)):
        mine = f'{Path(names[0]).stem}_mine.ipynb'
        try: answer = input(f'Replace them? Yours stay beside them, as {mine} and so on. [y/N] ')
        except EOFError: answer = ''
        if answer.strip().lower() in ('y','yes'):
            kept = _replace_lessons(folder, names)
            for name,mine in zip(names, kept): print(f'  {name} replaced; yours is {mine}')
            return
        _note_lessons(folder, names)
    print('They stay as they are. To get one from the package, rename yours and run this command '
          'again.')

def run(args):
    "Copy the lessons to a folder of the reader's own and open them"
    folder = Path(args.folder or ('.' if Path(RECORD).exists() else 'ch4_lessons')).expanduser()
    names = _copy_lessons(folder)
    print(f'Lessons in {folder.resolve()}')
    if not any(names.values()): print('  where they come from, so nothing was copied')
    if names['new']: print(f'  {len(names["new"])} copied')
    if names['updated']:
        print(f'  {len(names["updated"])} updated from the package: {", ".join(names["updated"])}')
    if names['yours']: print(f'  {len(names["yours"])} changed by you, left as they are')
    if names['differ']: _choose_versions(folder, names['differ'])
    print(end='', flush=True)  # before JupyterLab says anything
    if args.open: return _open_jupyterlab(folder)
