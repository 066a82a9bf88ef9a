"Fixtures that several test files share"
import importlib.util,json,os,shutil,subprocess,sys
from functools import cache
from pathlib import Path

import pytest
from PIL import Image
from fastbook_ch4 import store

ROOT = Path(__file__).resolve().parents[1]
NBS = ROOT/'nbs'
NOTEBOOKS = sorted(f for f in NBS.rglob('*.ipynb') if f.parent.name[0]!='.')

def place(nb):
    "Where the notebook `nb` lies in `nbs/`, without its ending: `01_data`, `plumbing/checks`"
    return nb.relative_to(NBS).with_suffix('').as_posix()

@cache
def cells(name):
    "The cells of the notebook that `place` calls `name`, each as its type, its source and its saved outputs"
    nb = json.loads((NBS/f'{name}.ipynb').read_text(encoding='utf8'))
    return [(c['cell_type'], ''.join(c['source']), c.get('outputs', [])) for c in nb['cells']]

def load_tool(name, root=ROOT):
    "The module `tools/<name>.py` of the project in `root`"
    spec = importlib.util.spec_from_file_location(name, root/'tools'/f'{name}.py')
    mod = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mod)
    return mod

def code(name):
    "The code cells of a notebook, each as its source and its saved outputs"
    return [(source,outputs) for kind,source,outputs in cells(name) if kind=='code']


@pytest.fixture(scope='session')
def shipped():
    "Folder of the 1,000 shipped digits"
    return store.install_shipped()

@pytest.fixture(scope='session')
def for_all(tmp_path_factory, worker_id):
    "Folder that all test processes share"
    base = tmp_path_factory.getbasetemp()
    return base if worker_id=='master' else base.parent

@pytest.fixture(scope='session')
def once(for_all):
    "Function that returns what a function makes under a name: once for all test processes, a copy for each"
    import torch
    from filelock import FileLock
    def made(name, make):
        file = for_all/f'{name}.pt'
        with FileLock(file.with_suffix('.lock')):
            if not file.exists(): torch.save(make(), file)
            return torch.load(file, weights_only=False)
    return made

@pytest.fixture(scope='session')
def trained(shipped, once):
    "Function of a step of the ladder and a seed: its `Rung` on the shipped digits"
    from fastbook_ch4.ladder import run_step
    from fastbook_ch4.data import Digits
    @cache
    def rung(step, seed):
        return once(f'{step} {seed}', lambda: run_step(step, Digits.from_folder(shipped), seed))
    return rung

@pytest.fixture(scope='session')
def quick(once):
    "The model of ten digits that `ch4 predict` and `ch4 app` use where there is no other"
    from fastbook_ch4.application import quick_model
    return once('quick model', quick_model)

@pytest.fixture(scope='session')
def full():
    "Folder of the full MNIST_SAMPLE; tests that use it are marked `full`"
    if not store.is_installed('mnist_sample'):
        pytest.skip('the full MNIST_SAMPLE is not installed (ch4 data --archive FILE)')
    return store.folder('mnist_sample')

@pytest.fixture
def home(tmp_path, monkeypatch):
    "An empty data folder of fastai's, without network"
    monkeypatch.setenv('FASTAI_HOME', str(tmp_path/'home'))
    monkeypatch.setenv('FASTBOOK_CH4_OFFLINE', '1')
    return tmp_path/'home'

@pytest.fixture
def few(shipped, tmp_path):
    "A folder with 40 training and 16 validation digits of each label"
    for split,n in (('train',40), ('valid',16)):
        for label in '37':
            (tmp_path/'few'/split/label).mkdir(parents=True)
            for f in sorted((shipped/split/label).iterdir())[:n]: shutil.copy(f, tmp_path/'few'/split/label)
    return tmp_path/'few'

@pytest.fixture
def make_folder(tmp_path):
    "Function that writes a small image folder: `make_folder(labels=..., size=..., mode=...)`"
    def make(name='pictures', labels=('cat','dog'), size=(28,28), mode='L', n=2):
        for split in ('train','valid'):
            for i,label in enumerate(labels):
                folder = tmp_path/name/split/label
                folder.mkdir(parents=True)
                for k in range(n):
                    Image.new(mode, size, 60*i+20*k if mode[0] in 'LI' else 'orange').save(folder/f'{k}.png')
        return tmp_path/name
    return make

@pytest.fixture
def ch4():
    "Function that runs the `ch4` command: `ch4('data', env={...})` returns the finished process"
    def run(*args, env=None, cwd=None, python=sys.executable):
        env = {**os.environ, 'PYTHONPATH': str(ROOT), 'PYTHONIOENCODING': 'utf8', **(env or {})}
        cmd = [str(python), '-m', 'fastbook_ch4.cli', *map(str, args)]
        return subprocess.run(cmd, env=env, cwd=cwd, capture_output=True, text=True, encoding='utf8',
                              timeout=500)
    return run

@pytest.fixture(scope='session')
def browser():
    "A Chromium or Chrome of this machine"
    names = 'chromium','chromium-browser','google-chrome','chrome'
    path = next(filter(None, map(shutil.which, names)), None)
    if not path: pytest.skip('no Chromium or Chrome is installed')
    from playwright.sync_api import sync_playwright
    quiet = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
             '--disable-background-networking', '--disable-component-update', '--disable-sync']
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path=path, args=quiet)
        yield b
        b.close()
