"""What `ch4 doctor` looks at: whether this machine has what the lessons need, and what to type where it has not.

Written by hand; torch and fastai are imported in a process of their own, so that a broken one is told and not met."""
import importlib.metadata as metadata
import os,shutil,subprocess,sys,tempfile
from dataclasses import dataclass
from pathlib import Path

from fastbook_ch4 import store

PACKAGE = 'fastbook_ch4'
MIN_FREE = 200_000_000  # bytes; the full sample takes a third of that while it is installed
# What an import says of two packages that were built for different versions, and what to type
CURES = {'torchvision::nms': 'pip install --force-reinstall torch torchvision', 'undefined symbol': 'pip install --force-reinstall torch torchvision'}
CLOSED = 'export FASTAI_HOME=FOLDER, with one that you can write to'
# The last line tells the device, after whatever else an import may print
IMPORT = '''
import torch,torchvision,fastbook_ch4.data
name = torch.cuda.get_device_name() if torch.cuda.is_available() else 'Apple GPU' if torch.backends.mps.is_available() else 'no GPU'
print(f'{name}, {torch.get_num_threads()} CPU threads')
'''


@dataclass
class Finding:
    "One thing that was looked at"
    ok: bool       # Is it as it must be?
    what: str      # What is so, or what is wrong
    cure: str = '' # What to type if it is wrong
    def __str__(self): return f'ok       {self.what}' if self.ok else f'problem  {self.what}' + (f'. Type: {self.cure}' if self.cure else '')

def python():
    "Is Python new enough?"
    need = metadata.metadata(PACKAGE)['Requires-Python']
    from packaging.specifiers import SpecifierSet
    have = '.'.join(map(str, sys.version_info[:3]))
    if SpecifierSet(need).contains(have): return [Finding(True, f'Python {have}')]
    return [Finding(False, f'Python {have} is too old, {need} is needed', 'python3.11 -m venv .venv')]

def packages():
    "Is everything installed that this package needs, and what that needs, in versions that go together?"
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name
    seen,todo,problems = set(),[PACKAGE],[]
    while todo:
        name = canonicalize_name(todo.pop())
        if name in seen: continue
        seen.add(name)
        dist = metadata.distribution(name)
        for need in map(Requirement, dist.requires or ()):
            if need.marker and not need.marker.evaluate({'extra': ''}): continue
            wanted = f'{need.name}{need.specifier}'
            try: have = metadata.version(need.name)
            except metadata.PackageNotFoundError:
                problems.append(Finding(False, f'{dist.name} needs {wanted}, which is not installed', f'pip install "{wanted}"'))
                continue
            if need.specifier.contains(have, prereleases=True): todo.append(need.name)
            else: problems.append(Finding(False, f'{dist.name} {dist.version} needs {wanted}, but {have} is installed', f'pip install "{wanted}"'))
    return problems or [Finding(True, f'{len(seen)} packages are installed and go together')]

def imports():
    "Can PyTorch, torchvision and fastai be imported, and what do they calculate on?"
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(Path(__file__).resolve().parents[1]), os.environ.get('PYTHONPATH', '')])}
    p = subprocess.run([sys.executable, '-c', IMPORT], capture_output=True, text=True, encoding='utf8', errors='replace', env=env)
    lines = (p.stdout if p.returncode==0 else p.stderr).strip().splitlines() or [f'status {p.returncode}']
    if p.returncode==0: return [Finding(True, f'PyTorch and fastai can be imported; device: {lines[-1]}')]
    cure = next((cure for sign,cure in CURES.items() if sign in p.stderr), f'pip install --force-reinstall {PACKAGE}')
    return [Finding(False, f'PyTorch and fastai cannot be imported ({lines[-1]})', cure)]

def data():
    "Which images are there?"
    home = store.data_home()
    found = [Finding(False, f'{store.folder(name)} is incomplete', f'mv "{store.folder(name)}" "{store.folder(name)}.old"')
             for name in store.DATASETS if store.folder(name).exists() and not store.is_installed(name)]
    there = [name for name in store.DATASETS if store.is_installed(name)]
    if 'mnist_sample' not in there: there.append('the digits that ship with this package (ch4 data --download gets more)')
    return found+[Finding(True, f'images in {home}: {", ".join(there)}')]

def _existing(folder):
    "`folder`, or the nearest folder above it that exists"
    return next(o for o in (folder,*folder.parents) if o.exists())

def disk():
    "Can files be written where they go, and is there room?"
    found = []
    for what,folder,cure in (('the data folder', store.data_home(), CLOSED),
                             ('this folder', Path.cwd(), 'cd FOLDER, with one that you can write to')):
        place = _existing(folder)
        try:
            with tempfile.NamedTemporaryFile(dir=place) as f: f.write(b'x')
            free = shutil.disk_usage(place).free
        except OSError as e:
            found.append(Finding(False, f'{what} {folder} cannot be written to ({e.strerror})', cure))
            continue
        room = f'{free/1e9:.1f} GB free for {what}, {folder}'
        found.append(Finding(True, room) if free>=MIN_FREE else Finding(False, f'only {room}', cure))
    return found

def extras():
    "What only some commands need"
    if not any(metadata.distributions(name='jupyterlab')): return []
    return [Finding(True, f'jupyterlab {metadata.version("jupyterlab")}, for ch4 lab')]

def examine():
    "Yield a `Finding` for each thing that is looked at"
    try: metadata.version(PACKAGE)
    except metadata.PackageNotFoundError: yield Finding(False, f'{PACKAGE} is used from a folder, without being installed', 'pip install -e .')
    else:
        try: import packaging
        except ImportError: yield Finding(False, 'packaging is not installed, so versions cannot be compared', 'pip install packaging')
        else:
            yield from python()
            yield from packages()
    for look in (imports,data,disk,extras):
        try: yield from look()
        except (OSError, ValueError) as e: yield Finding(False, f'{getattr(e, "filename", None) or ""} {getattr(e, "strerror", None) or e}'.strip().rstrip('.'), CLOSED)
