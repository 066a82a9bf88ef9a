"What tools/margins.py sees in a check, and the machines it shares with tests/anywhere.sh"
import ast,os,subprocess,sys

import pytest, torch
from conftest import ROOT

@pytest.fixture
def margins(monkeypatch):
    monkeypatch.syspath_prepend(ROOT/'tools')
    import margins
    return margins

def run(code, cwd=None, **env):
    env = {**os.environ, **env}
    return subprocess.run([sys.executable, '-c', code], cwd=cwd, env=env, capture_output=True, text=True)

def seen(margins, source, **names):
    "What a cell or test with this source notes, by the text of the check"
    rec = margins.Recorder('here')
    rewritten = compile(margins.Rewrite().visit(ast.parse(source)), 'here', 'exec')
    exec(rewritten, dict(__margins__=rec, torch=torch, **names))
    return {check: o for (_,check),o in rec.worst.items()}

@pytest.mark.parametrize('source, check, distance', [
    ('assert acc>.5', 'acc > 0.5', .2),
    ('assert acc>.5 and acc<1', 'acc < 1', .3),
    ('assert .4<acc<.9', '0.4 < acc < 0.9 [1]', .3),
    ('assert .4<acc<.9', '0.4 < acc < 0.9 [2]', .2),
    ('assert all(a>b for a,b in zip(accs, accs[1:]))', 'a > b', .1),
    ('assert (torch.tensor(accs)<=1).all()', 'torch.tensor(accs) <= 1', .1),
    ('assert torch.allclose(torch.tensor(2.), torch.tensor(1.), rtol=0, atol=4)',
     'torch.allclose(torch.tensor(2.0), torch.tensor(1.0), rtol=0, atol=4)', .75),
    ('assert torch.tensor(2.).allclose(torch.tensor(1.), rtol=0, atol=4)',
     'torch.tensor(2.0).allclose(torch.tensor(1.0), rtol=0, atol=4)', .75),
    ('assert acc==approx(.6, abs=.2)', 'acc == approx(0.6, abs=0.2)', .5),
    ('test_close(acc, .6, eps=.2)', 'test_close(acc, 0.6, eps=0.2)', .5)])
def test_a_check_tells_its_distance_from_the_limit(margins, source, check, distance):
    from fastcore.test import test_close as close
    noted = seen(margins, source, acc=.7, accs=[.9,.8,.7], approx=pytest.approx, test_close=close)
    assert noted[check]['distance']==pytest.approx(distance) and not noted[check]['failed']

@pytest.mark.parametrize('source', [
    'assert acc>.8', 'assert acc>.5 and not acc', 'assert not acc', 'assert acc in (1,2)', 'test_eq(acc, 1)'])
def test_a_check_that_fails_is_noted_and_the_next_one_runs(margins, source):
    from fastcore.test import test_eq as eq
    noted = seen(margins, f'{source}\nassert acc<9', acc=.7, test_eq=eq)
    assert any(o['failed'] for o in noted.values()) and not noted['acc < 9']['failed']

def test_a_comparison_inside_a_mean_is_no_check(margins):
    noted = seen(margins, 'assert (x>0).float().mean()>.5', x=torch.ones(3))
    assert list(noted)==['(x > 0).float().mean() > 0.5']

def test_every_seed_is_shifted(margins):
    "In a process of its own, since it changes PyTorch"
    code = '''
import margins,torch
torch.manual_seed(3)
print(torch.rand(1).item(), torch.rand(1, generator=torch.Generator().manual_seed(3)).item())
margins.shift_seeds(1)
torch.manual_seed(2)
print(torch.rand(1).item(), torch.rand(1, generator=torch.Generator().manual_seed(2)).item())'''
    plain,shifted = run(code, PYTHONPATH=str(ROOT/'tools')).stdout.splitlines()
    assert plain==shifted and plain.split()[0]==plain.split()[1]

def test_machines_have_names_and_threads(margins):
    machines = margins.machines()
    assert {env['OMP_NUM_THREADS'] for env in machines.values()}=={'1','2','4'}
    assert {env.get('ATEN_CPU_CAPABILITY') for env in machines.values()}=={None,'avx2','default'}

@pytest.mark.parametrize('threads, workers', [('1','2 3'), ('','2 3'), ('4','1 1')])
def test_more_threads_fewer_workers(threads, workers):
    p = run('import run; print(run.WORKERS, run.TEST_WORKERS)', ROOT/'tests', OMP_NUM_THREADS=threads)
    assert p.stdout.strip()==workers, p.stderr
