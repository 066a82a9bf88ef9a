"""The form of the code: lines and functions that one can read.

What ruff can hold, it does (pyproject.toml); the rest is here. `TODO` says what is still open, file by file.
"""
import ast,io,json,re,subprocess,sys,tokenize
from functools import cache

import pytest
from conftest import NOTEBOOKS, ROOT

PACKAGE = sorted(f for f in (ROOT/'fastbook_ch4').rglob('*.py') if f.name!='_modidx.py')
SCRIPTS = sorted(f for folder in ('tools','tests') for f in (ROOT/folder).rglob('*.py'))
FILES = {f.relative_to(ROOT).as_posix(): f for f in [*PACKAGE, *SCRIPTS, *NOTEBOOKS]}
CHAPTER = re.compile(r'nbs/(0\d|1[01])_')  # its lessons, 1 to 11

# File -> the rules it breaks: those of ruff by their codes, those of this file by the words used below
TODO = {
    'fastbook_ch4/all.py': 'lines',
    'fastbook_ch4/app.py': 'assignments functions lines',
    'fastbook_ch4/application.py': 'assignments errors functions lines',
    'fastbook_ch4/baseline.py': 'E702 assignments errors lines',
    'fastbook_ch4/birds.py': 'errors functions lines',
    'fastbook_ch4/cli.py': 'functions lines',
    'fastbook_ch4/data.py': 'errors functions lines',
    'fastbook_ch4/descent.py': 'errors functions lines',
    'fastbook_ch4/doctor.py': 'F401 assignments lines',
    'fastbook_ch4/figures.py': 'E731 assignments errors functions lines modules',
    'fastbook_ch4/lab.py': 'lines',
    'fastbook_ch4/ladder.py': 'assignments errors functions lines',
    'fastbook_ch4/learner.py': 'errors lines',
    'fastbook_ch4/loaders.py': 'assignments errors lines',
    'fastbook_ch4/loss.py': 'errors lines',
    'fastbook_ch4/multiclass.py': 'errors functions lines',
    'fastbook_ch4/optimizer.py': 'errors functions lines',
    'fastbook_ch4/quiet_fastai.py': 'F401',
    'fastbook_ch4/store.py': 'assignments functions lines',
    'fastbook_ch4/training.py': 'errors lines',
    'fastbook_ch4/vision.py': 'assignments errors functions lines',
    'tests/run.py': 'E402 E501',
    'tests/test_app.py': 'E501 F401',
    'tests/test_application.py': 'E501',
    'tests/test_cli.py': 'E501',
    'tests/test_data.py': 'E501',
    'tests/test_doctor.py': 'E501',
    'tests/test_download.py': 'E501',
    'tests/test_figures.py': 'E501 E731',
    'tests/test_kills.py': 'E501',
    'tests/test_lab.py': 'E501',
    'tests/test_ladder.py': 'E501',
    'tests/test_notebooks.py': 'E501',
    'tests/test_project.py': 'E501',
    'tests/test_requirements.py': 'E501',
    'tests/test_site.py': 'E501 F401',
    'tests/test_speed.py': 'E501 F841',
    'tests/test_workflows.py': 'E501',
    'tools/docs.py': 'E501',
    'nbs/01_data.ipynb': 'E501 cells',
    'nbs/02_baseline.ipynb': 'E501 E702 assignments cells',
    'nbs/03_descent.ipynb': 'E501 cells',
    'nbs/04_loss.ipynb': 'E501 cells',
    'nbs/05_training.ipynb': 'E501 E702 cells',
    'nbs/06_optimizer.ipynb': 'E501 cells',
    'nbs/07_learner.ipynb': 'E501',
    'nbs/08_models.ipynb': 'E501',
    'nbs/09_vision.ipynb': 'E501 assignments cells',
    'nbs/10_ladder.ipynb': 'E501 assignments cells',
    'nbs/11_pitfalls.ipynb': 'E501 E731 E741 assignments',
    'nbs/14_birds.ipynb': 'E501 assignments',
    'nbs/15_multiclass.ipynb': 'E501 E702',
    'nbs/16_application.ipynb': 'E501 F823 assignments',
    'nbs/figures.ipynb': 'E501 E731 assignments',
    'nbs/loaders.ipynb': 'E501 assignments',
}

# The rules, each a generator of line numbers, rules and what is wrong

def code_lines(lines): return sum(bool(line.strip()) and line.strip()[0]!='#' for line in lines)

def n_assigned(node):
    "How many assignments the statement `node` makes; what one call or loop returns is one"
    if isinstance(node, (ast.AugAssign, ast.AnnAssign)): return 1
    if not isinstance(node, ast.Assign): return 0
    side_by_side = isinstance(node.value, (ast.Tuple, ast.List)) and len(node.value.elts)>1
    names = [getattr(o, 'elts', [o]) if side_by_side else [o] for o in node.targets]
    return max(len(names), *map(len, names))

def assignments(source):
    "More than two on a line"
    n = {}
    for node in ast.walk(ast.parse(source)):
        if n_assigned(node): n[node.lineno] = n.get(node.lineno, 0)+n_assigned(node)
    for line,count in n.items():
        if count>2: yield line,'assignments',f'{count} assignments'

def errors(source):
    "Errors in the comments of a signature; the failing cell tells them"
    functions = [d for d in ast.walk(ast.parse(source)) if isinstance(d, ast.FunctionDef)]
    signature = {i for d in functions for i in range(d.lineno, d.body[0].lineno)}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        told = token.type==tokenize.COMMENT and re.search(r'[A-Z]\w*Error\b', token.string)
        if told and token.start[0] in signature: yield token.start[0],'errors',f'{told[0]} in a signature'

def functions(source, most):
    "Bodies of more than `most` lines of code, docstrings left out"
    lines = source.splitlines()
    for d in ast.walk(ast.parse(source)):
        if not isinstance(d, (ast.FunctionDef, ast.AsyncFunctionDef)): continue
        body = d.body[ast.get_docstring(d) is not None:]
        n = code_lines(lines[body[0].lineno-1:d.end_lineno]) if body else 0
        if n>most: yield d.lineno,'functions',f'{d.name} has {n} lines, not {most}'

def long_lines(source):
    "More than 110 characters, but for the lists of names that nbdev-export writes"
    lists = [o for o in ast.parse(source).body if isinstance(o, ast.Assign) and 'AUTOGENERATED' in source]
    names = {i for o in lists if ast.unparse(o.targets)=='__all__' for i in range(o.lineno, o.end_lineno+1)}
    for i,line in enumerate(source.splitlines(), 1):
        if len(line)>110 and i not in names: yield i,'lines',f'{len(line)} characters'

def modules(source):
    "More than 300 lines of code"
    n = code_lines(source.splitlines())
    if n>300: yield 1,'modules',f'{n} lines of code'

# Where they hold

@cache
def by_ruff():
    "File -> what ruff finds there"
    cmd = [sys.executable, '-m', 'ruff', 'check', '--no-cache', '--output-format', 'json']
    p = subprocess.run([*cmd, *FILES], cwd=ROOT, capture_output=True, text=True, encoding='utf8')
    assert p.stdout, p.stderr
    found,names = {},{str(f): name for name,f in FILES.items()}
    for o in json.loads(p.stdout):
        cell = f"cell {o['cell']}, " if o['cell'] else ''
        place = f"{cell}{o['location']['row']}"
        found.setdefault(names[o['filename']], []).append((place, o['code'] or 'syntax', o['message']))
    return found

@cache
def lessons():
    "The modules that lessons export to, as files"
    texts = [f.read_text(encoding='utf8') for f in NOTEBOOKS if f.stem[0].isdigit()]
    names = [name for text in texts for name in re.findall(r'#\| default_exp ([\w.]+)', text)]
    return {f'fastbook_ch4/{name.replace(".", "/")}.py' for name in names}

def in_module(name, source):
    yield from long_lines(source)
    yield from errors(source)
    yield from functions(source, 10 if name in lessons() else 20)
    if name!='fastbook_ch4/questions.py': yield from modules(source)  # one form, repeated

def in_notebook(name, source):
    cells = [''.join(c['source']) for c in json.loads(source)['cells'] if c['cell_type']=='code']
    for i,cell in enumerate(cells, 1):
        python = re.sub(r'^(\s*)[%!].*', r'\1pass', cell, flags=re.M)
        for line,rule,what in assignments('' if cell.startswith('%%') else python):
            yield f'code cell {i}, {line}',rule,what
        n = code_lines(cell.splitlines())
        if n>12 and CHAPTER.match(name) and not re.search(r'^#\|\s*hide\b', cell, re.M):
            yield f'code cell {i}','cells',f'{n} lines are shown'

def broken(name):
    "What the file `name` breaks: places, rules, and what is wrong"
    source = FILES[name].read_text(encoding='utf8')
    found = list(by_ruff().get(name, []))
    if name.endswith('.ipynb'): return found+list(in_notebook(name, source))
    found += assignments(source)
    return found+list(in_module(name, source)) if name.startswith('fastbook_ch4/') else found

@pytest.mark.parametrize('name', FILES)
def test_form(name):
    "A file in `TODO` breaks the rules it has there, and must not have others"
    found,todo = broken(name),TODO.get(name, '').split()
    new = [f'{name}, {place}: {what} ({rule})' for place,rule,what in found if rule not in todo]
    assert not new, '\n'.join(new)
    done = set(todo)-{rule for _,rule,_ in found}
    assert not done, f'{name} has no more of {" ".join(sorted(done))}: take that out of TODO'

def test_todo_names_files_that_exist(): assert TODO.keys()<=FILES.keys()

@pytest.mark.parametrize('line, n', [
    ('a = 1', 0), ('a,b = 1,2', 0), ('a,b,c = 1,2,3', 3), ('a = 1; b,c = 2,3', 3), ('a,b,c = f()', 0),
    ('a = b = c = 0', 3), ('[a,b,c] = 1,*d', 3), ('a += 1; b: int = 2; c = 3', 3), ('if a: b,c = 1,2', 0)])
def test_what_counts_as_an_assignment(line, n):
    assert [what for *_,what in assignments(line)]==([f'{n} assignments'] if n else [])

def of_two_lines(source): return functions(source, 2)

@pytest.mark.parametrize('rule, good, bad', [
    (errors, 'def f(\n  a # One\n): # Two\n  b # `ValueError`', 'def f(\n  a # `ValueError`, or\n): b'),
    (errors, 'class A:\n  b: int # `ValueError`', 'class A:\n  def f(self,\n    a # `TypeError`\n  ): b'),
    (long_lines, '# AUTOGENERATED\n__all__ = ["'+110*'a'+'"]', '__all__ = ["'+110*'a'+'"]'),
    (of_two_lines, 'def f():\n  "a"\n\n  a\n  # b\n  c', 'def f():\n  "a"\n  b\n  c\n  d'),
    (modules, 300*'a\n'+'\n# b', 301*'a\n')],
    ids=['errors','errors of a method','lines','functions','modules'])
def test_each_rule_sees_what_it_should(rule, good, bad):
    assert not list(rule(good)) and len(list(rule(bad)))==1
