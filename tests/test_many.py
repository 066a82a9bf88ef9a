"""Several processes: they share a batch and take one step, and when one dies or is late all end.

Most tests fork this process, which costs nothing; a child has one thread."""
import os,re,signal,subprocess,sys,time
from contextlib import suppress
from pathlib import Path

import pytest,torch,torch.distributed as dist
from accelerate.data_loader import prepare_data_loader
from conftest import ROOT
from fastai.callback.core import Callback
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import accuracy
from fastai.vision.all import DataLoaders,Learner
from fastbook_ch4.cli import main
from fastbook_ch4.learner import batch_accuracy,mnist_loss
from fastbook_ch4.optimizer import BasicOptim
from fastbook_ch4.plumbing import together
from fastbook_ch4.plumbing.together import process_env,run_together,share_training
from packaging.version import Version
from test_fastai_table import classes,colour,grey,path,rows  # noqa: F401 - `path` is a fixture
from torch.utils.data import DataLoader,TensorDataset

forks = pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork and SIGKILL')

# They end together

def write(folder, text):
    folder.mkdir(parents=True, exist_ok=True)
    script = folder/'script.py'
    script.write_text(text)
    return script

def is_running(pid):
    try: os.kill(pid, 0)
    except ProcessLookupError: return False
    state = Path(f'/proc/{pid}/stat')
    # one that has ended and nobody has asked about
    return not state.exists() or state.read_text().rpartition(')')[2].split()[0]!='Z'

def wait_for_the_end(pids):
    "Give processes that have been told to end the time that a busy machine takes"
    end = time.monotonic()+60
    while any(map(is_running, pids)) and time.monotonic()<end: time.sleep(.05)
    assert not any(map(is_running, pids))

# Each says its number; then one does what the test is about, and the others would sleep for an hour
SLEEP = 'import os,signal,time\nprint(os.getpid(), flush=True)\n{}\ntime.sleep(3600)\n'
LAST = 'if os.environ["RANK"]=="2": '

@forks
@pytest.mark.parametrize('what, how', [
    ('os.kill(os.getpid(), signal.SIGKILL)', 'was ended by SIGKILL'),
    ('raise SystemExit(3)', 'ended with status 3'),
    ('raise ValueError("Pass 3")', 'ended with ValueError: Pass 3')])
def test_one_that_dies_ends_all(tmp_path, what, how):
    pids = []
    with pytest.raises(ChildProcessError) as e:
        script = write(tmp_path, SLEEP.format(LAST+what))
        run_together(script, n=3, report=lambda rank, line: pids.append(int(line)))
    assert str(e.value)==f'Process 2 (of 0 to 2) {how}. All were ended.'
    wait_for_the_end(pids)

@forks
def test_one_that_stops_ends_all(tmp_path):
    "A stopped process hears no request to end"
    pids = []
    script = write(tmp_path, SLEEP.format(LAST+'os.kill(os.getpid(), signal.SIGSTOP)'))
    with pytest.raises(TimeoutError, match='No process has said anything for 1 seconds'):
        run_together(script, n=3, patience=1, report=lambda rank, line: pids.append(int(line)))
    wait_for_the_end(pids)

@forks
def test_who_started_them_is_killed(tmp_path):
    "And can tell nobody. The folder has spaces and Korean letters, and the terminal knows ASCII only"
    script = write(tmp_path/'with spaces/한글', SLEEP.format(''))
    driver = ('import sys\nfrom fastbook_ch4.plumbing.together import run_together\n'
              'run_together(sys.argv[1], report=lambda rank, line: print(line, flush=True))')
    env = {**os.environ, 'PYTHONPATH': str(ROOT), 'LC_ALL': 'C', 'LANG': 'C'}
    p = subprocess.Popen([sys.executable, '-c', driver, str(script)], env=env, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True)
    pids = [int(p.stdout.readline()) for _ in range(2)]
    assert all(map(is_running, pids))
    p.send_signal(signal.SIGKILL)
    p.communicate()
    wait_for_the_end(pids)

def test_cores_are_divided(monkeypatch):
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 8)
    assert [process_env(0, n, 1)['OMP_NUM_THREADS'] for n in (1,2,3,16)]==['8','4','2','1']

def test_no_file_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(together.tempfile, 'tempdir', str(tmp_path/'tmp'))
    (tmp_path/'tmp').mkdir()
    with pytest.raises(ChildProcessError): run_together(write(tmp_path, 'raise ValueError'))
    assert not list((tmp_path/'tmp').iterdir())

# The command

@pytest.mark.parametrize('options, message', [
    (['--steps','SGD'], 'not among the --steps'), ([], 'Get it with "pip install accelerate"')])
def test_the_command_refuses_at_once(options, message, monkeypatch, capsys):
    monkeypatch.setattr(together, 'find_spec', lambda name: None)
    assert main(['ladder', '--processes', '2', '--data', 'nowhere', *options])==1
    err = capsys.readouterr().err
    assert message in err and err.count('\n')==1

def test_the_command_refuses_a_launcher_inside_a_launcher(monkeypatch, capsys):
    monkeypatch.setenv('WORLD_SIZE', '2')
    assert main(['ladder', '--processes', '2'])==1
    assert 'Leave --processes out' in capsys.readouterr().err

@pytest.mark.parametrize('n', ['0','17','-1','two'])
def test_the_command_refuses_other_numbers(n, capsys):
    with pytest.raises(SystemExit): main(['ladder', '--processes', n])
    assert 'is not between 1 and 16' in capsys.readouterr().err

def test_too_few_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    with pytest.raises(ValueError, match='there are 1 here'): together.check_processes(2)

# A `Learner` in two processes

def in_processes(n, folder, work):
    "What `work(rank)` returns in each of `n` children of this process that talk by gloo"
    pids = []
    for rank in range(n):
        pid = os.fork()
        if pid:
            pids.append(pid)
            continue
        status = 1
        try:
            torch.set_num_threads(1)
            os.environ.update(process_env(rank, n, 0))
            store = dist.FileStore(str(folder/'store'), n)
            dist.init_process_group('gloo', store=store, rank=rank, world_size=n)
            torch.save(work(rank), folder/f'{rank}.pt')
            status = 0
        finally: os._exit(status)
    ends = [os.waitpid(pid, 0)[1] for pid in pids]
    assert ends==[0]*n
    return [torch.load(folder/f'{rank}.pt', weights_only=False) for rank in range(n)]

class Seen(Callback):
    "The mean of each picture that comes in, and which set it is of"
    def __init__(self): self.means = []
    def before_batch(self):
        means = torch.Tensor(self.xb[0]).flatten(1).mean(1)
        self.means += [(self.training,round(o,6)) for o in means.tolist()]

def trained(dls, model, opt_func, loss_func, metric, order=None, share=False):
    "Train for two epochs; parameters, losses and metric, and the pictures that were seen"
    train = dls.train.new(shuffle=False, drop_last=False, bs=4 if share else 8)
    if order: train = train.new(get_idxs=lambda: order)
    dls = DataLoaders(train, dls.valid.new(bs=5), device='cpu')
    seen = Seen()
    learn = Learner(dls, model, opt_func=opt_func, loss_func=loss_func, metrics=metric, lr=.1)
    if share: share_training(learn)
    with learn.no_bar(), learn.no_logging(): learn.fit(2, cbs=seen)
    return [p.detach().clone() for p in learn.model.parameters()],list(learn.recorder.values[-1]),seen.means

@forks
@pytest.mark.parametrize('loaders', [rows, grey, classes, colour])
@pytest.mark.parametrize('which', [0, 1], ids=['ours','fastai'])
def test_two_processes_take_the_steps_of_one(loaders, which, path, tmp_path):  # noqa: F811
    "By `BasicOptim`, and with fastai's `DistributedDL`; only the way by CUDA is replaced"
    dls,model,_,loss_func,metric = loaders(path)[which]
    start = {name: p.clone() for name,p in model.state_dict().items()}
    how = BasicOptim,*((mnist_loss,batch_accuracy) if loaders is rows else (CrossEntropyLossFlat(),accuracy))
    # fastai gives the first half of the pictures to one process, the second to the other
    order = [half+i for k in range(0, 20, 4) for half in (0,20) for i in range(k, k+4)]
    alone,values,pictures = trained(dls, model, *how, order)
    model.load_state_dict(start)
    results = in_processes(2, tmp_path, lambda rank: trained(dls, model, *how, share=True))
    for params,shared,_ in results:
        assert shared[1:]==pytest.approx(values[1:], rel=1e-4)  # validation loss and metric
        for p,q in zip(params, alone): assert torch.allclose(p, q, rtol=1e-4, atol=1e-6)
    assert all(map(torch.equal, results[0][0], results[1][0]))
    assert not all(torch.allclose(p, q) for p,q in zip(alone, start.values()))
    assert sorted(results[0][2]+results[1][2])==sorted(pictures)

# PyTorch up to 2.7 fails earlier
FAILS = ("Cannot re-initialize CUDA" if Version(torch.__version__)<Version('2.8') else
         "'Sequential' object has no attribute 'device'")

@forks
@pytest.mark.skipif(torch.cuda.is_available(), reason='fastai trains on the GPU')
@pytest.mark.parametrize('options, said', [
    ({}, FAILS), ({'cpu': True}, 'NVIDIA|CUDA')])
def test_what_fastai_s_own_way_says_on_a_cpu(options, said, path, tmp_path):  # noqa: F811
    "As lesson 20 tells it, of fastai 2.8.12"
    def work(rank):
        dls = rows(path)[0][0]
        learn = Learner(dls, torch.nn.Sequential(torch.nn.Linear(784,1)), loss_func=mnist_loss, lr=.1)
        with pytest.raises((AttributeError,RuntimeError,AssertionError)) as e:
            with learn.no_bar(), learn.no_logging(), learn.distrib_ctx(**options): learn.fit(1)
        return str(e.value)
    for message in in_processes(2, tmp_path, work): assert re.search(said, message)

# The answers of lesson 20

def deal(n_pictures, bs, n, rank):
    "The pictures in each batch that accelerate gives to process `rank` of `n`"
    dl = DataLoader(TensorDataset(torch.arange(n_pictures)), batch_size=bs)
    dl = prepare_data_loader(dl, num_processes=n, process_index=rank, put_on_device=False)
    return [b.tolist() for b, in dl]

def test_a_third_process_finds_no_half():
    with pytest.raises(IndexError, match='^tuple index out of range$'): torch.zeros(64).chunk(2)[2]

def test_two_batches_of_64_are_one_of_128():
    first,second = [deal(640, 64, 2, rank) for rank in (0,1)]
    assert [a+b for a,b in zip(first, second)]==[list(range(k, k+128)) for k in range(0, 640, 128)]

def test_ten_pictures_for_three_processes():
    dealt = [deal(10, 4, 3, rank) for rank in range(3)]
    assert dealt==[[[0,1,2,3]], [[4,5,6,7]], [[8,9,0,1]]]

# The step of the ladder

def ladder(out, data, *options):
    "The command as a process, which prints what it is doing"
    cmd = [sys.executable, '-m', 'fastbook_ch4.cli', 'ladder', '--data', data, '--out', out, *options]
    env = {**os.environ, 'PYTHONPATH': str(ROOT)}
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return subprocess.Popen([str(o) for o in cmd], env=env, **pipes)

def parts(pid):
    "The processes that the ladder `pid` has started to train, from Linux's own tables"
    found = []
    for stat in Path('/proc').glob('[0-9]*/stat'):
        with suppress(OSError):
            parent = stat.read_text().rpartition(')')[2].split()[1]
            if parent==str(pid) and b'part.py' in stat.with_name('cmdline').read_bytes(): found.append(stat)
    return [int(stat.parent.name) for stat in found]

@pytest.mark.full
def test_the_ladder_in_two_processes(few, tmp_path):
    p = ladder(tmp_path/'out', few, '--steps', 'pixel,resnet', '--processes', '2')
    out,err = p.communicate(timeout=500)
    assert p.returncode==0 and not err
    assert 'resnet18, trimmed   4,751,808' in out
    names = {f.name for f in (tmp_path/'out').iterdir()}
    assert names=={'ladder.csv','ladder.png','mistakes.png','digits.safetensors'}

@pytest.mark.full
@pytest.mark.skipif(not Path('/proc/self/stat').exists(), reason='needs the tables of Linux')
@pytest.mark.parametrize('seconds', [0, 1, 4, 8])
def test_a_kill_ends_the_ladder_with_one_line(seconds, few, tmp_path):
    p = ladder(tmp_path/'out', few, '--steps', 'resnet', '--processes', '2')
    try:
        while len(pids := parts(p.pid))<2 and p.poll() is None: time.sleep(.05)
        time.sleep(seconds)
        os.kill(pids[-1], signal.SIGKILL)
        out,err = p.communicate(timeout=500)
    finally: p.kill()
    assert p.returncode==1 and re.fullmatch(r'ch4: Process \d \(of 0 to 1\) .*All were ended\.\n', err)
    assert not list((tmp_path/'out').iterdir())
    wait_for_the_end(pids)

@pytest.mark.full
def test_under_a_launcher(few, tmp_path):
    "As on several machines: the first process writes, the other says nothing"
    cmd = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2', '-m',
           'fastbook_ch4.cli', 'ladder', '--data', few, '--out', tmp_path/'out', '--steps', 'pixel,resnet']
    env = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    p = subprocess.run([str(o) for o in cmd], env=env, capture_output=True, text=True, timeout=500)
    assert p.returncode==0 and p.stdout.count('resnet18, trimmed   4,751,808')==1
    assert (tmp_path/'out'/'digits.safetensors').exists()
