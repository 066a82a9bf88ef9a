"""What `make test`, `make test-full` and `make outputs` run.

    python tests/run.py          notebooks and tests on the shipped digits
    python tests/run.py --full   notebooks and the tests marked `full` on the full MNIST_SAMPLE
    python tests/run.py --save   notebooks on the full MNIST_SAMPLE, their outputs saved

Ends with a line `N passed, N failed` that counts notebooks and tests.
"""
import os,re,subprocess,sys,sysconfig,tempfile
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sysconfig.get_path('scripts'))
# Torch processes side by side with more threads than cores wait for one another, so two workers have a
# thread each, and where OMP_NUM_THREADS asks for more threads there is one worker. Tests also wait, for a
# browser and for processes that they start; a third worker uses that time.
THREADS = os.environ.get('OMP_NUM_THREADS') or '1'
WORKERS,TEST_WORKERS = (2,3) if THREADS=='1' else (1,1)
sys.path.insert(0, str(ROOT))
from fastbook_ch4 import store  # noqa: E402 - found by the line above


def run(*cmd, **env):
    "Run `cmd` in the project, showing its output; returns the exit status and the output"
    ours = {'FASTBOOK_CH4_OFFLINE': '1', 'OMP_NUM_THREADS': THREADS, 'PYTHONPATH': str(ROOT)}
    p = subprocess.Popen([str(o) for o in cmd], cwd=ROOT, env={**os.environ, **ours, **env},
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding='utf8')
    lines = []
    for line in p.stdout:
        print(line, end='', flush=True)
        lines.append(line)
    return p.wait(), ''.join(lines)

def run_notebooks(*options, **env):
    "Run all notebooks; returns how many passed and failed"
    names = sorted(f.name for f in (ROOT/'nbs').rglob('*.ipynb') if f.parent.name[0]!='.')
    print(f'Running {len(names)} notebooks with nbdev-test …', flush=True)
    status,out = run(BIN/'nbdev-test', '--n-workers', WORKERS, '--timing', *options, **env)
    failed = {name for name in names if re.search(rf'^\s+{re.escape(name)}$', out, re.M)}
    if status and not failed: failed = set(names)
    return len(names)-len(failed), len(failed)

def run_tests(marker, *options, **env):
    "Run the tests in `tests/` that match `marker`; returns how many passed, failed and were skipped"
    print('Running the tests with pytest …', flush=True)
    with tempfile.TemporaryDirectory() as tmp:
        status,_ = run(sys.executable, '-m', 'pytest', '-q', '-m', marker, *options, '--durations=5',
                       '--junitxml', Path(tmp)/'out.xml', MPLBACKEND='agg', **env)
        try: suite = ElementTree.parse(Path(tmp)/'out.xml').find('testsuite').attrib
        except (OSError, ElementTree.ParseError): return 0,1,0
    failed,skipped = int(suite['failures'])+int(suite['errors']),int(suite['skipped'])
    return int(suite['tests'])-failed-skipped, failed or int(status!=0), skipped

def main(option=None):
    if option not in (None, '--full', '--save'): sys.exit(__doc__)
    if option and not store.is_installed('mnist_sample'):
        sys.exit('The full MNIST_SAMPLE is not installed, so nothing was run. Install it with '
                 '`ch4 data --download` or `ch4 data --archive FILE`.')
    skipped = 0
    with tempfile.TemporaryDirectory() as home:
        env = {} if option else {'FASTAI_HOME': home}
        flags = ['--flags', 'full']*bool(option)  # also the cells that `make test` leaves out
        passed,failed = run_notebooks(*flags, *['--save']*(option=='--save'), **env)
        if option=='--save':
            run(BIN/'nbdev-clean')
            run(sys.executable, 'tools/small_pictures.py', *sorted((ROOT/'nbs').rglob('*.ipynb')))
        else:
            marker = 'full' if option else 'not full'
            p,f,skipped = run_tests(marker, '-n', str(TEST_WORKERS), '--dist', 'worksteal', **env)
            passed,failed = passed+p,failed+f
    print(f'{passed} passed, {failed} failed' + (f', {skipped} skipped' if skipped else ''))
    return int(failed>0)

if __name__=='__main__': sys.exit(main(*sys.argv[1:]))
