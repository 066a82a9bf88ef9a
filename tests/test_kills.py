"A process that installs data may be killed at any moment, and nothing is lost or half there"
import json,os,subprocess,sys,time

import pytest
from conftest import ROOT

pytestmark = pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork and SIGKILL')

# Everything is imported once. Then for each kill a child begins the work and dies after a random
# part of the time that it takes; what it leaves is looked at, and the next process must give the whole.
DRIVER = """
import json,os,random,shutil,signal,sys,time
from pathlib import Path
import PIL.Image,PIL.PngImagePlugin,filelock
from fastbook_ch4 import store
from fastbook_ch4.store import archive
archive._pixel_digest([], Path('.'))  # imports what it needs
kills = int(sys.argv[1])
random.seed(int(sys.argv[2]))
name,home = 'fastbook_ch4_sample',store.data_home()
whole = None

def child(work):
    pid = os.fork()
    if pid: return pid
    sys.stdout = open(os.devnull, 'w')
    try: work()
    finally: os._exit(0)

def state():
    place = store.folder(name)
    return sorted((str(f.relative_to(place)), f.read_bytes()) for f in place.rglob('*.png'))

def leftovers():
    "What is in the data folder besides the data set, its lock and what was set aside"
    names = {p.name for p in home.iterdir()}-{name}
    return [o for o in names if not o.endswith('.lock') and '.incomplete-' not in o]

start = time.monotonic()
store.install_shipped()
took,whole = time.monotonic()-start,state()
seen = dict(none=0, whole=0)
for k in range(kills):
    # If nothing is installed, this one meets what the last kill left
    if store.is_installed(name): shutil.rmtree(store.folder(name))
    if k%3==0:  # an incomplete folder is in the way
        store.folder(name).joinpath('train','3').mkdir(parents=True, exist_ok=True)
    pid = child(store.install_shipped)
    time.sleep(random.uniform(0, 1.2*took))
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    if store.is_installed(name):
        assert state()==whole, f'kill {k}: counts as installed, but is not the whole'
        seen['whole'] += 1
    else: seen['none'] += 1
    if k%4==3:
        pid = child(store.install_shipped)
        assert os.waitpid(pid, 0)[1]==0, f'kill {k}: the next call failed'
        assert store.is_installed(name) and state()==whole, f'kill {k}: the next call did not mend it'
        assert not leftovers(), f'kill {k}: {leftovers()} is left'
        for p in home.glob('*.incomplete-*'): shutil.rmtree(p)
print(json.dumps(seen))
"""

@pytest.mark.parametrize('kills', [20, pytest.param(200, marks=pytest.mark.full)])
def test_an_installation_is_whole_or_not_there(kills, home):
    seed = int(time.time())
    env = {**os.environ, 'PYTHONPATH': str(ROOT)}
    driver = [sys.executable, '-c', DRIVER, str(kills), str(seed)]
    p = subprocess.run(driver, env=env, capture_output=True, text=True)
    assert p.returncode==0, f'seed {seed}\n{p.stderr}'
    seen = json.loads(p.stdout.splitlines()[-1])
    print(seen)
    assert sum(seen.values())==kills and seen['none']>=kills//5, 'most kills must come before the end'
