"""From a tar archive to an installed data set: each name and size checked, all or nothing."""
import hashlib,lzma,shutil,sys,tarfile,uuid,zipfile,zlib
from contextlib import contextmanager
from pathlib import Path,PurePosixPath

from .catalogue import DATASETS,SHIPPED,count_images,folder,is_installed
from .files import DISK,lock

# In bytes; the largest real image here has under 4 kB, the largest set about 150 MB
MAX_FILE,MAX_TOTAL = 2**20,2**28
# What reading a bad archive raises, names and sizes that cannot be included
BROKEN = tarfile.TarError,EOFError,zlib.error,lzma.LZMAError,MemoryError,OSError,ValueError


# Reading

class _Refused(ValueError): "An archive that can be read, but is not to be installed"

def _reason(e):
    "What `e` says, without places that no user knows and all that `tarfile` tried before"
    said = getattr(e, 'strerror', None) or str(e) or type(e).__name__
    return said.split(': -')[0].split(':\n')[0]

@contextmanager
def _opened(archive):
    "The `TarFile` in `archive`; what is wrong with it is one `ValueError`"
    try:
        with tarfile.open(archive) as tar: yield tar
    except _Refused: raise
    except BROKEN as e:
        if getattr(e, 'errno', None) in DISK: raise
        if zipfile.is_zipfile(archive):
            raise ValueError(f'{archive} is a zip file; a tar archive is needed.') from None
        raise ValueError(f'{archive} cannot be read as a tar archive ({_reason(e)}). '
                         'Is it complete? Get it again.') from None

def _entries(tar, archive):
    "The entries of `tar`; a size below 0 would send `tarfile` back, to read for ever"
    for m in tar:
        if m.size<0: raise _Refused(f'{archive} is refused: {m.name!r} has a size below 0.')
        yield m

def _members(tar, ds, archive):
    "The files of `tar` that belong to `ds`, each checked, and their paths below its top folder"
    top,total = ds.top or ds.name,0
    labels = {part.split('/')[1] for part in ds.counts}
    for m in _entries(tar, archive):
        path = PurePosixPath(m.name)
        if not path.parts and m.isdir(): continue  # the folder that `tar` was called in
        outside = not path.parts or path.is_absolute() or '..' in path.parts or set(m.name)&set('\\:')
        if outside or not (m.isreg() or m.isdir()):
            raise _Refused(f'{archive} is refused: it holds {m.name!r}, '
                           'which is not a plain file inside its own folder.')
        total += m.size
        if m.size>MAX_FILE or total>MAX_TOTAL:
            raise _Refused(f'{archive} is refused: {m.name!r} makes it larger than any copy '
                           f'of {ds.name} can be.')
        if m.isdir() or any(p[0]=='.' for p in path.parts): continue
        if path.parts[0]!=top:
            raise _Refused(f'{archive} is refused: it holds {m.name!r} outside the folder {top!r}.')
        if ds.subset and (len(path.parts)<4 or path.parts[2] not in labels): continue
        yield m,Path(*path.parts[1:])

def _unpack(ds, archive, dest):
    "Write the files of `archive` that belong to `ds` into the empty folder `dest`"
    with _opened(archive) as tar:
        for m,path in _members(tar, ds, archive):
            (dest/path).parent.mkdir(parents=True, exist_ok=True)
            # `tar.extract` would write all that a sparse file claims to hold, whatever its size
            (dest/path).write_bytes(tar.extractfile(m).read())


# Checking what came out

def _pixel_digest(files, root, size=()):
    "sha256 over names, sizes and grey values of the image `files`, which must have `size` if given"
    from PIL import Image
    from fastprogress.fastprogress import progress_bar
    digest = hashlib.sha256()
    slow = len(files)>5000 and sys.stdout.isatty()
    for f in progress_bar(files, leave=False) if slow else files:
        try:
            with Image.open(f) as img:
                if size and img.size!=size:
                    raise ValueError('{}x{} pixels instead of {}x{}'.format(*img.size, *size))
                digest.update(f'{f.relative_to(root).as_posix()} {img.size}'.encode())
                digest.update(img.convert('L').tobytes())
        except Exception as e:
            name = f.relative_to(root)
            raise ValueError(f'{name} in the archive is not a readable image ({e}).') from None
    return digest.hexdigest()

def _verify(ds, root, archive):
    "Refuse the unpacked folder `root` unless it is exactly what `ds` must be"
    found = {p.relative_to(root).as_posix() for p in root.glob('*/*') if p.is_dir()}
    if found!=set(ds.counts):
        raise ValueError(f'{archive} is not a complete {ds.name}: expected the folders '
                         f'{", ".join(ds.counts)}, found {", ".join(sorted(found)) or "none"}.')
    for part,n in count_images(ds, root).items():
        if n!=ds.counts[part]:
            raise ValueError(f'{archive} is not a complete {ds.name}: {part} has {n:,} images, '
                             f'not {ds.counts[part]:,}.')
    digest = _pixel_digest(sorted(root.glob('*/*/*')), root, ds.size)
    if ds.pixels and digest!=ds.pixels:
        raise ValueError(f'{archive} has the file names of {ds.name} but other images.')


# Installing

def _swap_in(tmp, dest):
    "Move the finished folder `tmp` to `dest`; an incomplete one found there is set aside, not deleted"
    if dest.exists() or dest.is_symlink():
        aside = dest.with_name(f'{dest.name}.incomplete-{uuid.uuid4().hex[:6]}')
        dest.rename(aside)
        print(f'{dest} was incomplete; it is now {aside.name}.')
    tmp.rename(dest)

def install_in(
    home,   # Data folder, whose lock for `ds` the caller holds
    ds,     # `DataSet`
    archive # Path of a tar archive
): # The folder of the data set
    "Install `ds` from `archive` in `home`, all of it or nothing"
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

def _install(name, archive):
    "Install data set `name` from the local `archive`; returns its folder"
    if is_installed(name): return folder(name)
    with lock(name) as home: return install_in(home, DATASETS[name], archive)

def install_archive(
    archive # Path of a local tar archive, which is not changed
): # The name of the data set
    "Install whichever known data set the file `archive` holds, all of it or nothing"
    archive = Path(archive).expanduser()
    if not archive.is_file():
        what = f'{archive} is no file' if archive.exists() else f'There is no file {archive}'
        raise FileNotFoundError(f'{what}.')
    with _opened(archive) as tar:
        paths = (PurePosixPath(m.name) for m in _entries(tar, archive))
        top = next((path.parts[0] for path in paths if path.parts and path.parts[0][0]!='.'), '')
    known = [name for name,ds in DATASETS.items() if not ds.subset]
    if top not in known:
        holds = f'holds the folder {top!r}' if top else 'holds no files'
        raise ValueError(f'{archive} {holds}; expected one of {", ".join(known)}.')
    if is_installed(top): print(f'{top} is installed already, so {archive} was not used.')
    else: _install(top, archive)
    return top

def install_shipped(
    name='fastbook_ch4_sample' # The 3s and 7s, or all ten digits: `fastbook_ch4_digits`
): # The folder of the data set
    "Unpack the shipped data set `name`, once"
    return _install(name, SHIPPED)
