"""Time the chapter's code and ours, side by side, on the full MNIST_SAMPLE.

    python tools/bench.py [--rounds N] [--only WORK,...] [--out DIR] [--page]

For each work both sides run in turn, after one run each that does not count, with a seed of its own per
round; medians count. Run it alone on the machine: nothing fails on a time. Into DIR (default: runs/bench) go
bench.csv, machine.txt and report.txt: the table, commands, memory, growth, and a profile of where our time
goes. --page puts the tables into site/speed.md.
"""
import argparse,cProfile,csv,io,os,platform,pstats,re,statistics,subprocess,sys,tempfile,time,warnings
from functools import partial
from pathlib import Path

from fastprogress.fastprogress import progress_bar
import fastai
from fastbook_ch4 import store
from fastbook_ch4.all import *
from fastbook_ch4.data import Digits
from fastbook_ch4.plumbing.checks import check_targets

PAGE = Path(__file__).parent.parent/'site'/'speed.md'

class Book:
    "The chapter's code as printed; the learners differ from it in being silent"
    def __init__(self, path):
        self.path = path
        self.train_x,self.train_y,self.valid_x,self.valid_y = self.images()

    def images(self):
        "Lists of files, opened one by one and stacked"
        folders = [self.path/split/label for split in ('train','valid') for label in '37']
        stacks = [torch.stack([tensor(Image.open(o)) for o in folder.ls().sorted()]).float()/255
                  for folder in folders]
        xs = [torch.cat(stacks[i:i+2]).view(-1,28*28) for i in (0,2)]
        ys = [tensor([1]*len(stacks[i]) + [0]*len(stacks[i+1])).unsqueeze(1) for i in (0,2)]
        return xs[0],ys[0],xs[1],ys[1]

    @staticmethod
    def loss(predictions, targets):
        predictions = predictions.sigmoid()
        return torch.where(targets==1, 1-predictions, predictions).mean()

    @staticmethod
    def batch_accuracy(xb, yb):
        preds = xb.sigmoid()
        correct = (preds>0.5) == yb
        return correct.float().mean()

    def dls(self):
        dl = DataLoader(list(zip(self.train_x,self.train_y)), batch_size=256)
        valid_dl = DataLoader(list(zip(self.valid_x,self.valid_y)), batch_size=256)
        return DataLoaders(dl, valid_dl)

    def own_loop(self):
        "Batches of 256 in file order, a learning rate of 1"
        dls = self.dls()
        weights,bias = torch.randn(28*28,1).requires_grad_(),torch.randn(1).requires_grad_()
        def linear1(xb): return xb@weights + bias
        for _ in range(20):
            for xb,yb in dls.train:
                self.loss(linear1(xb), yb).backward()
                for p in (weights,bias):
                    p.data -= p.grad*1.
                    p.grad.zero_()
            accs = [self.batch_accuracy(linear1(xb), yb) for xb,yb in dls.valid]
        return torch.stack(accs).mean().item()

    def learner(self, model, epochs, lr):
        learn = Learner(self.dls(), model, opt_func=SGD, loss_func=self.loss, metrics=self.batch_accuracy)
        return last_metric(learn, 'fit', epochs, lr)

    def linear(self):
        "Batches of 256 in file order, a learning rate of 1"
        return self.learner(nn.Linear(28*28,1), 10, 1.)

    def two_layers(self):
        "Batches of 256 in file order, a learning rate of 0.1"
        return self.learner(nn.Sequential(nn.Linear(28*28,30), nn.ReLU(), nn.Linear(30,1)), 40, .1)

    def resnet18(self):
        "Files opened in colour for every batch, batches of 64, fastai's Adam with a learning rate of 0.1"
        dls = ImageDataLoaders.from_folder(self.path)
        learn = cnn_learner(dls, resnet18, pretrained=False, loss_func=F.cross_entropy, metrics=accuracy)
        return last_metric(learn, 'fit_one_cycle', 1, .1)

class Ours:
    "The same work with this package"
    def __init__(self, path):
        self.path = path
        self.digits = Digits.from_folder(path)

    def images(self):
        "Decoded once, then read from the cache"
        return digit_tensors(self.path)

    def own_loop(self):
        "Shuffled batches of 384, a small start, a learning rate of 8"
        weights,bias = init_params((28*28,1), std=.03),init_params(1, std=.03)
        model = partial(linear1, weights=weights, bias=bias)
        return train_model(model, self.digits.dataloaders(bs=384), BasicOptim([weights,bias], 8.), 20)[-1]

    def learner(self, model, bs, epochs, lr):
        return last_metric(digit_learner(self.digits.dataloaders(bs=bs), model), 'fit', epochs, lr)

    def linear(self):
        "Shuffled batches of 512, a learning rate of 4"
        return self.learner(nn.Linear(28*28,1), 512, 10, 4.)

    def two_layers(self):
        "Shuffled batches of 1,024, a learning rate of 2"
        return self.learner(simple_net(), 1024, 40, 2.)

    def resnet18(self):
        "From memory with one channel, trimmed kernels, a fused AdamW with a learning rate of 0.005"
        return last_metric(fast_resnet_learner(grey_dataloaders(self.path)), 'fit_one_cycle', 1)

WORKS = {'images': 'images to tensors, second time', 'own_loop': 'linear model, own loop, 20 epochs',
         'linear': 'linear model in Learner, 10 epochs', 'two_layers': 'two layers in Learner, 40 epochs',
         'resnet18': 'resnet18, one epoch'}

def last_metric(learn, fit, *args):
    "Train `learn` in silence; returns its last metric"
    with learn.no_bar(), learn.no_logging(): getattr(learn, fit)(*args)
    return learn.recorder.values[-1][-1]

def timed(f, seed=0):
    "Seconds that `f` takes, and what it returns"
    set_seed(seed)
    start = time.perf_counter()
    result = f()
    return time.perf_counter()-start, result

def compare(work, sides, rounds):
    "One row of the table"
    fs = [getattr(side, work) for side in sides]
    for f in fs: timed(f)
    runs = [[timed(f, seed) for f in fs] for seed in progress_bar(range(rounds), leave=False)]
    seconds = [[run[i][0] for run in runs] for i in (0,1)]
    book,ours = map(statistics.median, seconds)
    accs = [[run[i][1] for run in runs] for i in (0,1)]
    accs = [statistics.median(o) if isinstance(o[0], float) else None for o in accs]
    spread = max((max(s)-min(s))/statistics.median(s) for s in seconds)
    return dict(work=WORKS[work], book_seconds=book, our_seconds=ours, ratio=ours/book,
                book_accuracy=accs[0], our_accuracy=accs[1], spread=spread)

def child(call, **env):
    "What `call`, a call of this file, prints in a process of its own, whose peak memory is its own, too"
    code = f'import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import bench; bench.{call}'
    return subprocess.run([sys.executable, '-c', code], check=True, stdout=subprocess.PIPE, text=True,
                          env={**os.environ, **env}).stdout

def seconds(*args): return timed(lambda: subprocess.run(args, check=True, capture_output=True))[0]

def command(*args):
    "Median seconds of three calls of a command"
    return statistics.median(seconds(*args) for _ in range(3))

def commands():
    "Rows of what and seconds: how long the commands take"
    ch4 = sys.executable,'-m','fastbook_ch4.cli'
    imported,python = [command(sys.executable, '-c', code) for code in ('import fastbook_ch4','pass')]
    rows = [('`ch4 --help`', command(*ch4, '--help')), ('`ch4 data`', command(*ch4, 'data')),
            ("`import fastbook_ch4`, beyond Python's start", imported-python)]
    with tempfile.TemporaryDirectory() as tmp:
        ladder = seconds(*ch4, 'ladder', '--data', 'full', '--quiet', '--out', tmp)
    return rows+[('`ch4 ladder --data full`, imports included', ladder)]

def peak():
    "Bytes of memory that this process has needed at most"
    status = Path('/proc/self/status')  # Linux counts the parent's peak in `ru_maxrss`, too
    if status.exists(): return 1024*int(re.search(r'VmHWM:\s*(\d+)', status.read_text())[1])
    import resource  # Windows has none
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss*(1 if sys.platform=='darwin' else 1024)

def memory_of_linear_steps():
    "Print the peak memory of loading the full sample and training the linear models, in sizes of its tensors"
    (nn.Linear(2,1)(torch.rand(2,2))).sum().backward()  # what PyTorch itself needs once
    before = peak()
    ours = Ours(mnist_sample())
    ours.own_loop()
    ours.linear()
    tensors = sum(o.nbytes for part in (ours.digits.train,ours.digits.valid) for o in part)
    print((peak()-before)/tensors)

def growth():
    "Rows of images, microseconds per image to load and to train a linear epoch, MB at the peak; of all MNIST"
    files = [f for label in range(10) for f in image_files(store.folder('mnist_png')/'training'/str(label))]
    rows = []
    for n in (1000,10_000,60_000):
        with tempfile.TemporaryDirectory(dir=store.data_home()) as tmp:
            folder = Path(tmp)/'pictures'
            folder.mkdir()
            for i,f in enumerate(files[::len(files)//n][:n]):
                os.link(f, folder/f'{i:05}.png')
                f.read_bytes()  # so that no run waits for the disk
            rows.append((n, *map(float, child(f'grown({str(folder)!r})', FASTAI_HOME=tmp).split())))
    return rows

def grown(folder):
    "Print microseconds per image to decode, to read again and to train one linear epoch, and the MB it took"
    before = peak()
    first,_ = timed(lambda: len(load_images(folder)))
    time.sleep(.2)
    load_images(folder)  # the first call keeps nothing of files that are younger than a tenth of a second
    again,x = timed(lambda: load_images(folder))
    y = torch.arange(len(x))[:,None]%2
    dls,model = Digits('', ['a','b'], (x,y), (x[:256],y[:256])).dataloaders(),nn.Linear(784,1)
    opt = BasicOptim(model.parameters(), 1.)
    train_epoch(model, dls.train, opt, mnist_loss)
    epochs = [timed(lambda: train_epoch(model, dls.train, opt, mnist_loss))[0] for _ in range(5)]
    print(*[1e6*s/len(x) for s in (first, again, statistics.median(epochs))], (peak()-before)/2**20)

def check_cost():
    "The share of a training epoch of the linear model that `mnist_loss` spends on its check of targets"
    xb,yb = torch.rand(512,784),torch.randint(2, (512,1))
    model = nn.Linear(784,1)
    def steps(f): return statistics.median(timed(lambda: [f() for _ in range(200)])[0] for _ in range(5))
    return steps(lambda: check_targets(yb))/steps(lambda: calc_grad(xb, yb, model, mnist_loss))

def profile(ours, works):
    "Where the time of our side goes, by function"
    text = ''
    for work in works:
        with cProfile.Profile() as p: timed(getattr(ours, work))
        out = io.StringIO()
        pstats.Stats(p, stream=out).sort_stats('tottime').print_stats(12)
        rows = out.getvalue().split('filename:lineno(function)')[1]
        head = f'{WORKS[work]}: calls, seconds of its own, per call, with what it calls, per call'
        text += f'\n{head}\n' + rows.replace(str(Path.cwd()), '.').strip('\n') + '\n'
    return re.sub(r'\S*site-packages/', '', text)

def machine():
    "What this runs on, in plain words"
    info = Path('/proc/cpuinfo')
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else 'no GPU'
    names = re.findall(r'model name\s*: (.*)', info.read_text()) if info.exists() else [platform.processor()]
    return (f'{os.cpu_count()} CPU cores ({names[0] if names else platform.machine()}), {gpu}, '
            f'{platform.system()}, Python {platform.python_version()}, '
            f'PyTorch {torch.__version__.split("+")[0]}, fastai {fastai.__version__}, '
            f'{torch.get_num_threads()} threads')

def markdown(head, rows):
    "A table, each row a line"
    return '\n'.join('| '+' | '.join(map(str, row))+' |' for row in [head, ['---']*len(head), *rows])

COLUMNS = 'work','book_seconds','our_seconds','ratio','book_accuracy','our_accuracy'
HEAD = ['Work','Book, s','Ours, s','Ratio','Acc. book','ours','Spread']
GROWTH = ['Images','decode, µs each','read again, µs each','linear epoch, µs each','peak memory, MB']

def write_rows(rows, file):
    with open(file, 'w', newline='') as f:
        out = csv.DictWriter(f, COLUMNS, extrasaction='ignore', lineterminator='\n')
        out.writeheader()
        for r in rows: out.writerow({k: f'{v:.4f}' if isinstance(v, float) else v for k,v in r.items()})

def shown(r):
    "One row of the table, as text"
    formats = dict(book_seconds='.2f', our_seconds='.2f', ratio='.2f', book_accuracy='.4f',
                   our_accuracy='.4f', spread='.0%')
    return [r['work'], *['' if r[k] is None else format(r[k], spec) for k,spec in formats.items()]]

def other_tables():
    "Tables of commands and memory and, where all of MNIST is installed, of growth"
    times = float(child('memory_of_linear_steps()'))
    rows = [[what, f'{s:.2f} s'] for what,s in commands()]
    rows.append(['peak memory, loading and both linear models', f'{times:.1f} times the tensors'])
    rows.append(['check of the targets in `mnist_loss`', f'{check_cost():.0%} of a step of the linear model'])
    tables = [markdown(['What','Measured'], rows)]
    if store.is_installed('mnist_png'):
        tables.append(markdown(GROWTH, [[f'{int(n):,}', *[f'{v:.1f}' for v in vs]] for n,*vs in growth()]))
    return tables

def write_page(machine, tables):
    text = '\n\n'.join([f'Measured on: {machine}.', *tables])
    page = PAGE.read_text(encoding='utf8')
    before,_,rest = page.partition('<!-- bench -->\n')
    after = rest.partition('<!-- end -->')[2]
    PAGE.write_text(f'{before}<!-- bench -->\n\n{text}\n\n<!-- end -->{after}', encoding='utf8')

def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('--rounds', type=int, default=5,
                   help='rounds of each work, three at most for resnet18 (default: 5)')
    p.add_argument('--only', default=','.join(WORKS),
                   help=f'works to run, separated by commas: {", ".join(WORKS)}')
    p.add_argument('--out', type=Path, default=Path('runs/bench'),
                   help='folder for the results (default: runs/bench)')
    p.add_argument('--page', action='store_true', help='put the tables into site/speed.md')
    args = p.parse_args()
    works = args.only.split(',')
    if args.rounds<1 or set(works)-set(WORKS):
        p.error(f'--rounds is at least 1, and --only takes {", ".join(WORKS)}')
    if not store.is_installed('mnist_sample'):
        sys.exit('The full MNIST_SAMPLE is needed: ch4 data --download')
    args.out.mkdir(parents=True, exist_ok=True)
    warnings.filterwarnings('ignore', message='`cnn_learner` has been renamed')
    path = store.folder('mnist_sample')
    book,ours = Book(path),Ours(path)
    rows = []
    for work in works:
        print(WORKS[work], '…', flush=True)
        rows.append(compare(work, (book,ours), min(args.rounds, 3) if work=='resnet18' else args.rounds))
    write_rows(rows, args.out/'bench.csv')
    here,tables = machine(),[markdown(HEAD, map(shown, rows))]
    (args.out/'machine.txt').write_text(here+'\n')
    print(tables[0])
    if args.only==','.join(WORKS):
        print('commands, memory and growth …', flush=True)
        tables += other_tables()
        print('\n'.join(['',*tables[1:]]))
    (args.out/'report.txt').write_text('\n\n'.join([here,*tables])+'\n'+profile(ours, works))
    if args.page: write_page(here, tables)
    print(f'\nbench.csv, machine.txt and report.txt are in {args.out}')

if __name__=='__main__': main()
