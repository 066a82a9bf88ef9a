"""Make an assignment of each lesson that has a cell called "Your turn", in the format of nbgrader.

    python tools/assignments.py [FOLDER]

Into FOLDER (default: assignments), which is a course as nbgrader knows it, go

    source/LESSON/LESSON.ipynb     the grader's notebook, with solutions, checks and points
    release/LESSON/LESSON.ipynb    the learner's, without the solutions
    nbgrader_config.py

What the reader writes is checked by the check of the lesson (2 points each); the exercises under "Try it" are
for the teacher to read (1 point each). Solutions come from nbs/turns.ipynb and the answers in the lessons.
Notebooks that were made before are replaced.
"""
import ast,copy,re,sys
from pathlib import Path
from textwrap import dedent,indent

import nbformat
from nbformat.v4 import new_code_cell,new_markdown_cell,new_notebook

from docs import settings

ROOT = Path(__file__).resolve().parents[1]
NBS = ROOT/'nbs'
BEGIN,END = '### BEGIN SOLUTION','### END SOLUTION'
CODE,TEXT = '# Your code here','Your answer here'
# nbgrader interrupts a cell after 30 seconds; on a busy machine the imports alone take longer, and everything
# that follows would get no points.
CONFIG = f"""c = get_config()
c.CourseDirectory.course_id = 'fastbook_ch4'
c.ClearSolutions.code_stub = {{'python': {CODE!r}}}
c.ClearSolutions.text_stub = {TEXT!r}
c.Execute.timeout = 300
"""
POINTS = dict(turn=2, exercise=1)

def read(f): return nbformat.read(f, as_version=4).cells

# What a lesson asks for

def definition(source):
    "The function or class in the cell `source` that a reader writes, or None"
    if not re.match(r'(def my_|class My)', source): return None
    return ast.parse(source).body[0]

def turns(cells):
    "Task, stub and check of each cell in `cells` that a reader fills in"
    for before,stub,check in zip(cells, cells[1:], cells[2:]):
        if stub.cell_type=='code' and definition(stub.source):
            task = before.source.partition('### Your turn\n')[2].strip()
            yield task,stub.source,check.source

def items(text):
    "The items of the numbered list in `text`, without their numbers"
    return [o.strip() for o in re.split(r'^\d+\. ', text, flags=re.M)[1:]]

def exercises(cells):
    "The exercises under \"Try it\", each with its answer"
    asked,_,folded = cells[-1].source.partition('## Try it')[2].partition('<details>')
    return list(zip(items(asked), items(folded.partition('</details>')[0]), strict=True)) if folded else []

def body(source):
    "The lines of the one definition in `source`, without its first line and its docstring"
    node = definition(source)
    first = node.body[1 if ast.get_docstring(node) and len(node.body)>1 else 0]
    if first.lineno==node.lineno: return source.splitlines()[node.lineno-1][first.col_offset:]
    lines = source.splitlines()[first.lineno-1:node.end_lineno]
    return dedent('\n'.join(lines))

def solved(stub, solution):
    "The cell `stub` with the body of `solution` between nbgrader's markers"
    ours,theirs = definition(stub),definition(solution)
    is_class = isinstance(ours, ast.ClassDef)
    same_args = is_class or ast.unparse(ours.args)==ast.unparse(theirs.args)
    if ours.name!=theirs.name or not same_args:
        raise ValueError(f'The solution of {ours.name} in turns.ipynb has another name or arguments.')
    head = [line for line in stub.splitlines() if not line.strip().startswith('#')]
    head = head[:ours.body[0].end_lineno] if ast.get_docstring(ours) else head[:1]
    return '\n'.join([*head, indent('\n'.join([BEGIN, body(solution), END]), '    ')])

# The two notebooks

def graded(cell, name, points=None, solution=False):
    "`cell` with what nbgrader wants to know about it"
    cell.id = re.sub(r'\W', '-', name)
    cell.metadata['nbgrader'] = dict(
        schema_version=3, grade_id=name, grade=points is not None, solution=solution, locked=not solution,
        task=False, cell_type=cell.cell_type, **({} if points is None else dict(points=points)))
    return cell

def grader_cells(lesson, solutions, site):
    "The cells of the grader's notebook of `lesson`, none if that asks for nothing"
    cells = read(lesson)
    asked = list(turns(cells))
    if not asked: return []
    checks = [check for _,_,check in asked]
    names = ', '.join(sorted({check.partition('(')[0] for check in checks}))
    title = next(c.source for c in cells if c.cell_type=='markdown').partition('\n')[0]
    where = f'[the lesson]({site}{lesson.stem}.html)' if site else 'the lesson of this name'
    opening = (f'{title}: exercises\n\nThey belong to {where}. '
               'Write where it says so, run the cell below, and read what it answers.')
    yield new_markdown_cell(opening, id='title')
    for c in cells:
        if c.id=='install': yield new_code_cell(c.source.removeprefix('#| hide\n'), id='install')
    imports = f'from fastbook_ch4.all import *\nfrom fastbook_ch4.turns import {names}'
    yield new_code_cell(imports, id='imports')
    for i,(task,stub,check) in enumerate(asked, 1):
        name = definition(stub).name
        yield new_markdown_cell(f'## Task {i}\n\n{task}', id=f'task-{i}')
        yield graded(new_code_cell(solved(stub, solutions[name])), name, solution=True)
        yield new_code_cell(check, id=f'try-{i}')
        yield graded(new_code_cell(f"assert {check}=='Right.', {check}"), f'{name}_is_right', POINTS['turn'])
    for i,(question,answer) in enumerate(exercises(cells), 1):
        yield new_markdown_cell(f'## Exercise {i}\n\n{question}', id=f'question-{i}')
        cell = new_markdown_cell(f'{BEGIN}\n{answer}\n{END}')
        yield graded(cell, f'exercise_{i}', POINTS['exercise'], solution=True)

def cleared(cell):
    "`cell` as a learner gets it"
    stub = CODE if cell.cell_type=='code' else TEXT
    cell = copy.deepcopy(cell)
    cell.source = re.sub(rf'^( *){BEGIN}\n.*?{END}', rf'\1{stub}', cell.source, flags=re.M|re.S)
    return cell

def save(cells, file):
    file.parent.mkdir(parents=True, exist_ok=True)
    metadata = dict(kernelspec=dict(display_name='Python 3', language='python', name='python3'),
                    language_info=dict(name='python'))
    nb = new_notebook(cells=cells, metadata=metadata)
    nbformat.validate(nb)
    nbformat.write(nb, file)

def main(folder):
    nodes = [(definition(c.source), c.source) for c in read(NBS/'turns.ipynb') if c.cell_type=='code']
    cfg = settings()
    solutions = {node.name: ast.get_source_segment(source, node) for node,source in nodes if node}
    n = 0
    for lesson in sorted(NBS.glob('[0-9]*.ipynb')):
        cells = list(grader_cells(lesson, solutions, cfg['public'] and cfg['site']))
        n += bool(cells)
        for part,what in (('source',cells), ('release',[cleared(c) for c in cells])):
            if cells: save(what, folder/part/lesson.stem/lesson.name)
    (folder/'nbgrader_config.py').write_text(CONFIG)
    print(f'{n} assignments in {folder}: the grader\'s in source/, the learner\'s in release/')

if __name__=='__main__': main(Path(*sys.argv[1:2] or [ROOT/'assignments']).resolve())
