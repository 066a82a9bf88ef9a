"`ch4 lab`: the lessons in a folder of the reader's own, and JupyterLab on them"
import json,os,shutil,signal,subprocess,sys,time

import nbformat,pytest
from conftest import NOTEBOOKS,ROOT,place
from fastbook_ch4 import cli
from fastbook_ch4.cli import lab


@pytest.fixture
def lessons(tmp_path):
    "The lessons of a small package, as a wheel installs them: a text written there is a lesson's new version"
    package = tmp_path/'site'/'fastbook_ch4'
    shutil.copytree(ROOT/'fastbook_ch4', package, ignore=shutil.ignore_patterns('shipped', '__pycache__'))
    folder = package/'lessons'
    folder.mkdir()
    for name in ('index','one','two'): (folder/f'{name}.ipynb').write_text(f'{name} by the authors')
    return folder

@pytest.fixture
def mine(tmp_path): return tmp_path/'mine'

@pytest.fixture
def copy(ch4, lessons, mine):
    "Function that runs `ch4 lab --no-open` on that package and the folder `mine`; returns what it says"
    def run():
        p = ch4('lab', '--no-open', mine, cwd=lessons.parents[1])  # `python -m` finds the package there
        assert (p.returncode, p.stderr)==(0, '')
        return p.stdout
    return run

def files(folder):
    "The files in `folder` and its folders, by their paths in it"
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob('*') if f.is_file()}

def texts(folder): return {f.stem: f.read_text() for f in sorted(folder.glob('*.ipynb'))}

# A background job hands down that Ctrl-C is ignored
def heed_ctrl_c(): signal.signal(signal.SIGINT, signal.SIG_DFL)

# Copying

def test_a_missing_lesson_is_copied(copy, lessons, mine):
    assert '3 copied' in copy() and texts(mine)==texts(lessons)
    (mine/'one.ipynb').unlink()
    assert '1 copied' in copy() and texts(mine)==texts(lessons)

def test_a_lesson_like_the_shipped_one_is_left(copy, lessons, mine):
    shutil.copytree(lessons, mine)
    os.utime(mine/'one.ipynb', (0,0))
    for _ in range(2): assert copy()==f'Lessons in {mine}\n' and (mine/'one.ipynb').stat().st_mtime==0

def test_an_untouched_lesson_is_updated(copy, lessons, mine):
    copy()
    (lessons/'one.ipynb').write_text('one, corrected')
    assert '1 updated from the package: one.ipynb' in copy()
    assert (mine/'one.ipynb').read_text()=='one, corrected'
    assert copy()==f'Lessons in {mine}\n'

def test_a_changed_lesson_stays_without_a_question(copy, lessons, mine):
    copy()
    (mine/'one.ipynb').write_text('one, with my outputs')
    said = copy()
    assert '1 changed by you, left as they are' in said and 'differ' not in said
    assert texts(mine)=={**texts(lessons), 'one': 'one, with my outputs'}

def test_other_files_are_none_of_our_business(copy, mine):
    (mine/'data').mkdir(parents=True)
    (mine/'three.ipynb').write_text('my own')
    copy()
    assert (mine/'three.ipynb').read_text()=='my own' and sorted(os.listdir(mine))==[
        lab.RECORD, 'data', 'index.ipynb', 'one.ipynb', 'three.ipynb', 'two.ipynb']

def test_opening_a_lesson_is_no_change(ch4, mine):
    "JupyterLab adds metadata to a notebook that is only looked at"
    ch4('lab', '--no-open', mine)
    for f in mine.rglob('*.ipynb'):
        nb = nbformat.read(f, as_version=4)
        nb.metadata['language_info'] = {'name': 'python'}
        nbformat.write(nb, f)
        assert f.read_bytes()!=(ROOT/'nbs'/f.relative_to(mine)).read_bytes()
    assert ch4('lab', '--no-open', mine).stdout==f'Lessons in {mine}\n'

# Changed by the reader and in the package

@pytest.fixture
def both(copy, lessons, mine):
    "The folder `mine`, where the reader changed two lessons that then changed in the package"
    copy()
    for name in ('one','two'):
        (mine/f'{name}.ipynb').write_text(f'{name} by me')
        (lessons/f'{name}.ipynb').write_text(f'{name}, corrected')
    return mine

def press_ctrl_c(p):
    "Until the process `p` hears it: just after its question it is deaf for a moment"
    while p.poll() is None:
        p.send_signal(signal.SIGINT)
        try: p.wait(1)
        except subprocess.TimeoutExpired: pass

@pytest.fixture
def terminal(lessons):
    "Function that answers the question of `ch4 lab --no-open FOLDER`; returns the status and what is seen"
    pty = pytest.importorskip('pty')
    def run(folder, answer):
        ours,theirs = pty.openpty()
        cmd = [sys.executable, '-m', 'fastbook_ch4.cli', 'lab', '--no-open', str(folder)]
        p = subprocess.Popen(cmd, stdin=theirs, stdout=theirs, stderr=theirs, cwd=lessons.parents[1],
                             preexec_fn=heed_ctrl_c)
        os.close(theirs)
        seen = b''
        while True:
            try: seen += (new := os.read(ours, 1000))
            except OSError: new = b''  # Linux says so when the other end is closed
            if not new: break
            if not seen.endswith(b'[y/N] '): continue
            press_ctrl_c(p) if answer=='Ctrl-C' else os.write(ours, answer.encode())
        os.close(ours)
        return p.wait(), seen.decode().replace('\r\n', '\n')
    return run

def test_replace_keeps_both(both, lessons, terminal):
    status,seen = terminal(both, 'y\n')
    assert status==0 and seen.count('?')==1 and '\n  one.ipynb\n  two.ipynb\n' in seen
    assert 'one.ipynb replaced; yours is one_mine.ipynb' in seen
    assert texts(both)=={**texts(lessons), 'one_mine': 'one by me', 'two_mine': 'two by me'}
    (both/'one.ipynb').write_text('one, corrected, by me')
    assert terminal(both, 'y\n')==(0, f'Lessons in {both}\n  1 changed by you, left as they are\n')

def test_a_second_replace_finds_another_name(both, lessons, terminal):
    (both/'one_mine.ipynb').write_text('of an earlier time')
    terminal(both, 'yes\n')
    assert texts(both)=={**texts(lessons), 'one_mine': 'of an earlier time', 'one_mine_2': 'one by me',
                         'two_mine': 'two by me'}

@pytest.mark.parametrize('answer', ['\n', 'n\n', 'what?\n', '\x04'], ids=['Enter','n','what','Ctrl-D'])
def test_keep_is_the_default(both, terminal, answer):
    before = texts(both)
    status,seen = terminal(both, answer)
    assert status==0 and 'They stay as they are' in seen and texts(both)==before

def test_who_kept_is_asked_again_only_when_the_lesson_changes_again(both, lessons, terminal):
    terminal(both, 'n\n')
    assert 'Replace' not in terminal(both, 'y\n')[1]
    (lessons/'one.ipynb').write_text('one, corrected twice')
    seen = terminal(both, 'y\n')[1]
    assert 'Replace' in seen and 'two.ipynb' not in seen
    assert texts(both)=={**texts(lessons), 'one_mine': 'one by me', 'two': 'two by me'}

def test_the_rest_is_copied_before_the_question(both, lessons, terminal):
    (lessons/'index.ipynb').write_text('index, corrected')
    status,seen = terminal(both, 'Ctrl-C')
    assert status==130 and 'Traceback' not in seen
    assert texts(both)=={'index': 'index, corrected', 'one': 'one by me', 'two': 'two by me'}

def test_without_a_terminal_nothing_is_replaced(both, copy, lessons):
    before = files(both)
    for _ in range(2):
        said = copy()
        assert '\n  one.ipynb\n  two.ipynb\n' in said and 'rename yours and run this command again' in said
        assert files(both)==before
    (both/'one.ipynb').rename(both/'my one.ipynb')
    copy()
    assert (both/'one.ipynb').read_text()=='one, corrected'

@pytest.mark.parametrize('record', ['', '{"one.ipynb": ', '[1]', '"one"', '\x00', '{"one.ipynb": [7]}', None])
def test_a_damaged_record_is_as_good_as_none(copy, lessons, mine, record):
    copy()
    (mine/'one.ipynb').write_text('one by me')
    (mine/lab.RECORD).unlink() if record is None else (mine/lab.RECORD).write_text(record)
    said = copy()
    assert '\n  one.ipynb\n' in said and 'two.ipynb' not in said
    assert (mine/'one.ipynb').read_text()=='one by me'
    (lessons/'two.ipynb').write_text('two, corrected')
    assert 'updated from the package: two.ipynb' in copy()

# The folder

def test_from_a_checkout_into_the_default_folder(ch4, tmp_path):
    "And again from inside it, where no second one is made"
    assert f'{len(NOTEBOOKS)} copied' in ch4('lab', '--no-open', cwd=tmp_path).stdout
    made = tmp_path/'ch4_lessons'
    copied = {name: data for name,data in files(made).items() if name!=lab.RECORD}
    assert copied=={f'{place(f)}.ipynb': f.read_bytes() for f in NOTEBOOKS}
    assert ch4('lab', '--no-open', cwd=made).stdout==f'Lessons in {made}\n'
    assert not (made/'ch4_lessons').exists()

def test_the_lessons_themselves_are_not_copied(ch4, lessons):
    before = files(lessons)
    p = ch4('lab', '--no-open', lessons, cwd=lessons.parents[1])
    assert p.returncode==0 and 'nothing was copied' in p.stdout and files(lessons)==before

def refused(p):
    one_line = p.stderr.startswith('ch4: ') and p.stderr.count('\n')==1
    return p.returncode==1 and p.stdout=='' and one_line and 'ch4 lab FOLDER' in p.stderr

def test_not_a_folder(ch4, mine):
    mine.write_text('dear folder')
    p = ch4('lab', mine)
    assert refused(p) and f'{mine} is not a folder' in p.stderr and mine.read_text()=='dear folder'
    for name in (mine/'below', mine.with_name('x'*300)): assert refused(ch4('lab', name))

def test_a_folder_where_a_lesson_should_be(ch4, mine):
    (mine/'02_baseline.ipynb').mkdir(parents=True)
    p = ch4('lab', mine)
    assert refused(p) and '02_baseline.ipynb' in p.stderr

FULL_DISK = '''
import resource,sys
from fastbook_ch4 import cli
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),)*2)
sys.exit(cli.main(['lab', '--no-open', sys.argv[1]]))
'''

def test_nothing_is_half_written(mine):
    "No file larger than the first two lessons can be written, as on a full disk"
    pytest.importorskip('resource')
    limit = max(f.stat().st_size for f in NOTEBOOKS[:2])
    cmd = [sys.executable, '-c', FULL_DISK, mine, str(limit)]
    p = subprocess.run(cmd, cwd=ROOT, capture_output=True, text=True)
    assert refused(p) and '03_descent.ipynb' in p.stderr
    assert files(mine)=={f.name: f.read_bytes() for f in NOTEBOOKS[:2]}

# JupyterLab

posix = pytest.mark.skipif(os.name=='nt', reason='Windows has no such signals')
FAKE = '''
import colorsys,json,os,sys,time
try:
    print('JupyterLab is here', flush=True)
    open(os.environ['CALLED'], 'w').write(json.dumps([sys.argv[1:], sys.executable]))
    time.sleep(float(os.environ.get('LASTS', 0)))
except KeyboardInterrupt:
    time.sleep(1)
    print('JupyterLab has ended')
if os.environ['STATUS'][0]=='-': os.kill(os.getpid(), -int(os.environ['STATUS']))
sys.exit(int(os.environ['STATUS']))
'''

@pytest.fixture
def jupyter(tmp_path):
    "The environment with a package `jupyterlab` that only notes how it was called"
    fake = tmp_path/'fake'
    (fake/'jupyterlab').mkdir(parents=True)
    for name,text in (('__init__',''), ('__main__',FAKE)): (fake/'jupyterlab'/f'{name}.py').write_text(text)
    return {'PYTHONPATH': f'{ROOT}{os.pathsep}{fake}', 'CALLED': str(tmp_path/'called'), 'STATUS': '0'}

@pytest.mark.parametrize('ends, status', [('0',0), ('7',7), pytest.param('-15', 143, marks=posix)])
def test_opens_jupyterlab_and_passes_its_status_on(ch4, jupyter, tmp_path, ends, status):
    (tmp_path/'colorsys.py').write_text('1/0')  # a file of the reader's that must not get in the way
    p = ch4('lab', 'my lessons', cwd=tmp_path, env={**jupyter, 'STATUS': ends})
    folder = tmp_path/'my lessons'
    said = f'Lessons in {folder}\n  {len(NOTEBOOKS)} copied\nJupyterLab is here\n'
    assert (p.returncode, p.stdout, p.stderr)==(status, said, '')
    called = json.loads((tmp_path/'called').read_text())
    assert called==[[f'--ServerApp.root_dir={folder}', str(folder/'index.ipynb')], sys.executable]

def test_no_open_does_not_open(ch4, jupyter, mine, tmp_path):
    ch4('lab', '--no-open', mine, env=jupyter)
    assert (mine/'index.ipynb').exists() and not (tmp_path/'called').exists()

@posix
def test_ctrl_c_ends_as_jupyterlab_does(jupyter, mine, tmp_path):
    cmd = [sys.executable, '-m', 'fastbook_ch4.cli', 'lab', mine]
    p = subprocess.Popen(cmd, env={**os.environ, **jupyter, 'LASTS': '60'}, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, start_new_session=True, preexec_fn=heed_ctrl_c)
    while not (tmp_path/'called').exists() and p.poll() is None: time.sleep(.05)
    os.killpg(p.pid, signal.SIGINT)
    out,_ = p.communicate(timeout=30)
    told = f'{len(NOTEBOOKS)} copied\nJupyterLab is here\nJupyterLab has ended\n'
    assert p.returncode==0 and out.endswith(told)

def test_without_jupyterlab_the_lessons_are_there_all_the_same(mine, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'jupyterlab', None)
    assert cli.main(['lab', str(mine)])==1
    said = capsys.readouterr()
    assert f'{len(NOTEBOOKS)} copied' in said.out and said.err.count('\n')==1
    assert 'pip install jupyterlab' in said.err and str(mine) in said.err
    assert len(list(mine.rglob('*.ipynb')))==len(NOTEBOOKS)
