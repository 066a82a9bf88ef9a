"The wheel in an environment that has the run-time requirements only; takes minutes, 6 GB and the network"
import os,shutil,socket,subprocess,sys,sysconfig,tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import test_project
from conftest import ROOT

pytestmark = pytest.mark.full
run,copy = test_project.run,test_project.copy  # a fixture

@pytest.fixture
def plain(copy):
    "An empty folder to work in, and a function that runs a program of the environment there"
    with tempfile.TemporaryDirectory() as tmp:  # pytest would keep the last three
        tmp,work = Path(tmp),Path(tmp)/'work'
        work.mkdir()
        build = sys.executable,'-m','build','--wheel','--no-isolation'
        run(*build, '--outdir', tmp, cwd=copy, PYTHONPATH='')
        wheel = next(tmp.glob('*.whl'))
        run(sys.executable, '-m', 'venv', tmp/'venv', cwd=tmp)
        bin = tmp/'venv'/('Scripts' if os.name=='nt' else 'bin')
        uv = shutil.which('uv', path=os.pathsep.join([sysconfig.get_path('scripts'), os.environ['PATH']]))
        ways = [[uv, 'pip', 'install', '--python', bin/'python']] if uv else []
        for way in [*ways, [bin/'python', '-m', 'pip', 'install']]:  # as the Makefile does
            cmd,env = [*map(str, way), '--quiet', wheel],{**os.environ, 'PYTHONPATH': ''}
            p = subprocess.run(cmd, cwd=tmp, env=env, capture_output=True, text=True)
            if p.returncode==0: break
        if p.returncode!=0:
            try: socket.create_connection(('pypi.org',443), 10).close()
            except OSError: pytest.skip('the requirements cannot be had without a network')
        assert p.returncode==0, p.stderr
        env = {name: value for name,value in os.environ.items() if name not in ('PYTHONPATH','MPLBACKEND')}
        env |= dict(FASTAI_HOME=str(tmp/'home'), FASTBOOK_CH4_OFFLINE='1')
        def call(program, *args):
            cmd = [str(bin/program), *map(str, args)]
            p = subprocess.run(cmd, cwd=work, env=env, capture_output=True, text=True, encoding='utf8')
            return SimpleNamespace(status=p.returncode, out=p.stdout, err=p.stderr)
        yield SimpleNamespace(call=call, work=work)

WHERE = 'import sys,fastbook_ch4; print(fastbook_ch4.__file__, *sys.path, sep="\\n")'

EACH = """
import importlib,sys
for name in sys.argv[1:]:
    for loaded in [m for m in sys.modules if m.startswith('fastbook_ch4')]: del sys.modules[loaded]
    importlib.import_module(f'fastbook_ch4.{name}')
"""

# `ch4 app`, and Ctrl-C once its page has been seen
PAGE = '''
import os,re,signal,subprocess,sys,urllib.request
command = [sys.executable, '-u', '-m', 'fastbook_ch4.cli', 'app', '--port', '0']
p = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
for line in p.stdout:
    print(line, end='')
    found = re.search(r'http://[0-9.:]+', line)
    if found: break
assert b'Draw a 3 or 7' in urllib.request.urlopen(found[0]).read()
p.send_signal(signal.SIGINT)
sys.exit(p.wait(20))
'''

LEARNER = '''
from fastbook_ch4.all import *
from fastbook_ch4.plumbing.images import image_files
set_seed(0)
dls = digit_dataloaders(mnist_sample())
learn = Learner(dls, nn.Linear(784,1), opt_func=BasicOptim, loss_func=mnist_loss, metrics=batch_accuracy)
with learn.no_bar(), learn.no_logging(): learn.fit(10, lr=1.)
assert learn.recorder.values[-1][2]>.9, learn.recorder.values
model = load_digit_model('runs/ladder/digits.safetensors')
print(predict_digit(model, image_files(mnist_sample()/'valid'/'7')[0]).label)
try: skip_cells(images='none')
except RuntimeError as e: print(e)
'''

def test_a_plain_install_is_whole(plain):
    "One test, as every worker of pytest-xdist would make an environment of its own"
    # nothing else is there
    p = plain.call('python', '-c', WHERE)
    places = [line for line in p.out.splitlines() if 'site-packages' in line]
    assert p.status==0 and places and all(str(plain.work.parent) in place for place in places), p
    find = 'import sys,importlib.util as u; print([m for m in sys.argv[1:] if u.find_spec(m)])'
    others = 'IPython','jupyterlab','pytest'
    assert plain.call('python', '-c', find, *others, 'torch').out=="['torch']\n"
    # all of it can be imported, and each module alone
    star = 'from fastbook_ch4.all import *; print(mnist_loss, Learner, plt)'
    p = plain.call('python', '-W', 'error', '-c', star)
    assert p.status==0 and p.err=='', p
    files = [f.relative_to(ROOT/'fastbook_ch4') for f in (ROOT/'fastbook_ch4').rglob('*.py')]
    names = {'.'.join(f.with_suffix('').parts).removesuffix('.__init__') for f in files}
    modules = sorted(names-{'__init__','cli.__main__'})
    p = plain.call('python', '-c', EACH, *modules)
    assert (p.status, p.out, p.err)==(0, '', '')
    # each command works or says what it lacks
    p = plain.call('ch4', 'data')
    assert p.status==0 and 'fastbook_ch4_sample' in p.out and p.err=='', p
    p = plain.call('ch4', 'ladder', '--data', 'shipped', '--steps', 'pixel,own,SGD')
    assert p.status==0 and p.err=='' and (plain.work/'runs'/'ladder'/'ladder.csv').exists(), p
    three = next((plain.work.parent/'home').rglob('valid/3/*.png'))
    p = plain.call('ch4', 'predict', three)
    assert p.status==0 and f'{three}: 3 ' in p.out and p.err=='', p
    p = plain.call('ch4', 'lab', '--no-open')
    assert p.status==0 and (plain.work/'ch4_lessons'/'index.ipynb').exists(), p
    p = plain.call('ch4', 'lab')
    assert p.status==1 and p.err.count('\n')==1 and 'pip install jupyterlab' in p.err, p
    p = plain.call('python', '-c', PAGE)
    assert p.status==0 and p.err=='' and 'Open http://127.0.0.1:' in p.out, p
    p = plain.call('ch4', 'doctor')
    assert p.status==0 and 'No problem was found.' in p.out, p
    # the helpers work with fastai
    p = plain.call('python', '-c', LEARNER)
    said = ['7', 'There is no notebook here whose cells could be skipped.']
    assert p.status==0 and p.out.splitlines()[-2:]==said, p
