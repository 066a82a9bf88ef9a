"""The lessons in a folder of the reader's own, and JupyterLab on them.

Written by hand; only the standard library is imported, so that `ch4 lab` answers at once."""
import importlib.util,json,os,subprocess,sys
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from fastbook_ch4 import store

__all__ = ['RECORD', 'lesson_folder', 'note_lessons', 'copy_lessons', 'replace_lessons', 'open_jupyterlab']

RECORD = '.ch4_lessons.json'  # in the reader's folder: the digest of each lesson in the version that they last got, or declined


def lesson_folder():
    "Where the shipped notebooks are: inside the package if it came in a wheel, else in `nbs/` beside it"
    here = Path(__file__).resolve().parent
    for folder in (here/'lessons', here.parent/'nbs'):
        if (folder/'index.ipynb').is_file(): return folder
    raise FileNotFoundError(f'The lessons that belong to {here} are missing. Install fastbook_ch4 again.')

@contextmanager
def _using(path):
    "Let an error with `path` say what to do"
    try: yield
    except OSError as e:
        raise OSError(f'Cannot use {path} ({e.strerror}). Mend that, or name another folder: ch4 lab FOLDER') from None

def _write(file, data):
    "Write the bytes `data` to `file`, all of them or none"
    with _using(file): store.write_whole(file, data)

def _digest(file):
    "sha256 of the cells of the notebook `file`; `None` if there is no such file"
    with _using(file):
        if not file.exists(): return None
        if not file.is_file(): raise OSError(0, 'it is not a file')  # a pipe would keep us waiting
        data = file.read_bytes()
    try: data = json.dumps(json.loads(data)['cells'], sort_keys=True).encode()  # an editor adds metadata even if one only looks
    except (KeyError, RecursionError, TypeError, ValueError): pass  # not a notebook: its bytes
    return sha256(data).hexdigest()

def _read_record(folder):
    "The record in `folder`; a damaged one is as good as none"
    try: record = json.loads((folder/RECORD).read_text(encoding='utf8')) if (folder/RECORD).is_file() else {}
    except (OSError, RecursionError, ValueError): return {}
    return record if isinstance(record, dict) else {}

def note_lessons(folder, names):
    "Note in `folder` that the reader got, or declined, the lessons `names` as they are now shipped"
    old,source = _read_record(folder),lesson_folder()
    new = {**old, **{name: _digest(source/name) for name in names}}
    if new!=old: _write(folder/RECORD, json.dumps(new, indent=1).encode())

def _state(mine, shipped, noted):
    "What a lesson is, by the digests of the reader's file, of the shipped one and of the one in the record"
    if mine is None:   return 'new'
    if mine==shipped:  return 'same'
    if mine==noted:    return 'updated'  # the reader has not touched it
    return 'yours' if shipped==noted else 'differ'

def copy_lessons(folder):
    "Copy to `folder` every lesson but those that the reader changed; returns the names by `_state`, none if it is their own folder"
    source,record = lesson_folder(),_read_record(folder)
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise NotADirectoryError(f'{folder} is not a folder. Name one, new or old: ch4 lab FOLDER')
    with _using(folder): folder.mkdir(parents=True, exist_ok=True)
    names = {state: [] for state in ('new','same','updated','yours','differ')}
    for file in [] if folder.samefile(source) else sorted(source.glob('*.ipynb')):
        mine = folder/file.name
        state = _state(_digest(mine), _digest(file), record.get(file.name))
        if state in ('new','updated'): _write(mine, file.read_bytes())
        names[state].append(file.name)
    note_lessons(folder, names['new']+names['same']+names['updated'])
    return names

def _free_name(file):
    "A name beside `file` that says whose version it is and is not taken"
    n,free = 1,file.with_stem(f'{file.stem}_mine')
    while free.exists(): n,free = n+1,file.with_stem(f'{file.stem}_mine_{n+1}')
    return free

def replace_lessons(folder, names):
    "Put the shipped lessons `names` into `folder`; returns the names under which the reader's versions stand beside them"
    source,kept = lesson_folder(),[_free_name(folder/name) for name in names]
    for name,mine in zip(names, kept):
        with _using(folder/name): data = (folder/name).read_bytes()
        _write(mine, data)
        _write(folder/name, (source/name).read_bytes())
    note_lessons(folder, names)
    return [mine.name for mine in kept]

def open_jupyterlab(folder):
    "Open JupyterLab on the index in `folder` and wait for its end; returns its exit status"
    folder = folder.resolve()
    if importlib.util.find_spec('jupyterlab') is None:
        raise OSError('JupyterLab is not installed. Get it with "pip install jupyterlab" and run this command again, '
                      f'or open the lessons in another editor. They are in {folder}')
    # -P: a file of the reader's that is named like a module must not get in the way
    # root_dir: the reader's own Jupyter settings may name a folder without the index
    p = subprocess.Popen([sys.executable, '-P', '-m', 'jupyterlab', f'--ServerApp.root_dir={folder}', str(folder/'index.ipynb')])
    while True:
        try: status = p.wait()
        except KeyboardInterrupt: continue  # JupyterLab gets Ctrl-C too, asks whether to stop, and may go on
        return status if status>=0 else 128-status  # ended by a signal: as a shell reports it
