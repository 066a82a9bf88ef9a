"""`ch4 doctor`: whether this machine has what the lessons need, and what to type where it has not.

Torch and fastai are imported in a process of their own, so that a broken one is told, not met."""
import os,shutil,sys,tempfile
from dataclasses import dataclass
from pathlib import Path

from fastbook_ch4 import store

PACKAGE = 'fastbook_ch4'
MIN_FREE = 200_000_000  # bytes; the full sample takes a third of that while it is installed
# What an import says of two packages that were built for different versions
CLASH = 'torchvision::nms','undefined symbol'
CLOSED = 'export FASTAI_HOME=FOLDER, with one that you can write to'
# The last line tells the device, after whatever else an import may print
IMPORT = '''
import torch,torchvision,fastbook_ch4.data
if torch.cuda.is_available(): name = torch.cuda.get_device_name()
else: name = 'Apple GPU' if torch.backends.mps.is_available() else 'no GPU'
print(f'{name}, {torch.get_num_threads()} CPU threads')
'''


def add(sub):
    "Add this command to the subparsers `sub`"
    p = sub.add_parser('doctor', help='check whether this machine has what the lessons need',
        description='Look at Python, packages that must fit together, images, free disk, device and '
                    'write access, and say in one line each what is wrong and what to type. The '
                    'status is 1 if anything is.')
    p.set_defaults(run=run)

@dataclass
class Finding:
    "One thing that was looked at"
    ok: bool       # Is it as it must be?
    what: str      # What is so, or what is wrong
    cure: str = '' # What to type if it is wrong
    def __str__(self):
        if self.ok: return f'ok       {self.what}'
        return f'problem  {self.what}' + (f'. Type: {self.cure}' if self.cure else '')

def python():
    "Is Python new enough?"
    from importlib import metadata
    from packaging.specifiers import SpecifierSet
    need = metadata.metadata(PACKAGE)['Requires-Python']
    have = '.'.join(map(str, sys.version_info[:3]))
    if SpecifierSet(need).contains(have): return [Finding(True, f'Python {have}')]
    return [Finding(False, f'Python {have} is too old, {need} is needed', 'python3.11 -m venv .venv')]

def _misfit(name, need):
    "What is wrong with the package that `name` needs, a `Requirement`; `None` if nothing is"
    from importlib import metadata
    wanted = f'{need.name}{need.specifier}'
    try: have = metadata.version(need.name)
    except metadata.PackageNotFoundError: problem = f'{name} needs {wanted}, which is not installed'
    else:
        if need.specifier.contains(have, prereleases=True): return
        problem = f'{name} {metadata.version(name)} needs {wanted}, but {have} is installed'
    return Finding(False, problem, f'pip install "{wanted}"')

def packages():
    "Is everything installed that this package needs, and what that needs, in versions that go together?"
    from importlib import metadata
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name
    todo,seen = [PACKAGE],set()
    problems = []
    while todo:
        name = canonicalize_name(todo.pop())
        if name in seen: continue
        seen.add(name)
        dist = metadata.distribution(name)
        for need in map(Requirement, dist.requires or ()):
            if need.marker and not need.marker.evaluate({'extra': ''}): continue
            problem = _misfit(dist.name, need)
            if problem: problems.append(problem)
            else: todo.append(need.name)
    return problems or [Finding(True, f'{len(seen)} packages are installed and go together')]

def imports():
    "Can PyTorch, torchvision and fastai be imported, and what do they calculate on?"
    import subprocess
    paths = [str(Path(__file__).resolve().parents[2]), os.environ.get('PYTHONPATH', '')]
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join(paths)}
    p = subprocess.run([sys.executable, '-c', IMPORT], capture_output=True, text=True,
                       encoding='utf8', errors='replace', env=env)
    said = p.stderr if p.returncode else p.stdout
    *_,last = said.strip().splitlines() or [f'status {p.returncode}']
    if not p.returncode:
        return [Finding(True, f'PyTorch and fastai can be imported; device: {last}')]
    cure = 'pip install --force-reinstall '
    cure += 'torch torchvision' if any(sign in p.stderr for sign in CLASH) else PACKAGE
    return [Finding(False, f'PyTorch and fastai cannot be imported ({last})', cure)]

def data():
    "Which images are there?"
    home = store.data_home()
    there = [name for name in store.DATASETS if store.is_installed(name)]
    others = [store.folder(name) for name in store.DATASETS if name not in there]
    found = [Finding(False, f'{o} is incomplete', f'mv "{o}" "{o}.old"')
             for o in others if o.exists()]
    if 'mnist_sample' not in there:
        there.append('the digits that ship with this package (ch4 data --download gets more)')
    return [*found, Finding(True, f'images in {home}: {", ".join(there)}')]

def _existing(folder):
    "`folder`, or the nearest folder above it that exists"
    return next(o for o in (folder,*folder.parents) if o.exists())

def _room(what, folder, cure):
    "Whether `folder` can be written to and has room"
    place = _existing(folder)
    try:
        with tempfile.NamedTemporaryFile(dir=place) as f: f.write(b'x')
        free = shutil.disk_usage(place).free
    except OSError as e:
        return Finding(False, f'{what} {folder} cannot be written to ({e.strerror})', cure)
    room = f'{free/1e9:.1f} GB free for {what}, {folder}'
    return Finding(True, room) if free>=MIN_FREE else Finding(False, f'only {room}', cure)

def disk():
    "Can files be written where they go, and is there room?"
    return [_room('the data folder', store.data_home(), CLOSED),
            _room('this folder', Path.cwd(), 'cd FOLDER, with one that you can write to')]

def extras():
    "What only some commands need"
    from importlib import metadata
    if not any(metadata.distributions(name='jupyterlab')): return []
    return [Finding(True, f'jupyterlab {metadata.version("jupyterlab")}, for ch4 lab')]

def versions():
    "Is this package installed, and are Python and all packages what it needs?"
    from importlib import metadata,util
    try: metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        what = f'{PACKAGE} is used from a folder, without being installed'
        return [Finding(False, what, 'pip install -e .')]
    if util.find_spec('packaging') is None:
        what = 'packaging is not installed, so versions cannot be compared'
        return [Finding(False, what, 'pip install packaging')]
    return python()+packages()

def examine():
    "Yield a `Finding` for each thing that is looked at"
    yield from versions()
    for look in (imports,data,disk,extras):
        try: yield from look()
        except (OSError, ValueError) as e:
            what = f'{getattr(e, "filename", None) or ""} {getattr(e, "strerror", None) or e}'
            yield Finding(False, what.strip().rstrip('.'), CLOSED)

def run(args):
    "Say what was looked at and what is wrong; status 1 if anything is"
    problems = 0
    for finding in examine():
        problems += not finding.ok
        print(finding, flush=True)
    print(f'{problems} problem{"s" if problems>1 else ""}' if problems else 'No problem was found.')
    return int(problems>0)
