"""fastai's folders, files that are written whole or not at all, and one process at a time."""
import configparser,errno,os,uuid
from contextlib import contextmanager,suppress
from pathlib import Path

# Trouble of the machine, not of a file
DISK = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def fastai_folder(
    key # `data` or `archive`
): # Under `FASTAI_HOME` (default `~/.fastai`), or where its `config.ini` puts it
    "The folder that fastai calls `key`"
    home = Path(os.environ.get('FASTAI_HOME') or '~/.fastai').expanduser().absolute()
    cfg = configparser.ConfigParser()
    try: cfg.read(home/'config.ini', encoding='utf8')
    except (configparser.Error, UnicodeDecodeError) as e:
        raise ValueError(f'{home/"config.ini"} is damaged ({e}). Mend or remove it.') from None
    return home/cfg.defaults().get(key, key)

def data_home():
    "The folder where fastai keeps its data sets"
    return fastai_folder('data')

def write_whole(
    file, # Path; its folder exists
    data  # bytes
):
    "Write `data` to `file`: all of it, in place of an older file, or nothing"
    file = Path(file)
    # No longer than a name may be, whatever the length of that of `file`
    tmp = file.with_name(f'.{uuid.uuid4().hex}.tmp')
    try:
        tmp.write_bytes(data)
        os.replace(tmp, file)
    except OSError as e:  # nobody knows the name of `tmp`
        raise OSError(e.errno or 0, e.strerror or str(e), str(file)) from e
    finally: tmp.unlink(missing_ok=True)

def cache_file(
    file,       # Path; its folder is made if need be
    data,       # bytes
    forerunners # Pattern of the names that older files for the same thing have
):
    "Write `data` to `file` in place of its `forerunners`, or nothing if that cannot be written"
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, data)
        for old in file.parent.glob(forerunners):
            if old!=file: old.unlink(missing_ok=True)

@contextmanager
def lock(
    name # What is installed, in words of a file name
): # The data folder, which is made if need be
    "One process at a time installs `name`; the data folder must be writable"
    from filelock import FileLock,Timeout
    home = data_home()
    try:
        home.mkdir(parents=True, exist_ok=True)
        file = FileLock(home/f'.{name}.lock')
        try: file.acquire(timeout=2)
        except Timeout:
            print(f'Another process is installing {name}. Waiting for it …', flush=True)
            file.acquire()
        try: yield home
        finally: file.release()
    except OSError as e:
        place = str(e.filename or home)
        inside = e.errno in DISK and place.startswith(str(home))
        if not inside and not (e.errno and home.is_relative_to(place)): raise
        where = f': {place}' if place!=str(home) else ''
        raise OSError(f'Cannot write to the data folder {home} ({e.strerror}{where}). '
                      'Set FASTAI_HOME to a folder you can write to, or make room there.') from e
