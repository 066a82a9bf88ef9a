"""Which data sets are installed, and how they get there.

Written by hand; heavy imports wait inside the functions that need them, so that `ch4 data` answers at once."""
import configparser,errno,hashlib,lzma,os,shutil,sys,tarfile,time,uuid,zipfile,zlib
from contextlib import contextmanager,suppress
from dataclasses import dataclass,field
from pathlib import Path,PurePosixPath

__all__ = ['DataSet', 'DATASETS', 'SHIPPED', 'data_home', 'write_whole', 'keep', 'folder', 'is_installed', 'offline', 'install',
           'install_archive', 'install_shipped', 'download']

SHIPPED = Path(__file__).parent/'shipped'/'mnist_5k.tgz'
MAX_FILE,MAX_TOTAL = 2**20,2**28  # bytes; the largest real image here has under 4 kB, the largest set about 150 MB
# How the names of pictures end: all that Pillow and Python's `mimetypes`, and so fastai, take for images, and
# what cameras write. One that Pillow does not open is refused by name, where it would otherwise be left out
IMAGE_SUFFIXES = frozenset("""
    .apng .arw .avif .avifs .bmp .bw .cr2 .cr3 .dib .dng .gif .heic .heif .hif .icb .icns .ico .ief .j2c .j2k
    .jfif .jp2 .jpc .jpe .jpeg .jpf .jpg .jpx .jxl .mpo .nef .orf .palm .pbm .pct .pcx .pfm .pgm .pic .pict
    .png .pnm .ppm .psd .qoi .raf .ras .rgb .rgba .rw2 .sgi .svg .tga .tif .tiff .vda .vst .webp .xbm .xpm
    .xwd""".split())
NO = '','0','n','no','f','false','off'  # as values of a variable of the environment; any other counts as yes
TRIES,PAUSE = 3,1                  # how often a download is begun that breaks off, and the seconds between
PATIENCE,MIN_RATE = 20,10_000      # after so many seconds a download must have brought so many bytes a second
DISK = errno.EACCES,errno.EPERM,errno.EROFS,errno.ENOSPC,errno.EDQUOT,errno.EFBIG,errno.EIO  # trouble of the machine, not of a file
# What reading a bad archive raises, names and sizes that cannot be included
BROKEN = tarfile.TarError,EOFError,zlib.error,lzma.LZMAError,MemoryError,OSError,ValueError


@dataclass(frozen=True)
class DataSet:
    "What a data set must consist of to count as installed"
    name: str                      # folder under `data_home()`
    about: str                     # one line for people
    counts: dict = field(repr=False)  # images expected in each `split/label` folder
    top: str = ''                  # top folder inside the archive, if it is not `name`
    pixels: str = ''               # sha256 over all decoded images in sorted order, if the content must be exactly this
    subset: bool = False           # take only the labels in `counts` and leave the archive's others
    size: tuple = ()               # width and height of every image, if they must have one

    @property
    def n_images(self): return sum(self.counts.values())


def _counts(**splits): return {f'{split}/{label}': n for split,ns in splits.items() for label,n in ns.items()}

_ten = [str(i) for i in range(10)]
_cifar = 'airplane','automobile','bird','cat','deer','dog','frog','horse','ship','truck'
DATASETS = {d.name: d for d in (
    DataSet('mnist_sample', 'every 3 and 7 of MNIST (fastai calls it MNIST_SAMPLE)',
        _counts(train={'3': 6131, '7': 6265}, valid={'3': 1010, '7': 1028}),
        pixels='16799a5e2d68b50ad006c16cf17c15a1f62bc134a9b28544a04801e1635554e3', size=(28,28)),
    DataSet('mnist_png', 'all ten digits of MNIST', _counts(
        training=dict(zip(_ten, (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949))),
        testing=dict(zip(_ten, (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)))), size=(28,28)),
    DataSet('cifar2', 'airplanes and birds of CIFAR-10',
        _counts(train={'airplane': 5000, 'bird': 5000}, test={'airplane': 1000, 'bird': 1000}), size=(32,32)),
    DataSet('cifar10', 'all ten classes of CIFAR-10 (fastai calls it CIFAR)',
        _counts(train=dict.fromkeys(_cifar, 5000), test=dict.fromkeys(_cifar, 1000)), size=(32,32)),
    DataSet('fastbook_ch4_sample', 'the 3s and 7s that ship with this package',
        _counts(train={'3': 400, '7': 400}, valid={'3': 100, '7': 100}), top='mnist_5k', subset=True),
    DataSet('fastbook_ch4_digits', 'all ten digits, as far as they ship with this package',
        _counts(train=dict.fromkeys(_ten, 400), valid=dict.fromkeys(_ten, 100)), top='mnist_5k', subset=True),
)}


def offline():
    "Whether `FASTBOOK_CH4_OFFLINE` asks not to touch the network"
    return os.environ.get('FASTBOOK_CH4_OFFLINE', '').strip().lower() not in NO

def _fastai_folder(key):
    "The folder that fastai calls `key`: under `FASTAI_HOME` (default `~/.fastai`), or where its `config.ini` puts it"
    home = Path(os.environ.get('FASTAI_HOME') or '~/.fastai').expanduser().absolute()
    cfg = configparser.ConfigParser()
    try: cfg.read(home/'config.ini', encoding='utf8')
    except (configparser.Error, UnicodeDecodeError) as e: raise ValueError(f'{home/"config.ini"} is damaged ({e}). Mend or remove it.') from None
    return home/cfg.defaults().get(key, key)

def data_home():
    "The folder where fastai keeps its data sets"
    return _fastai_folder('data')

def write_whole(file, data):
    "Write the bytes `data` to `file`: all of them, in place of an older file, or none"
    file = Path(file)
    tmp = file.with_name(f'.{uuid.uuid4().hex}.tmp')  # no longer than a name may be, whatever the length of that of `file`
    try:
        tmp.write_bytes(data)
        os.replace(tmp, file)
    except OSError as e: raise OSError(e.errno or 0, e.strerror or str(e), str(file)) from e  # nobody knows the name of `tmp`
    finally: tmp.unlink(missing_ok=True)

def keep(file, data, forerunners):
    "Write the bytes `data` to `file` in place of its `forerunners` (a pattern), or nothing if that cannot be written"
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, data)
        for old in file.parent.glob(forerunners):
            if old!=file: old.unlink(missing_ok=True)

def folder(name):
    "Where data set `name` is, or will be, installed"
    return data_home()/DATASETS[name].name

def _found(ds, root):
    "Number of images in each `split/label` folder of `root`"
    def n(path):
        try: names = [e.name.lower() for e in os.scandir(path) if e.name[0]!='.']
        except OSError: return 0
        return sum(os.path.splitext(name)[1] in IMAGE_SUFFIXES for name in names)
    return {part: n(root/part) for part in ds.counts}

def is_installed(name):
    "Whether data set `name` is there with all its images"
    return _found(DATASETS[name], folder(name))==DATASETS[name].counts

@contextmanager
def _lock(ds):
    "One process at a time installs `ds`; the data folder is made if need be, and must be writable"
    from filelock import FileLock,Timeout
    home = data_home()
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = FileLock(home/f'.{ds.name}.lock')
        try: lock.acquire(timeout=2)
        except Timeout:
            print(f'Another process is installing {ds.name}. Waiting for it …', flush=True)
            lock.acquire()
        try: yield home
        finally: lock.release()
    except OSError as e:
        place = str(e.filename or home)
        if not (e.errno in DISK and place.startswith(str(home)) or e.errno and home.is_relative_to(place)): raise
        raise OSError(f'Cannot write to the data folder {home} ({e.strerror}{f": {place}" if place!=str(home) else ""}). '
                      'Set FASTAI_HOME to a folder you can write to, or make room there.') from e

class _Refused(ValueError): "An archive that can be read, but is not to be installed"

def _entries(tar, archive):
    "The entries of `tar`; one that claims a size below 0 would send `tarfile` back, to read for ever"
    for m in tar:
        if m.size<0: raise _Refused(f'{archive} is refused: {m.name!r} has a size below 0.')
        yield m

def _members(tar, ds, archive):
    "The files of `tar` that belong to `ds`, each checked before a byte is written"
    total,labels = 0,{part.split('/')[1] for part in ds.counts}
    for m in _entries(tar, archive):
        path = PurePosixPath(m.name)
        if not path.parts and m.isdir(): continue  # the folder that `tar` was called in
        if not path.parts or path.is_absolute() or '..' in path.parts or '\\' in m.name or not (m.isreg() or m.isdir()):
            raise _Refused(f'{archive} is refused: it holds {m.name!r}, '
                             'which is not a plain file inside its own folder.')
        total += m.size
        if m.size>MAX_FILE or total>MAX_TOTAL:
            raise _Refused(f'{archive} is refused: {m.name!r} makes it larger than any copy of {ds.name} can be.')
        if m.isdir() or any(p[0]=='.' for p in path.parts): continue
        if path.parts[0]!=(ds.top or ds.name):
            raise _Refused(f'{archive} is refused: it holds {m.name!r} outside the folder {ds.top or ds.name!r}.')
        if ds.subset and (len(path.parts)<4 or path.parts[2] not in labels): continue
        yield m,Path(*path.parts[1:])

def _reason(e):
    "What `e` says, without places that no user knows and without what `tarfile` tried one after the other"
    return (getattr(e, 'strerror', None) or str(e) or type(e).__name__).split(': -')[0].split(':\n')[0]

def _unpack(ds, archive, dest):
    "Write the files of `archive` that belong to `ds` into the empty folder `dest`"
    try:
        with tarfile.open(archive) as tar:
            for m,path in _members(tar, ds, archive):
                (dest/path).parent.mkdir(parents=True, exist_ok=True)
                (dest/path).write_bytes(tar.extractfile(m).read())
    except _Refused: raise
    except BROKEN as e:
        if getattr(e, 'errno', None) in DISK: raise
        raise ValueError(f'{archive} cannot be read as a tar archive ({_reason(e)}). Is it complete? Get it again.') from None

def _pixel_digest(files, root, size=()):
    "sha256 over names, sizes and grey values of the image `files`; an error names the file that does not decode or has another `size`"
    from PIL import Image
    from fastprogress.fastprogress import progress_bar
    digest = hashlib.sha256()
    slow = len(files)>5000 and sys.stdout.isatty()
    for f in progress_bar(files, leave=False) if slow else files:
        try:
            with Image.open(f) as img:
                if size and img.size!=size: raise ValueError(f'{img.width}x{img.height} pixels instead of {size[0]}x{size[1]}')
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
    digest = _pixel_digest(sorted(f for f in root.glob('*/*/*')), root, ds.size)
    if ds.pixels and digest!=ds.pixels:
        raise ValueError(f'{archive} has the file names of {ds.name} but other images.')

def _swap_in(tmp, dest):
    "Move the finished folder `tmp` to `dest`; an incomplete folder found there is set aside, not deleted"
    if dest.exists() or dest.is_symlink():
        aside = dest.with_name(f'{dest.name}.incomplete-{uuid.uuid4().hex[:6]}')
        dest.rename(aside)
        print(f'{dest} was incomplete; it is now {aside.name}.')
    tmp.rename(dest)

def _install(ds, archive, home):
    "Install `ds` from `archive` in `home`, whose lock the caller holds"
    if not is_installed(ds.name):  # else the process that held the lock before has done it
        for left in home.glob(f'.{ds.name}-*.tmp'): shutil.rmtree(left, ignore_errors=True)
        tmp = home/f'.{ds.name}-{uuid.uuid4().hex[:8]}.tmp'
        try:
            tmp.mkdir()
            _unpack(ds, archive, tmp)
            _verify(ds, tmp, archive)
            _swap_in(tmp, folder(ds.name))
        finally: shutil.rmtree(tmp, ignore_errors=True)
    return folder(ds.name)

def install(name, archive):
    "Install data set `name` from the local `archive`, all of it or nothing; returns its folder"
    if is_installed(name): return folder(name)
    with _lock(DATASETS[name]) as home: return _install(DATASETS[name], archive, home)

def install_archive(archive):
    "Install whichever known data set the local file `archive` holds; returns its name"
    archive = Path(archive).expanduser()
    if not archive.is_file():
        raise FileNotFoundError(f'{archive} is no file.' if archive.exists() else f'There is no file {archive}.')
    try:
        with tarfile.open(archive) as tar:
            paths = (PurePosixPath(m.name) for m in _entries(tar, archive))
            top = next((path.parts[0] for path in paths if path.parts and path.parts[0][0]!='.'), '')
    except _Refused: raise
    except BROKEN as e:
        if getattr(e, 'errno', None) in DISK: raise
        kind = 'a zip file; a tar archive is needed' if zipfile.is_zipfile(archive) else f'not a readable tar archive ({_reason(e)})'
        raise ValueError(f'{archive} is {kind}.') from None
    known = [name for name,ds in DATASETS.items() if not ds.subset]
    if top not in known:
        holds = f'holds the folder {top!r}' if top else 'holds no files'
        raise ValueError(f'{archive} {holds}; expected one of {", ".join(known)}.')
    if is_installed(top): print(f'{top} is installed already, so {archive} was not used.')
    else: install(top, archive)
    return top

def install_shipped(name='fastbook_ch4_sample'):
    "Unpack the shipped data set `name`, once: the 3s and 7s, or all ten digits (`fastbook_ch4_digits`); returns its folder"
    return install(name, SHIPPED)

class _BrokenOff(OSError): "A download began and did not end well; another try may"

def _transfer(url, file, timeout, most):
    "Write what `url` sends to `file`; `OSError` if it is silent, slow, incomplete or sends more than `most` bytes"
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import urlopen
    from fastprogress.fastprogress import progress_bar
    try: response = urlopen(url, timeout=timeout)
    except HTTPError as e:
        e.close()
        if e.code>=500 or e.code==429: raise _BrokenOff(f'the server answers {e.code} {e.reason}') from None
        raise OSError(f'the server answers {e.code} {" ".join(str(e.reason).split())}') from None
    with response, open(file, 'wb') as f:
        start,size,bar = time.monotonic(),int(response.headers.get('Content-Length') or 0),progress_bar([], leave=False)
        bar.total = size or most
        if bar.total>most: raise OSError(f'the server wants to send {size:,} bytes, but the file has at most {most:,}')
        try:
            bar.update(0)
            for chunk in iter(lambda: response.read1(2**16), b''):
                f.write(chunk)
                bar.update(min(f.tell(), bar.total))
                seconds = time.monotonic()-start
                if f.tell()>most: raise OSError(f'the server sends more than the {most:,} bytes that the file has')
                if seconds>PATIENCE and f.tell()<seconds*MIN_RATE:
                    raise OSError(f'the server is too slow: {f.tell():,} bytes in {seconds:.0f} seconds')
        except (HTTPException, ConnectionError, TimeoutError) as e: raise _BrokenOff(f'the transfer broke off ({e})') from None
        if f.tell()<size: raise _BrokenOff(f'the transfer broke off after {f.tell():,} of {size:,} bytes')

def download(timeout=4, name='mnist_sample', key='MNIST_SAMPLE'):
    "Download data set `name`, fastai's `URLs.<key>`, check and install it; `OSError` if that fails or the server is silent for `timeout` seconds"
    if offline(): raise OSError('FASTBOOK_CH4_OFFLINE is set')
    from http.client import HTTPException
    import fastai.data
    from fastai.data.external import URLs
    from fastdownload.core import check,checks_module,read_checks
    url,archive,checks = getattr(URLs, key),_fastai_folder('archive')/f'{name}.tgz',checks_module(fastai.data)
    with _lock(DATASETS[name]) as home:
        if is_installed(name): return folder(name)  # by the process that held the lock
        part = archive.with_name(f'{archive.name}.part')
        try:
            archive.parent.mkdir(parents=True, exist_ok=True)
            if not (archive.exists() and check(checks, url, archive)):
                for left in reversed(range(TRIES)):
                    try: _transfer(url, part, timeout, read_checks(checks).get(url, [MAX_TOTAL])[0])
                    except _BrokenOff:
                        if not left: raise
                        time.sleep(PAUSE)
                    else: break
                if not check(checks, url, part): raise OSError('the downloaded file has the wrong size or checksum and was removed')
                os.replace(part, archive)
            return _install(DATASETS[name], archive, home)
        except (HTTPException, ValueError) as e: raise OSError(f'the download failed ({e})') from e
        finally: part.unlink(missing_ok=True)
