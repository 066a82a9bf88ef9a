"Every bit the same: in each Python that is found here, on simulated machines, and in a Python for browsers"
import http.server,os,platform,shutil,subprocess,sys,threading
from functools import partial
from pathlib import Path

import pytest
from conftest import ROOT, load_tool
from fastbook_ch4.same_bits import DIGEST, digest, grey_values, same_bits

MODULE = ROOT/'fastbook_ch4'/'same_bits.py'
LINES = (ROOT/'tests'/'machines.txt').read_text().splitlines()
MACHINES = {name: dict(o.split('=') for o in env) for name,*env in map(str.split, LINES) if name[0]!='#'}
# glibc without what it uses on newer processors
OLDER = {'GLIBC_TUNABLES': 'glibc.cpu.hwcaps=-FMA,-AVX2,-FMA_Usable,-AVX2_Usable'}
TRAIN = 'from pathlib import Path\nfrom same_bits import *\n'\
        'print(digest(same_bits(Path("same_bits.bin").read_bytes())))'
BY_LIBRARY = '''
import math,same_bits
from pathlib import Path
same_bits.exp = lambda x: math.exp(x)
rows = same_bits.digit_rows(Path('same_bits.bin').read_bytes())
for seed in range(8): print(same_bits.digest(same_bits.train_weights(rows, 200*[1]+200*[0], seed=seed)))
'''


@pytest.fixture(scope='module')
def folder(shipped, tmp_path_factory):
    "A folder with nothing but the module and the digits"
    folder = tmp_path_factory.mktemp('bits')
    shutil.copy(MODULE, folder)
    (folder/'same_bits.bin').write_bytes(grey_values(shipped/'train', 200))
    return folder

def run(folder, program, python=sys.executable, env=None):
    "What `program` prints, by a Python that finds no package but its own"
    env = {**os.environ, 'PYTHONPATH': '', **(env or {})}
    cmd = [str(python), '-S', '-c', program]
    p = subprocess.run(cmd, cwd=folder, env=env, capture_output=True, text=True, check=True)
    return p.stdout.split()

def pythons():
    "The Pythons of this machine from 3.11 on, by their versions"
    names = [f'python3.{minor}' for minor in range(11, 30)]
    places = [*filter(None, map(shutil.which, names)), *Path.home().glob('.pyenv/versions/*/bin/python3')]
    found = {}
    for place in places:
        cmd = [str(place), '-c', 'import sys; print(sys.version_info>=(3,11), sys.version.split()[0])']
        p = subprocess.run(cmd, capture_output=True, text=True)
        if p.stdout.startswith('True'): found[p.stdout.split()[1]] = place
    return found

# Pythons and processors

def test_in_this_python(shipped): assert digest(same_bits(grey_values(shipped/'train', 200)))==DIGEST

def test_in_every_other_python_of_this_machine(folder):
    others = pythons()
    others.pop(platform.python_version(), None)
    if not others: pytest.skip('there is no other Python from 3.11 on')
    for version,python in others.items(): assert run(folder, TRAIN, python)==[DIGEST], version

@pytest.mark.full
@pytest.mark.parametrize('machine', MACHINES)
def test_on_every_machine(folder, machine): assert run(folder, TRAIN, env=MACHINES[machine])==[DIGEST]

def test_on_an_older_processor(folder): assert run(folder, TRAIN, env=OLDER)==[DIGEST]

@pytest.mark.full
def test_with_the_exp_of_the_library_it_is_not_so(folder):
    "On an older processor another training of eight ends in other bits: what the page says"
    if platform.libc_ver()[0]!='glibc' or platform.machine()!='x86_64': pytest.skip('not glibc on x86-64')
    here,older = run(folder, BY_LIBRARY),run(folder, BY_LIBRARY, env=OLDER)
    if run(folder, EXPS)==run(folder, EXPS, env=OLDER): pytest.skip('this is an older processor')
    assert len(here)==len(older)==8 and here!=older

EXPS = 'import math,random\nr = random.Random(1)\nprint(*(math.exp(40*r.random()-20) for _ in range(100000)))'

@pytest.mark.parametrize('change', [lambda grey: b'\x01'+grey[1:], lambda grey: grey[784:]+grey[:784]])
def test_another_picture_or_order_gives_another_digest(shipped, change):
    "The first pixel of the first picture is white; 200 threes begin the file"
    grey = grey_values(shipped/'train', 200)
    assert digest(same_bits(change(grey)))!=DIGEST

# In a browser

NODE = '''
import fs from 'fs'
import { pathToFileURL } from 'url'
const { loadPyodide } = await import(pathToFileURL(process.argv[1] + '/pyodide.mjs'))
const python = await loadPyodide()
for (const name of ['same_bits.py', 'same_bits.bin']) python.FS.writeFile(name, fs.readFileSync(name))
python.runPython(process.argv[2])
'''

@pytest.fixture
def pyodide():
    folder = load_tool('same_bits').pyodide()
    if not folder: pytest.skip('Pyodide is not installed (make pyodide)')
    return folder

@pytest.mark.full
def test_in_pyodide_under_node(folder, pyodide):
    node = shutil.which('node')
    if not node: pytest.skip('node is not installed')
    cmd = [node, '--input-type=module', '-e', NODE, pyodide, TRAIN]
    p = subprocess.run(cmd, cwd=folder, capture_output=True, text=True, timeout=300)
    assert p.stdout.split()==[DIGEST], p.stderr

class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass

@pytest.fixture
def button(browser, tmp_path):
    "Function that presses the button on a page with nothing else, and returns what it says at last"
    page = browser.new_page()
    (tmp_path/'index.html').write_text('<!doctype html><html lang="en"><link rel="icon" href="data:,">'
        '<div id="same-bits">Text</div><script type="module" src="same_bits.js"></script>', encoding='utf8')
    handler = partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        address = f'http://127.0.0.1:{httpd.server_port}/'
        page.asked = []
        page.on('request', lambda r: page.asked.append(r.url.removeprefix(address)))
        def press():
            load_tool('same_bits').main(tmp_path)
            page.goto(address)
            page.get_by_role('button', name='Train in this browser').click()
            page.wait_for_function('() => !document.querySelector("button").disabled', timeout=120_000)
            return page.get_by_role('status').inner_text()
        press.page = page
        yield press
        httpd.shutdown()
    page.close()

@pytest.mark.full
def test_in_chromium(button, pyodide):
    said = button()
    assert DIGEST in said and 'The same, to the last bit.' in said
    assert button.page.locator('canvas').is_visible()
    assert 'pyodide/pyodide.asm.wasm' in button.page.asked
    assert not [url for url in button.page.asked if url.startswith('http')], 'asked another host'

def test_without_pyodide_the_page_says_so(button, monkeypatch, tmp_path):
    monkeypatch.setenv('PYODIDE', str(tmp_path/'nowhere'))
    said = button()
    assert 'It could not run here' in said and 'In Jupyter the cells above do the same.' in said
    assert not button.page.locator('canvas').is_visible()

def test_the_browser_runs_the_module_itself(tmp_path):
    load_tool('same_bits').main(tmp_path)
    assert (tmp_path/'same_bits.py').read_bytes()==MODULE.read_bytes()
    assert (tmp_path/'same_bits.bin').stat().st_size==400*784
