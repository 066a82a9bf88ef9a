"Assignments for nbgrader: what `make assignments` writes, and what the real nbgrader makes of it"
import json,os,shutil,socket,subprocess,sys,venv

import nbformat
import pytest
from conftest import ROOT

sys.path.append(str(ROOT/'tools'))
import assignments

@pytest.fixture(scope='module')
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp('course')
    assignments.main(folder)
    return folder

def notebooks(course, part): return sorted((course/part).glob('*/*.ipynb'))

def code(nb):
    "The code of the notebook `nb` but for the install cell, in order"
    cells = nbformat.read(nb, as_version=4).cells
    return [c for c in cells if c.cell_type=='code' and '%pip' not in c.source]

def run(cells):
    "How many of the graded cells in `cells` pass"
    namespace,right = {},0
    for c in cells:
        is_graded = c.metadata.get('nbgrader', {}).get('grade', False)
        try: exec(c.source, namespace)
        except AssertionError: continue
        right += is_graded
    return right

def points_in(cells):
    "How many cells of `cells` give points"
    return sum(c.metadata.get('nbgrader', {}).get('grade', False) for c in cells)

def test_every_lesson_that_asks_for_code_is_an_assignment(course):
    lessons = sorted((ROOT/'nbs').glob('[0-9]*.ipynb'))
    asks = [f.stem for f in lessons if '### Your turn' in f.read_text(encoding='utf8')]
    assert asks==[f.stem for f in notebooks(course, 'source')]
    assert asks==[f.stem for f in notebooks(course, 'release')]

def test_our_solutions_get_all_points_and_an_empty_sheet_none(course):
    for source,release in zip(notebooks(course, 'source'), notebooks(course, 'release')):
        cells = code(source)
        assert run(cells)==points_in(cells)>0, source.stem
        assert run(code(release))==0, release.stem

def test_the_learner_sees_no_solution(course):
    for nb in notebooks(course, 'release'):
        text = nb.read_text(encoding='utf8')
        assert 'SOLUTION' not in text and assignments.CODE in text

def test_names_of_graded_cells_are_unique_and_points_whole(course):
    for nb in notebooks(course, 'source'):
        cells = nbformat.read(nb, as_version=4).cells
        about = [c.metadata.nbgrader for c in cells if 'nbgrader' in c.metadata]
        assert len({o.grade_id for o in about})==len(about)
        assert all(o.points>0 for o in about if o.grade)
        assert all(o.solution!=o.locked for o in about)

def test_a_solution_with_other_arguments_is_refused():
    with pytest.raises(ValueError, match='my_sum'):
        assignments.solved('def my_sum(a, b):\n    "Add"', 'def my_sum(a): return a')

def test_the_body_of_every_form_of_definition():
    assert assignments.body('def my_sum(a): return a')=='return a'
    assert assignments.body('def my_sum(a):\n    "Add"\n    b = a\n    return b') == 'b = a\nreturn b'
    stub = 'class MyOptim:\n    "Steps"\n    # Your lines here'
    made = assignments.solved(stub, 'class MyOptim:\n    def step(self): pass')
    body = '    ### BEGIN SOLUTION\n    def step(self): pass\n    ### END SOLUTION'
    assert made=='class MyOptim:\n    "Steps"\n'+body

# The real one

def solve(course, student, lesson, right):
    "Hand in the sheet of `lesson` with our solutions for the tasks in `right`, and `pass` elsewhere"
    nb = nbformat.read(course/'release'/lesson/f'{lesson}.ipynb', as_version=4)
    source = nbformat.read(course/'source'/lesson/f'{lesson}.ipynb', as_version=4)
    for sheet,model in zip(nb.cells, source.cells):
        about = sheet.metadata.get('nbgrader', {})
        if about.get('solution') and about.get('grade_id') in right: sheet.source = model.source
        # as on a busy machine, longer than the 30 seconds that nbgrader gives by itself
        is_slow = sheet.id=='imports' and student=='some'
        if is_slow: sheet.source = f'import time\ntime.sleep(31)\n{sheet.source}'
    folder = course/'submitted'/student/lesson
    folder.mkdir(parents=True)
    nbformat.write(nb, folder/f'{lesson}.ipynb')

@pytest.mark.full
def test_nbgrader_gives_full_partial_and_no_marks(course, tmp_path):
    "In an environment of its own, with the kernel of this one; takes a minute and the network"
    try: socket.create_connection(('pypi.org',443), 10).close()
    except OSError: pytest.skip('nbgrader cannot be had without a network')
    venv.create(tmp_path/'venv', with_pip=True)
    bin = tmp_path/'venv'/('Scripts' if os.name=='nt' else 'bin')
    pip = [bin/'python', '-m', 'pip', 'install', '-q', 'nbgrader']
    subprocess.run(pip, check=True, env={**os.environ, 'PYTHONPATH': ''})
    kernel = tmp_path/'jupyter'/'kernels'/'python3'
    kernel.mkdir(parents=True)
    argv = [sys.executable, '-m', 'ipykernel_launcher', '-f', '{connection_file}']
    ours = dict(PYTHONPATH=str(ROOT), FASTBOOK_CH4_OFFLINE='1', MPLBACKEND='agg')
    spec = dict(argv=argv, display_name='Python 3', language='python', env=ours)
    (kernel/'kernel.json').write_text(json.dumps(spec))
    # nbgrader calls alembic, which stands beside it
    path = os.pathsep.join([str(bin), os.environ['PATH']])
    env = {**os.environ, 'PATH': path, 'PYTHONPATH': '', 'JUPYTER_PATH': str(tmp_path/'jupyter'),
           'HOME': str(tmp_path)}
    def nbgrader(*args):
        p = subprocess.run([bin/'nbgrader', *args], cwd=course, env=env, capture_output=True, text=True)
        assert p.returncode==0, p.stderr
    lessons = [f.stem for f in notebooks(course, 'source')]
    lesson = max(lessons, key=lambda o: points_in(code(course/'source'/o/f'{o}.ipynb')))
    tasks = [c.metadata.nbgrader.grade_id for c in code(course/'source'/lesson/f'{lesson}.ipynb')
             if c.metadata.get('nbgrader', {}).get('solution')]
    assert len(tasks)>1
    learner = course/'release'/lesson/f'{lesson}.ipynb'
    made_here = [c.source for c in nbformat.read(learner, as_version=4).cells]
    shutil.move(learner.parent, tmp_path/'ours')
    nbgrader('generate_assignment', lesson)
    assert [c.source for c in nbformat.read(learner, as_version=4).cells]==made_here
    for student,right in (('right', tasks), ('some', tasks[:1]), ('none', [])):
        solve(course, student, lesson, right)
    nbgrader('autograde', lesson)
    nbgrader('export', '--to', str(tmp_path/'grades.csv'))
    rows = [line.split(',') for line in (tmp_path/'grades.csv').read_text().splitlines()]
    score = {row[rows[0].index('student_id')]: float(row[rows[0].index('raw_score')]) for row in rows[1:]
             if row[rows[0].index('assignment')]==lesson}
    points = assignments.POINTS['turn']
    assert score=={'right': points*len(tasks), 'some': points, 'none': 0}
