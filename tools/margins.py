"""Show how near the checks of notebooks and tests come to their limits, over seeds and machines.

    python tools/margins.py [--seeds N] [--machines NAME,...|all] [--only WORD,...] [--full] [--out DIR]
                            [--report]

Runs every notebook and every test file with each seed shifted by 0, 1, ... N-1, in turn on the machines of
tests/machines.txt, and with no shift on all of them. The code that runs is that of the notebooks and tests:
their asserts are rewritten to note what they compare, and to go on where they would fail. Prints, nearest to
its limit first, each check whose numbers change and each that failed: the worst value, its limit, the
distance between them, and what share this is of the median distance (the room it has). Test files in which
nothing is trained and nothing changes are run with two seeds only.

Into DIR (default: runs/margins) goes a file for each run; those of unchanged notebooks and tests are not run
again. --full: on the data sets that are installed, with the tests marked `full`. --report: only print what
was measured.
"""
import argparse,ast,hashlib,importlib.machinery,importlib.util,json,math,operator,os,random,statistics
import subprocess,sys,tempfile,time,traceback
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OPS = {ast.Lt: '<', ast.LtE: '<=', ast.Gt: '>', ast.GtE: '>=', ast.Eq: '==', ast.NotEq: '!='}
# Comparisons that no training can make false, so that their distance says nothing
BY_CONSTRUCTION = ('0 < loss < 1', '0 <= acc <= 1', 'losses[0] >= losses[1] >= losses[2]',
                   '0 < found.valley < 10', '0.94 < r.accuracy <= 1 [2]',
                   'learn.lr_find(num_it=5, show_plot=False).valley > 0')
QUOTED = ' in text'  # what a page says of one seed holds for no other
COMPARE = {'<': operator.lt, '<=': operator.le, '>': operator.gt, '>=': operator.ge,
           '==': operator.eq, '!=': operator.ne}

def machines():
    "Name -> environment of the machines in tests/machines.txt"
    text = (ROOT/'tests'/'machines.txt').read_text()
    lines = [line.split() for line in text.splitlines() if line and line[0]!='#']
    return {name: dict(o.split('=') for o in env) for name,*env in lines}

# What a check compares

class Rewrite(ast.NodeTransformer):
    "Let asserts, and calls of fastcore's `test_close` and the like, tell `margins` what they compare"
    def visit_Assert(self, node):
        text = ast.unparse(node.test)
        return self.call('verdict', text, ast.Lambda(NO_ARGS, self.truth(node.test)), node)

    def visit_Expr(self, node):
        f = getattr(node.value, 'func', None)
        if not isinstance(f, ast.Name) or not f.id.startswith('test_'): return self.generic_visit(node)
        return self.call('test', ast.unparse(node.value), ast.Lambda(NO_ARGS, node.value), node)

    def call(self, name, text, arg, old):
        new = ast.parse(f'__margins__.{name}({text!r})').body[0]
        new.value.args.append(arg)
        return ast.fix_missing_locations(ast.copy_location(new, old))

    def truth(self, node):
        "`node`, which must be true, with each comparison that must be true in it noted"
        if isinstance(node, ast.Compare) and all(type(o) in OPS for o in node.ops):
            ops = [OPS[type(o)] for o in node.ops]
            new = ast.parse(f'__margins__.compare({ast.unparse(node)!r}, {ops})', mode='eval').body
            new.args += [node.left, *node.comparators]
            return new
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            node.values = [self.truth(o) for o in node.values]
        if isinstance(node, ast.Call):
            f,args = node.func,node.args
            many = len(args)==1 and isinstance(args[0], (ast.GeneratorExp, ast.ListComp))
            if isinstance(f, ast.Name) and f.id=='all' and many: args[0].elt = self.truth(args[0].elt)
            if isinstance(f, ast.Attribute) and f.attr=='all' and not args: f.value = self.truth(f.value)
            if isinstance(f, ast.Attribute) and f.attr=='allclose':
                new = ast.parse(f'__margins__.allclose({ast.unparse(node)!r})', mode='eval').body
                new.args += [f, *args]
                new.keywords = node.keywords
                return new
        return node

NO_ARGS = ast.parse('lambda: 0', mode='eval').body.args

def numbers(x):
    "`x` as float64, or None"
    import torch
    try: return torch.as_tensor(x, dtype=torch.float64).detach().cpu()
    except (TypeError, ValueError, RuntimeError): return None

class Recorder:
    "Keeps the worst of each check"
    def __init__(self, place=''):
        self.place = place
        self.worst,self.trains = {},set()

    def where(self): return os.environ.get('PYTEST_CURRENT_TEST', self.place).split(' (')[0]

    def note(self, text, distance, value='', limit='', failed=False):
        key,old = (self.where(), text),self.worst.get((self.where(), text))
        if not old or distance<old['distance'] or failed>old['failed']:
            self.worst[key] = dict(place=key[0], check=text, distance=distance, value=value, limit=limit,
                                   failed=failed)

    def compare(self, text, ops, *sides):
        "The value of the comparison; each of its parts is noted"
        results = []
        for op,a,b in zip(ops, sides, sides[1:]):
            results.append(COMPARE[op](a, b))
            if op[0] in '<>':
                x,y = numbers(a),numbers(b)
                if x is not None and y is not None and x.numel() and y.numel():
                    slack = (y-x if op[0]=='<' else x-y).nan_to_num(-math.inf)
                    i = slack.argmin()
                    x,y = [o.expand_as(slack).flatten()[i].item() for o in (x,y)]
                    part = f'{text} [{len(results)}]' if len(ops)>1 else text
                    self.note(part, slack.flatten()[i].item(), x, y)
            elif op=='==' and type(b).__name__=='ApproxScalar': self.close(text, a, b.expected, b.tolerance)
        return results[0] if len(results)==1 else all(results)

    def close(self, text, a, b, tolerance):
        a,b = numbers(a),numbers(b)
        tolerance = numbers(tolerance)
        if a is None or b is None or a.numel()*b.numel()==0: return
        off = ((a-b).abs()/tolerance).nan_to_num(math.inf).max().item()
        self.note(text, 1-off, off, 1.)

    def allclose(self, text, f, *sides, rtol=1e-5, atol=1e-8, **kwargs):
        "`f` is PyTorch's function of two sides, or the method of the first one"
        a,b = sides if len(sides)==2 else (f.__self__,*sides)
        y = numbers(b)
        if y is not None and a.shape==b.shape: self.close(text, a, b, atol+rtol*y.abs())
        return f(*sides, rtol=rtol, atol=atol, **kwargs)

    def verdict(self, text, f):
        if f(): return
        noted = self.worst.get((self.where(), text))
        if noted and noted['distance']<=0: noted['failed'] = True
        else: self.note(text, -math.inf, failed=True)

    def test(self, text, f):
        from fastcore import test
        kept = test.is_close
        def is_close(a, b, eps=1e-5):
            self.close(text, a, b, eps)
            return kept(a, b, eps=eps)
        test.is_close = is_close
        try: f()
        except AssertionError: self.note(text, -math.inf, failed=True)
        finally: test.is_close = kept

# Seeds

def shift_seeds(by, on_training=lambda: None):
    "Let every seed be `by` higher, and call `on_training` at each backward pass"
    import numpy as np,torch
    backward = torch.autograd.backward
    def noted(*args, **kwargs):
        on_training()
        return backward(*args, **kwargs)
    torch.autograd.backward = noted
    def shifted(f):
        def seeded(seed=None, *args, **kwargs):
            return f(seed+by if isinstance(seed, Integral) else seed, *args, **kwargs)
        return seeded
    class Generator(torch.Generator):
        def manual_seed(self, seed): return super().manual_seed(seed+by)
    if by:
        random.seed,np.random.seed = shifted(random.seed),shifted(np.random.seed)
        torch.manual_seed,torch.Generator = shifted(torch.manual_seed),Generator

def in_child_processes():
    "What `sitecustomize` does in the processes that a test starts: as above, once PyTorch is loaded"
    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name!='torch': return None
            sys.meta_path.remove(self)
            spec = importlib.util.find_spec(name)
            load = spec.loader.exec_module
            def exec_module(module):
                load(module)
                shift_seeds(int(os.environ['MARGINS_SHIFT']), Path(os.environ['MARGINS_TRAINS']).touch)
            spec.loader.exec_module = exec_module
            return spec
    sys.meta_path.insert(0, Finder())

# One run

def run_notebook(file, rec):
    from execnb.shell import CaptureShell
    from fastcore.nbio import read_nb
    os.chdir(file.parent)
    shell = CaptureShell(path='.')
    shell.user_ns['__margins__'] = rec
    for cell in read_nb(file).cells:
        if cell.cell_type!='code': continue
        source = cell.source
        if 'assert' in source or 'test_' in source:
            options = [line for line in source.splitlines() if line.startswith('#|')]
            try: source = '\n'.join([*options, ast.unparse(Rewrite().visit(ast.parse(source)))])
            except SyntaxError: pass  # a cell with commands of the shell
        rec.place = f'{file.stem} {cell.id}'
        out = shell.run(source)
        for o in out:
            if o['output_type']!='error': continue
            rec.note(f"{o['ename']}: {o['evalue'][:100]}", -math.inf, failed=True)

def run_tests(file, rec, full, chosen):
    import pytest
    class Loader(importlib.machinery.SourceFileLoader):
        def source_to_code(self, data, path, **kwargs):
            tree = ast.fix_missing_locations(Rewrite().visit(ast.parse(data)))
            return compile(tree, path, 'exec', dont_inherit=True)
        def get_code(self, fullname): return self.source_to_code(self.get_data(self.path), self.path)
        def exec_module(self, module):
            module.__margins__ = rec
            super().exec_module(module)
    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name!=file.stem: return None
            return importlib.util.spec_from_loader(name, Loader(name, str(file)))
    class Plugin:
        def pytest_runtest_logreport(self, report):
            if not report.failed: return
            crash = getattr(report.longrepr, 'reprcrash', None)
            said = crash.message.splitlines()[0] if crash else report.longreprtext[-100:]
            rec.worst[report.nodeid,said] = dict(place=report.nodeid, check=said, distance=-math.inf,
                                                 value='', limit='', failed=True)
        def pytest_collection_modifyitems(self, items):
            if chosen is not None: items[:] = [o for o in items if o.nodeid in chosen]
    os.chdir(ROOT)
    sys.meta_path.insert(0, Finder())
    options = ['-q', '--assert=plain', '-p', 'no:cacheprovider', '-m', 'full' if full else 'not full']
    pytest.main([f'tests/{file.name}', *options], plugins=[Plugin()])

# What Python runs as `sitecustomize` in the processes that a test starts
CUSTOMIZE = f'''import sys
sys.path.append({str(ROOT/"tools")!r})
import margins
margins.in_child_processes()
'''

def job(name, shift, out, full, chosen):
    "Run one notebook or test file in a process of its own, and write what was noted to `out`"
    file = next(o for o in targets() if o.stem==name)
    if key(file)!=out.name.split('.')[1]: sys.exit(f'{name} was changed')
    with tempfile.TemporaryDirectory() as tmp:
        (Path(tmp)/'sitecustomize.py').write_text(CUSTOMIZE)
        os.environ |= {'MARGINS_SHIFT': str(shift), 'MARGINS_TRAINS': f'{tmp}/trains',
                       'PYTHONPATH': os.pathsep.join([tmp, str(ROOT)])}
        rec,start = Recorder(),time.time()
        shift_seeds(shift, lambda: rec.trains.add(os.environ.get('PYTEST_CURRENT_TEST', '')))
        if file.suffix=='.py': run_tests(file, rec, full, chosen)
        else: run_notebook(file, rec)
        trains = sorted(rec.trains) or (['a child process'] if (Path(tmp)/'trains').exists() else [])
    rows = [dict(seconds=round(time.time()-start, 1), trains=trains), *rec.worst.values()]
    out.with_suffix('.part').write_text('\n'.join(map(json.dumps, rows))+'\n')
    out.with_suffix('.part').rename(out)

def worker():
    "Run the jobs that standard input lists, each in a copy of this process, which has loaded PyTorch once"
    import fastbook_ch4.all,pytest,execnb.shell  # noqa: F401
    for args in json.load(sys.stdin):
        pid = os.fork()
        if not pid:
            try:
                sys.stdin = open(os.devnull)
                log = os.open(args['out']+'.log', os.O_WRONLY|os.O_CREAT|os.O_TRUNC)
                for fd in (1,2): os.dup2(log, fd)
                job(**{**args, 'out': Path(args['out'])})
            except BaseException: traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(0)
        os.waitpid(pid, 0)
        done = Path(args['out'])
        if done.exists(): Path(args['out']+'.log').unlink()
        head,*rows = read(done) if done.exists() else [{}]
        n_failed = sum(o['failed'] for o in rows)
        said = f"{head['seconds']} s, {n_failed} failed" if head else 'ended without a result'
        print(done.name, said, flush=True)

# All runs

def targets():
    notebooks = [f for f in (ROOT/'nbs').rglob('*.ipynb') if f.parent.name!='.ipynb_checkpoints']
    return sorted(notebooks) + sorted((ROOT/'tests').glob('test_*.py'))

def key(file):
    "Of what is run: the sources of the cells, or of the tests"
    text = file.read_text(encoding='utf8')
    if file.suffix=='.ipynb':
        text = json.dumps([c['source'] for c in json.loads(text)['cells'] if c['cell_type']=='code'])
    return hashlib.sha256(text.encode()).hexdigest()[:8]

def result(out, file, machine, seed, full):
    return out/f"{file.stem}{'-full'*full}.{key(file)}.{machine}.{seed}.jsonl"

def read(file): return [json.loads(line) for line in file.read_text().splitlines()]

def run(machine, jobs, full, home):
    "Run jobs on one machine, one after the other"
    env = {**os.environ, **machines()[machine], 'FASTBOOK_CH4_OFFLINE': '1', 'MPLBACKEND': 'agg',
           'PYTHONPATH': str(ROOT), 'OMP_WAIT_POLICY': 'passive'}
    if not full: env['FASTAI_HOME'] = str(home)
    p = subprocess.Popen([sys.executable, __file__, '--worker'], env=env, text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    p.stdin.write(json.dumps(jobs))
    p.stdin.close()
    for line in p.stdout: print(time.strftime('%H:%M:%S'), line, end='', flush=True)
    p.wait()

def sweep(files, pairs, args, chosen=None):
    "Run `files` on the `pairs` of a machine and a seed, where that was not done; two processes side by side"
    by_machine = {}
    for machine,seed in pairs:
        for f in files:
            out = result(args.out, f, machine, seed, args.full)
            if out.exists() or chosen and chosen[f]==[]: continue
            by_machine.setdefault(machine, []).append(dict(
                name=f.stem, shift=seed, out=str(out.resolve()), full=args.full, chosen=chosen and chosen[f]))
    parts = [(m, jobs[i:i+12]) for m,jobs in by_machine.items() for i in range(0, len(jobs), 12)]
    parts.sort(key=lambda o: o[1][0]['shift'])
    home = args.out.resolve()/'home'
    with ThreadPoolExecutor(2) as pool: list(pool.map(lambda o: run(*o, args.full, home), parts))

def changing(runs):
    "Place and check -> what each run noted, for the checks whose distance changes and those that failed"
    notes = {}
    for rows in runs:
        for r in rows[1:]: notes.setdefault((r['place'], r['check']), []).append(r)
    def varies(rs):
        distances = [r['distance'] for r in rs]
        return max(distances)-min(distances) > 1e-9 or any(r['failed'] for r in rs)
    def says_nothing(check): return check.startswith(BY_CONSTRUCTION) or QUOTED in check
    return {k: rs for k,rs in notes.items() if varies(rs) and not says_nothing(k[1])}

def to_repeat(files, pairs, args):
    """File -> the tests that train or whose numbers change with the seed

    None, which means all, where a fixture of many tests trains, and for notebooks.
    """
    chosen = {}
    for f in files:
        outs = [result(args.out, f, m, s, args.full) for m,s in pairs]
        runs = [read(o) for o in outs if o.exists()]
        trains = {o for rows in runs for o in rows[0]['trains']}
        if f.suffix=='.ipynb': chosen[f] = None if trains or changing(runs) else []
        elif any(o.endswith('(setup)') or o=='a child process' for o in trains): chosen[f] = None
        else: chosen[f] = sorted({o.split(' (')[0] for o in trains} | {place for place,_ in changing(runs)})
    return chosen

def report(files, args):
    "The table, nearest first"
    pattern = f"{{}}{'-full'*args.full}.{{}}.*.jsonl"
    runs = {o: read(o) for f in files for o in args.out.glob(pattern.format(f.stem, key(f)))}
    table = []
    for (place,check),rs in changing(runs.values()).items():
        worst,room = min(rs, key=lambda r: r['distance']),statistics.median(r['distance'] for r in rs)
        n_failed = sum(r['failed'] for r in rs)
        if n_failed and not math.isfinite(worst['distance']): share = -math.inf
        else: share = worst['distance']/room if room>0 else min(worst['distance'], 0)
        table.append((share, worst, n_failed, len(rs), place, check))
    def show(v): return f'{v:.4g}' if isinstance(v, float) else str(v)
    print(f"{'worst':>10} {'limit':>10} {'distance':>10} {'of median':>9} {'failed':>8}  check")
    for share,w,n_failed,n,place,check in sorted(table, key=lambda o: o[0]):
        shown = ' '.join(f'{show(w[k]):>10}' for k in ('value','limit','distance'))
        what = ' '.join(check.split())[:140]
        print(f'{shown} {share:>9.2f} {n_failed:>4}/{n:<3}  {place}: {what}')
    ran,_,on,seeds = map(len, map(set, zip(*[o.stem.split('.') for o in runs]))) if runs else (0,0,0,0)
    print(f'{len(table)} checks of {ran} files; {len(runs)} runs on {on} machines with {seeds} seeds')

def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('--seeds', type=int, default=20, help='how many (default: 20)')
    p.add_argument('--machines', default='all',
                   help='names in tests/machines.txt, separated by commas (default: all)')
    p.add_argument('--only', default='',
                   help='notebooks and tests with one of these words in their names, separated by commas')
    p.add_argument('--full', action='store_true', help='on the installed data sets')
    p.add_argument('--out', type=Path, default=ROOT/'runs'/'margins',
                   help='folder for the results (default: runs/margins)')
    p.add_argument('--report', action='store_true', help='run nothing')
    args = p.parse_args()
    names = list(machines()) if args.machines=='all' else args.machines.split(',')
    files = [f for f in targets() if any(word in f.stem for word in args.only.split(','))]
    if set(names)-set(machines()) or not files or args.seeds<2:
        p.error(f'--machines takes {", ".join(machines())}; --only, a part of a name; --seeds, 2 or more')
    if not args.report:
        args.out.mkdir(parents=True, exist_ok=True)
        first = [(names[i%len(names)], i) for i in (0,1)]
        sweep(files, first, args)
        rest = [(m, 0) for m in names[1:]] + [(names[i%len(names)], i) for i in range(2, args.seeds)]
        sweep(files, rest, args, to_repeat(files, first, args))
    report(files, args)

if __name__=='__main__': worker() if sys.argv[1:]==['--worker'] else main()
