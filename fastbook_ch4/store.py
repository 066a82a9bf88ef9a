"""Which data sets are installed, and how they get there.

Written by hand; heavy imports wait inside the functions that need them, so that `ch4 data` answers at once."""
import configparser,hashlib,lzma,os,shutil,sys,tarfile,uuid,zlib
from contextlib import contextmanager,suppress
from dataclasses import dataclass,field
from pathlib import Path,PurePosixPath

__all__ = ['DataSet', 'DATASETS', 'SHIPPED', 'data_home', 'keep', 'folder', 'is_installed', 'offline', 'install', 'install_archive',
           'install_shipped', 'download']

SHIPPED = Path(__file__).parent/'shipped'/'mnist_5k.tgz'
MAX_FILE,MAX_TOTAL = 2**20,2**28  # bytes; the largest real image here has under 4 kB, the largest set about 150 MB
IMAGE_SUFFIXES = ('.png', '.jpg')
# What reading a bad archive raises; the last three if one name stands for a file and a folder
BROKEN = tarfile.TarError,EOFError,zlib.error,lzma.LZMAError,FileExistsError,IsADirectoryError,NotADirectoryError


@dataclass(frozen=True)
class DataSet:
    "What a data set must consist of to count as installed"
    name: str                      # folder under `data_home()`
    about: str                     # one line for people
    counts: dict = field(repr=False)  # images expected in each `split/label` folder
    top: str = ''                  # top folder inside the archive, if it is not `name`
    pixels: str = ''               # sha256 over all decoded images in sorted order, if the content must be exactly this
    subset: bool = False           # take only the labels in `counts` and leave the archive's others

    @property
    def n_images(self): return sum(self.counts.values())


def _counts(**splits): return {f'{split}/{label}': n for split,ns in splits.items() for label,n in ns.items()}

_ten = [str(i) for i in range(10)]
_cifar = 'airplane','automobile','bird','cat','deer','dog','frog','horse','ship','truck'
DATASETS = {d.name: d for d in (
    DataSet('mnist_sample', 'every 3 and 7 of MNIST (fastai calls it MNIST_SAMPLE)',
        _counts(train={'3': 6131, '7': 6265}, valid={'3': 1010, '7': 1028}),
        pixels='16799a5e2d68b50ad006c16cf17c15a1f62bc134a9b28544a04801e1635554e3'),
    DataSet('mnist_png', 'all ten digits of MNIST', _counts(
        training=dict(zip(_ten, (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949))),
        testing=dict(zip(_ten, (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009))))),
    DataSet('cifar2', 'airplanes and birds of CIFAR-10',
        _counts(train={'airplane': 5000, 'bird': 5000}, test={'airplane': 1000, 'bird': 1000})),
    DataSet('cifar10', 'all ten classes of CIFAR-10 (fastai calls it CIFAR)',
        _counts(train=dict.fromkeys(_cifar, 5000), test=dict.fromkeys(_cifar, 1000))),
    DataSet('fastbook_ch4_sample', 'the 3s and 7s that ship with this package',
        _counts(train={'3': 400, '7': 400}, valid={'3': 100, '7': 100}), top='mnist_5k', subset=True),
    DataSet('fastbook_ch4_digits', 'all ten digits, as far as they ship with this package',
        _counts(train=dict.fromkeys(_ten, 400), valid=dict.fromkeys(_ten, 100)), top='mnist_5k', subset=True),
)}


def offline():
    "Whether `FASTBOOK_CH4_OFFLINE` asks not to touch the network"
    return os.environ.get('FASTBOOK_CH4_OFFLINE', '') not in ('', '0')

def _fastai_folder(key):
    "The folder that fastai calls `key`: under `FASTAI_HOME` (default `~/.fastai`), or where its `config.ini` puts it"
    home = Path(os.environ.get('FASTAI_HOME') or '~/.fastai').expanduser().absolute()
    cfg = configparser.ConfigParser()
    try: cfg.read(home/'config.ini', encoding='utf8')
    except configparser.Error as e: raise ValueError(f'{home/"config.ini"} is damaged ({e}). Mend or remove it.') from None
    return home/cfg.defaults().get(key, key)

def data_home():
    "The folder where fastai keeps its data sets"
    return _fastai_folder('data')

def keep(file, data, forerunners):
    "Write the bytes `data` to `file` in place of its `forerunners` (a pattern), or nothing if that cannot be written"
    tmp = file.with_name(f'.{uuid.uuid4().hex}.tmp')
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            tmp.write_bytes(data)
            for old in file.parent.glob(forerunners): old.unlink(missing_ok=True)
            os.replace(tmp, file)
        finally: tmp.unlink(missing_ok=True)

def folder(name):
    "Where data set `name` is, or will be, installed"
    return data_home()/DATASETS[name].name

def _found(ds, root):
    "Number of images in each `split/label` folder of `root`"
    def n(path):
        try: return sum(e.name.lower().endswith(IMAGE_SUFFIXES) and e.name[0]!='.' for e in os.scandir(path))
        except OSError: return 0
    return {part: n(root/part) for part in ds.counts}

def is_installed(name):
    "Whether data set `name` is there with all its images"
    return _found(DATASETS[name], folder(name))==DATASETS[name].counts

@contextmanager
def _lock(ds):
    "One process at a time installs `ds`; the data folder is made if need be"
    from filelock import FileLock
    home = data_home()
    try: home.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise OSError(f'Cannot make the data folder {home} ({e.strerror}). '
                      'Set FASTAI_HOME to a folder you can write to.') from e
    with FileLock(home/f'.{ds.name}.lock'): yield home

def _members(tar, ds, archive):
    "The files of `tar` that belong to `ds`, each checked before a byte is written"
    total,labels = 0,{part.split('/')[1] for part in ds.counts}
    for m in tar:
        path = PurePosixPath(m.name)
        if not path.parts or path.is_absolute() or '..' in path.parts or '\\' in m.name or not (m.isreg() or m.isdir()):
            raise ValueError(f'{archive} is refused: it holds {m.name!r}, '
                             'which is not a plain file inside its own folder.')
        total += m.size
        if m.size>MAX_FILE or total>MAX_TOTAL:
            raise ValueError(f'{archive} is refused: {m.name!r} makes it larger than any copy of {ds.name} can be.')
        if m.isdir() or any(p[0]=='.' for p in path.parts): continue
        if path.parts[0]!=(ds.top or ds.name):
            raise ValueError(f'{archive} is refused: it holds {m.name!r} outside the folder {ds.top or ds.name!r}.')
        if ds.subset and (len(path.parts)<4 or path.parts[2] not in labels): continue
        yield m,Path(*path.parts[1:])

def _unpack(ds, archive, dest):
    "Write the files of `archive` that belong to `ds` into the empty folder `dest`"
    try:
        with tarfile.open(archive) as tar:
            for m,path in _members(tar, ds, archive):
                (dest/path).parent.mkdir(parents=True, exist_ok=True)
                (dest/path).write_bytes(tar.extractfile(m).read())
    except (*BROKEN, OSError) as e:
        if isinstance(e, OSError) and e.errno and not isinstance(e, BROKEN): raise  # a full disk, say; bz2 gives no errno
        raise ValueError(f'{archive} cannot be read as a tar archive ({e}). Is it complete? Get it again.') from None

def _pixel_digest(files, root):
    "sha256 over names, sizes and grey values of the image `files`; an error names the file that does not decode"
    from PIL import Image
    from fastprogress.fastprogress import progress_bar
    digest = hashlib.sha256()
    slow = len(files)>5000 and sys.stdout.isatty()
    for f in progress_bar(files, leave=False) if slow else files:
        try:
            with Image.open(f) as img:
                digest.update(f'{f.relative_to(root).as_posix()} {img.size}'.encode())
                digest.update(img.convert('L').tobytes())
        except Exception as e:
            raise ValueError(f'{f.relative_to(root)} in the archive is not a readable image ({e}).') from None
    return digest.hexdigest()

def _verify(ds, root, archive):
    "Refuse the unpacked folder `root` unless it is exactly what `ds` must be"
    found = {p.relative_to(root).as_posix() for p in root.glob('*/*') if p.is_dir()}
    if found!=set(ds.counts):
        raise ValueError(f'{archive} is not a complete {ds.name}: expected the folders {", ".join(ds.counts)}, '
                         f'found {", ".join(sorted(found)) or "none"}.')
    for part,n in _found(ds, root).items():
        if n!=ds.counts[part]:
            raise ValueError(f'{archive} is not a complete {ds.name}: {part} has {n:,} images, '
                             f'not {ds.counts[part]:,}.')
    digest = _pixel_digest(sorted(f for f in root.glob('*/*/*')), root)
    if ds.pixels and digest!=ds.pixels:
        raise ValueError(f'{archive} has the file names of {ds.name} but other images.')

def _swap_in(tmp, dest):
    "Move the finished folder `tmp` to `dest`; an incomplete folder found there is set aside, not deleted"
    if dest.exists():
        aside = dest.with_name(f'{dest.name}.incomplete-{uuid.uuid4().hex[:6]}')
        dest.rename(aside)
        print(f'{dest} was incomplete; it is now {aside.name}.')
    tmp.rename(dest)

def install(name, archive):
    "Install data set `name` from the local `archive`, all of it or nothing; returns its folder"
    ds = DATASETS[name]
    if is_installed(name): return folder(name)
    with _lock(ds) as home:
        if is_installed(name): return folder(name)  # by the process that held the lock
        for left in home.glob(f'.{name}-*.tmp'): shutil.rmtree(left, ignore_errors=True)
        tmp = home/f'.{name}-{uuid.uuid4().hex[:8]}.tmp'
        try:
            tmp.mkdir()
            _unpack(ds, archive, tmp)
            _verify(ds, tmp, archive)
            _swap_in(tmp, folder(name))
        finally: shutil.rmtree(tmp, ignore_errors=True)
    return folder(name)

def install_archive(archive):
    "Install whichever known data set the local file `archive` holds; returns its name"
    archive = Path(archive).expanduser()
    if not archive.is_file(): raise FileNotFoundError(f'There is no file {archive}.')
    try:
        with tarfile.open(archive) as tar: name = next((m.name for m in tar if m.name.strip('./')), '')
    except (*BROKEN, OSError) as e:
        raise ValueError(f'{archive} is not a readable tar archive ({e}).') from None
    top,known = PurePosixPath(name).parts[:1],[name for name,ds in DATASETS.items() if not ds.subset]
    if not top or top[0] not in known:
        raise ValueError(f'{archive} holds the folder {"".join(top)!r}; expected one of {", ".join(known)}.')
    install(top[0], archive)
    return top[0]

def install_shipped(name='fastbook_ch4_sample'):
    "Unpack the shipped data set `name`, once: the 3s and 7s, or all ten digits (`fastbook_ch4_digits`); returns its folder"
    return install(name, SHIPPED)

def download(timeout=4, name='mnist_sample', key='MNIST_SAMPLE'):
    "Download data set `name`, fastai's `URLs.<key>`, check it and install it; a connection silent for `timeout` seconds raises `OSError`"
    if offline(): raise OSError('FASTBOOK_CH4_OFFLINE is set')
    from fastbook_ch4.data import URLs  # imports fastai without its import-time warnings
    import fastai.data
    from fastdownload.core import check,checks_module,download_url
    from http.client import HTTPException
    from urllib.request import urlopen
    url,archive = getattr(URLs, key),_fastai_folder('archive')/f'{name}.tgz'
    archive.parent.mkdir(parents=True, exist_ok=True)
    right = lambda: check(checks_module(fastai.data), url, archive)
    try:
        if not (archive.exists() and right()):
            urlopen(url, timeout=timeout).close()  # fails here without a network, before a progress bar appears
            download_url(url, archive, timeout=timeout)
            if not right():
                archive.unlink()
                raise OSError('the downloaded file has the wrong size or checksum and was removed')
        return install(name, archive)
    except (HTTPException, ValueError, NameError) as e:  # fastcore 2.2 answers a transfer that breaks off with a NameError
        raise OSError(f'the download failed ({e})') from e
    finally: archive.with_name(archive.name+'.part').unlink(missing_ok=True)
