"""Print how the project is built: what lessons show, how long lines and modules are, how the data travels.

    python tools/shape.py [FOLDER]

FOLDER is a checkout (default: this one). A row says what is counted, how much there is, and the goal.
A code line holds more than a comment; a shown cell has no `#| hide`; lessons are the notebooks with a number.
"""
import ast,contextlib,io,json,os,re,sys,tempfile
from functools import cache,partial
from importlib.util import resolve_name
from pathlib import Path

ROOT = Path(*sys.argv[1:2] or [Path(__file__).parents[1]]).resolve()
PACKAGE = 'fastbook_ch4'

def code_lines(text): return [o for o in text.splitlines() if o.strip() and not o.strip().startswith('#')]

def share(part, whole): return f'{part/whole:.1%} ({part:,} of {whole:,})'

# Notebooks

NOTEBOOKS = sorted(f for f in (ROOT/'nbs').rglob('*.ipynb') if f.parent.name!='.ipynb_checkpoints')
EXPORT = {'export','exports'}

@cache
def cells(nb):
    "The code cells of the notebook `nb`, each as the names of its directives and its source"
    sources = [''.join(c['source']) for c in json.loads(nb.read_text(encoding='utf8'))['cells']
               if c['cell_type']=='code']
    return [(set(re.findall(r'^#\|\s*(\w+)', o, re.M)), o) for o in sources]

def lessons(first, last): return [f for f in NOTEBOOKS if first<=int('0'+re.match(r'\d*', f.stem)[0])<=last]

def exported(nb): return [source for names,source in cells(nb) if names & EXPORT]

def shown(nb): return [code_lines(source) for names,source in cells(nb) if 'hide' not in names]

def export_share():
    n = sum(len(code_lines(o)) for nb in lessons(1, 11) for o in exported(nb))
    return share(n, sum(map(len, sum(map(shown, lessons(1, 11)), []))))

def long_cells(): return sum(len(lines)>12 for nb in lessons(1, 11) for lines in shown(nb))

def visible_checks(last):
    "Of the cells that check something and export nothing, those that a reader sees"
    checks = [names for nb in lessons(1, last) for names,source in cells(nb) if not names & EXPORT
              and re.search(r'^\s*assert\b|\btest_\w+\(|expect_fail\(', source, re.M)]
    return share(sum('hide' not in names for names in checks), len(checks))

# The learner's hour

def outputs(nb): return [c.get('outputs', []) for c in json.loads(nb.read_text(encoding='utf8'))['cells']]

def first_picture():
    "The place of the first cell of lesson 1 that shows a picture, counted from 1"
    return next(i for i,outs in enumerate(outputs(*lessons(1, 1)), 1)
                if any('image/png' in o.get('data', {}) for o in outs))

def first_training():
    "How many cells of the course a reader has seen when a loop has trained a model on digits"
    seen = 0
    for nb in lessons(1, 11):
        for c in json.loads(nb.read_text(encoding='utf8'))['cells']:
            seen += 1
            source = ''.join(c['source'])
            loop = c['cell_type']=='code' and 'for ' in source and 'backward()' in source
            if loop and re.search(r'\bxb\b|\bimages\b', source): return seen

ASKING = *range(1, 12),*range(13, 17),*range(18, 21)

def lacking(text, *numbers):
    "The lessons among `numbers` that do not contain `text`"
    return [n for n in numbers for nb in lessons(n, n) if text not in nb.read_text(encoding='utf8')] or 'none'

def is_guard(node):
    "Whether the statement `node` refuses something: it raises, or is a call of a check and nothing else"
    if isinstance(node, ast.If): return any(isinstance(o, ast.Raise) for o in node.body)
    called = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and ast.unparse(node.value.func)
    return isinstance(node, ast.Raise) or bool(called) and called.split('.')[-1].startswith('check_')

def guards(body):
    "The guards among the statements `body`, inside loops and branches, too"
    for node in body:
        if is_guard(node): yield node
        else: yield from guards([*getattr(node, 'body', []), *getattr(node, 'orelse', [])])

def functions(source):
    "The functions of `source` and the methods of its classes"
    for node in ast.parse(source).body:
        for o in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(o, ast.FunctionDef): yield o

def guard_share():
    "Of the body lines of what lessons 2 to 6 export, docstrings left out"
    counts = [0,0]
    for source in sum(map(exported, lessons(2, 6)), []):
        lines = source.splitlines()
        for f in functions(source):
            body = f.body[ast.get_docstring(f) is not None:]
            for i,nodes in enumerate((guards(body),body)):
                counts[i] += sum(len(code_lines('\n'.join(lines[o.lineno-1:o.end_lineno]))) for o in nodes)
    return share(*counts)

def module_name(nb):
    "The module that the notebook `nb` exports to, or None"
    found = re.search(r'^#\|\s*default_exp (\S+)', '\n'.join(source for _,source in cells(nb)), re.M)
    return found and found[1]

def notebook_name(nb):
    "The module that the notebook `nb` is named after"
    return re.sub(r'(^|\.)\d+_', r'\1', '.'.join(nb.relative_to(ROOT/'nbs').with_suffix('').parts))

def same_names():
    exporting = [nb for nb in NOTEBOOKS if module_name(nb)]
    return f'{sum(module_name(nb)==notebook_name(nb) for nb in exporting)} of {len(exporting)}'

# Modules

def dotted(file):
    "The name of the module in `file` inside the package"
    parts = file.relative_to(ROOT/PACKAGE).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1]=='__init__' else parts)

MODULES = {dotted(f): f for f in sorted((ROOT/PACKAGE).rglob('*.py')) if f.name!='_modidx.py'}

def long_lines(limit, *folders):
    "Code lines of more than `limit` characters in the package and, with `folders`, these and the notebooks"
    files = [*MODULES.values(), *[f for folder in folders for f in (ROOT/folder).rglob('*.py')]]
    texts = [f.read_text(encoding='utf8') for f in files]
    if folders: texts += [source for nb in NOTEBOOKS for _,source in cells(nb)]
    lines = sum(map(code_lines, texts), [])
    return share(sum(len(o)>limit for o in lines), len(lines))

def largest():
    sizes = sorted((len(code_lines(f.read_text(encoding='utf8'))), name) for name,f in MODULES.items())
    return ', '.join(f'{name} {n}' for n,name in sizes[:-4:-1])

def imports(name):
    "The modules of the package that module `name` imports -> whether at once, not inside a function"
    file,found = MODULES[name],{}
    inside = '.'.join([PACKAGE,*file.relative_to(ROOT/PACKAGE).parts[:-1]])
    todo = [(ast.parse(file.read_text(encoding='utf8')), True)]
    while todo:
        node,at_once = todo.pop()
        names = [o.name for o in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            base = resolve_name('.'*node.level+(node.module or ''), inside)
            names = [f'{base}.{o.name}' if in_package(f'{base}.{o.name}') else base for o in node.names]
        for module in {in_package(o) for o in names}-{None,name}:
            found[module] = found.get(module, False) or at_once
        at_once = at_once and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        todo += [(o, at_once) for o in ast.iter_child_nodes(node)]
    return found

def in_package(name):
    "The module of the package that Python calls `name`, or None"
    module = name.removeprefix(f'{PACKAGE}.')
    return module if module!=name and module in MODULES else None

def reached(uses, start):
    "All modules that `start` imports, directly or not"
    seen,todo = set(),[start]
    while todo:
        new = uses[todo.pop()].keys()-seen
        seen |= new
        todo += new
    return seen

def arrows():
    "Circles, and imports of a later lesson; any other module's place is before the first lesson it serves"
    uses = {name: imports(name) for name in MODULES}
    at_once = {name: {o: True for o,soon in used.items() if soon} for name,used in uses.items()}
    numbers = {module_name(nb): int(nb.stem[:2]) for nb in lessons(1, 99) if module_name(nb)}
    def place(name):
        users = [[n for o,n in numbers.items() if name in reached(graph, o)] for graph in (at_once,uses)]
        return numbers.get(name) or min(users[0] or users[1] or [99])-.5
    below = {name: reached(uses, name) for name in uses}
    circles = {frozenset(o for o in below[name] if name in below[o]) for name in uses if name in below[name]}
    upward = [f'{a} imports {b}' for a in uses for b in uses[a] if place(b)>place(a)]
    return f'{len(circles)}, {len(upward)}' + ''.join(f' ({o})' for o in upward)

def star_names():
    "The names of the star import that fastai's does not have, or not as they are"
    import fastbook_ch4.all as ours
    import fastai.vision.all as theirs
    return sum(k[0]!='_' and getattr(theirs, k, None) is not v for k,v in vars(ours).items())

# The way of the data

def make_images(folder):
    "Three images for each of two labels and splits, old enough to be cached"
    from PIL import Image
    for split in ('train','valid'):
        for i,label in enumerate('ab'):
            (folder/split/label).mkdir(parents=True)
            for k in range(3):
                file = folder/split/label/f'{k}.png'
                Image.new('L', (28,28), 10+60*i+20*k).save(file)
                os.utime(file, (1e9,1e9))

def traced(f):
    "The modules that `f` enters from another, in this order; a function counts once, a `check_` not at all"
    base,entered = f'{ROOT/PACKAGE}{os.sep}',{}
    names = {str(file): name for name,file in MODULES.items()}
    def note(frame, event, _):
        here = names.get(frame.f_code.co_filename)
        if event!='call' or not here or frame.f_code.co_name.startswith(('check_','<module>')): return
        back = frame.f_back
        while back and not back.f_code.co_filename.startswith(base): back = back.f_back
        if not back or back.f_code.co_filename!=frame.f_code.co_filename:
            entered.setdefault((here, frame.f_code.co_qualname))
    sys.setprofile(note)
    try: f()
    finally: sys.setprofile(None)
    return [module for module,_ in entered]

def ladder(folder):
    from fastbook_ch4 import cli
    make_images(folder/'images')
    args = ['ladder', '--data', folder/'images', '--steps', 'pixel,own', '--out', folder/'out']
    with contextlib.redirect_stdout(io.StringIO()):
        if cli.main([str(o) for o in args]): sys.exit('The ladder failed.')

def travels():
    "A stay is a row of first calls into one module from others; a return is a stay where the data was before"
    with tempfile.TemporaryDirectory() as tmp:
        os.environ['FASTAI_HOME'] = f'{tmp}/home'
        ladder(Path(tmp)/'first')  # imports what is imported late
        rooms = traced(lambda: ladder(Path(tmp)/'second'))
    while rooms[1].split('.')[0]=='cli': del rooms[0]
    stays = [room for room,before in zip(rooms, [None,*rooms]) if room!=before]
    return f'{len(stays)}, {len(stays)-len(set(stays))} in {len(set(stays))} modules'

ROWS = [
    ('exported lines, share of all shown code lines, lessons 1–11', export_share, '25 %'),
    ('shown cells of more than 12 lines, lessons 1–11', long_cells, '0'),
    ('body lines that are guards, helpers of lessons 2–6', guard_share, '10 %'),
    ('code lines over 100 characters, package', partial(long_lines, 100), '5 %'),
    ('  package, tools, tests and notebooks', partial(long_lines, 100, 'tools', 'tests'), '5 %'),
    ('code lines over 110 characters, all of these', partial(long_lines, 110, 'tools', 'tests'), 'none'),
    ('largest modules, code lines', largest, '300'),
    ('circles, upward imports', arrows, '0, 0'),
    ('modules named as their notebook', same_names, 'all'),
    ('stays and returns of the data in `ch4 ladder`', travels, '15, 7'),
    ("names in the star import beyond fastai's", star_names, '90'),
    ('visible of the cells that check, lessons 1–11', partial(visible_checks, 11), '67 %'),
    ('  all lessons', partial(visible_checks, 99), '67 %'),
    ('first picture, cell of lesson 1', first_picture, '6'),
    ('first training on digits, cell of the course', first_training, '250'),
    ('lessons without a turn of the reader', partial(lacking, '### Your turn', *ASKING), 'none'),
    ('lessons without answers to the exercises', partial(lacking, '<summary>Answers', *range(1, 21)), 'none'),
]

if __name__=='__main__':
    sys.path.insert(0, str(ROOT))
    print('| | now | goal |\n| --- | --- | --- |')
    for what,count,goal in ROWS: print(f'| {what} | {count()} | {goal} |', flush=True)
