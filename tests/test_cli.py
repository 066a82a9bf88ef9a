"The `ch4` command, run as a person runs it"
import csv,os,re,shlex,signal,subprocess,sys,time
from dataclasses import replace

import pytest
from PIL import Image
from conftest import ROOT
from fastbook_ch4 import cli,store
from fastbook_ch4.plumbing.steps import STEPS,ladder_table
from fastbook_ch4.plumbing.steps import Rung

CH4 = sys.executable,'-m','fastbook_ch4.cli'


def test_help_imports_nothing_heavy():
    code = 'import sys; from fastbook_ch4 import cli; cli.parser().format_help(); print(*sys.modules)'
    p = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert 'argparse' in p.stdout.split()
    assert not {'torch','fastai','numpy','pandas','PIL','matplotlib'} & set(p.stdout.split())

@pytest.mark.parametrize('command, words', [
    (None, ['ladder','predict','data','lab','app','doctor']),
    ('predict', ['FILE','--model']),
    ('ladder', ['--data','--seed','--out','--steps','--quiet',*STEPS]),
    ('data', ['--download','--archive']),
    ('lab', ['FOLDER','--no-open'])])
def test_help(ch4, command, words):
    p = ch4(*[command]*bool(command), '--help')
    said = ' '.join(p.stdout.split())
    assert p.returncode==0 and p.stderr==''
    assert all(word in said for word in words)

def test_the_same_steps_everywhere(): assert cli.ladder.STEPS==tuple(STEPS)

def test_data_status_without_data(ch4, home):
    p = ch4('data')
    assert p.returncode==0 and p.stderr==''
    for name in store.DATASETS: assert name in p.stdout
    assert 'not installed' in p.stdout and '--archive' in p.stdout and str(home) in p.stdout
    assert not home.exists()  # looking changes nothing

def test_data_download_offline(ch4, home):
    p = ch4('data', '--download')
    assert p.returncode==1 and p.stderr.startswith('ch4: ')
    assert 'OFFLINE' in p.stderr and 'Traceback' not in p.stderr

def test_data_archive_refused(ch4, home, tmp_path):
    for name,text in (('nowhere.tgz',None), ('letter.tgz','dear data')):
        if text: (tmp_path/name).write_text(text)
        p = ch4('data', '--archive', tmp_path/name)
        assert p.returncode==1 and name in p.stderr and 'Traceback' not in p.stderr

@pytest.mark.full
def test_data_status_with_the_full_sample(ch4, full):
    p = ch4('data')
    line = next(line for line in p.stdout.splitlines() if 'mnist_sample' in line)
    assert ' installed' in line and 'not installed' not in line

def read(file): return list(csv.DictReader(open(file, newline='')))
def names(folder): return sorted(f.name for f in folder.iterdir())

RUNGS = [Rung('pixel similarity', 'pixel similarity', 'pixel similarity', 1568, .0123, 3, 4, .75),
         Rung('resnet18', 'resnet18, trimmed', 'resnet18', 4_751_808, 12.345, 1500, 2000, .75)]

def test_the_table_for_the_terminal():
    assert cli.ladder.table_text(ladder_table(RUNGS)).splitlines()==[
        'step               parameters  seconds        correct  accuracy',
        'pixel similarity        1,568      0.0         3 of 4    0.7500',
        'resnet18, trimmed   4,751,808     12.3 1,500 of 2,000    0.7500']
    printed = [replace(RUNGS[0], published=.9511), replace(RUNGS[1], published=.9951)]
    assert cli.ladder.table_text(ladder_table(printed)).splitlines()==[
        'step               parameters  seconds        correct  accuracy  published',
        'pixel similarity        1,568      0.0         3 of 4    0.7500     0.9511',
        'resnet18, trimmed   4,751,808     12.3 1,500 of 2,000    0.7500     0.9951']

def test_the_table_as_a_file():
    printed = [RUNGS[0], replace(RUNGS[1], published=.9951)]
    assert cli.ladder.table_csv(ladder_table(printed)).splitlines()==[
        'step,parameters,seconds,correct,total,accuracy,published',
        'pixel similarity,1568,0.01,3,4,0.750000,',
        '"resnet18, trimmed",4751808,12.35,1500,2000,0.750000,0.9951']

def test_ladder(ch4, home, tmp_path):
    out = tmp_path/'some'/'where'
    p = ch4('ladder', '--data', 'shipped', '--steps', 'pixel, own,basic', '--out', out)
    assert p.returncode==0 and p.stderr==''
    rows = read(out/'ladder.csv')
    assert list(rows[0])==['step','parameters','seconds','correct','total','accuracy','published']
    assert [r['step'] for r in rows]==['pixel similarity','own loop','BasicOptim']
    assert [r['parameters'] for r in rows]==['1568','785','785']
    for r in rows:
        assert r['total']=='200' and r['published']==''
        assert float(r['accuracy'])==pytest.approx(int(r['correct'])/200)
        assert f'{r["correct"]} of 200' in p.stdout
    assert 'published' not in p.stdout
    for name in ('ladder.png','mistakes.png'): assert min(Image.open(out/name).size)>300
    assert names(out)==['digits.safetensors','ladder.csv','ladder.png','mistakes.png']

def climb(data, steps, out, *options):
    "Run `ch4 ladder` in this process"
    return cli.main(['ladder', '--data', str(data), '--steps', steps, '--out', str(out), *options])

def test_ladder_quiet_and_seed(shipped, few, tmp_path, capsys):
    def table(seed):
        assert climb(few, 'own', tmp_path/'out', '--quiet', '--seed', seed)==0
        first_words = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
        return first_words, read(tmp_path/'out'/'ladder.csv')[0]['correct']
    first,again = table('3'),table('3')
    assert first==again and first[0][:2]==['step','own']

@pytest.mark.full
def test_ladder_on_the_full_sample_shows_published_figures(ch4, full, tmp_path):
    p = ch4('ladder', '--data', 'full', '--steps', 'pixel', '--out', tmp_path)
    row = read(tmp_path/'ladder.csv')[0]
    assert (row['correct'], row['total'], row['published'])==('1939','2038','0.9511')
    assert '0.9514     0.9511' in p.stdout and 'published: ' in p.stdout
    assert 'by which ours is 0.9511' in p.stdout

@pytest.mark.parametrize('args, words', [
    (('--data','nowhere'), 'no folder nowhere'),
    (('--steps','forest'), "'forest' is not one of the steps"),
    (('--steps',''), 'not one of the steps'),
    (('--data','full'), '--archive FILE')])  # since nothing is installed and the network is off
def test_ladder_refuses(home, tmp_path, capsys, args, words):
    assert cli.main(['ladder', *args, '--out', str(tmp_path/'out')])==1
    err = capsys.readouterr().err
    assert err.startswith('ch4: ') and err.count('\n')==1 and words in err and not (tmp_path/'out').exists()

@pytest.mark.parametrize('args', [('--sed','1'), ('--seed','x'), ('--seed','-1'), ('--seed',str(2**32))])
def test_wrong_option(ch4, args):
    p = ch4('ladder', *args)
    assert p.returncode==2 and 'usage' in p.stderr and 'Traceback' not in p.stderr

@pytest.mark.full
def test_a_terminal_that_is_not_utf8(ch4, home, tmp_path):
    args = 'ladder','--data','shipped','--steps','pixel','--out',tmp_path
    p = ch4(*args, env={'PYTHONIOENCODING': 'ascii'})
    assert p.returncode==0, p.stderr

def test_labels_with_dollars_and_pictures_of_an_earlier_run(make_folder, tmp_path):
    path = make_folder(labels=('over_$10','under_$10'))
    for f in path.glob('*/*/*.png'): Image.effect_noise((28,28), 50).save(f)
    (tmp_path/'out').mkdir()
    (tmp_path/'out'/'mistakes.png').write_bytes(b'of an earlier run')
    assert climb(path, 'pixel', tmp_path/'out')==0
    assert min(Image.open(tmp_path/'out'/'mistakes.png').size)>300

def test_ladder_on_a_folder(make_folder, tmp_path, capsys):
    "Large colour pictures of two other labels: each conversion is said once"
    path = make_folder(labels=('noise','stripes'), size=(100,80), mode='RGB', n=12)
    stripes = Image.linear_gradient('L').resize((100,80)).convert('RGB')
    for f in path.glob('*/stripes/*'): stripes.save(f)
    assert climb(path, 'pixel,own', tmp_path/'out')==0
    said = capsys.readouterr().out
    assert said.count('48 images are in colour')==1 and said.count('48 images are larger than 64')==1
    assert 'noise and stripes' in said
    rows = read(tmp_path/'out'/'ladder.csv')
    assert [r['total'] for r in rows]==['24']*2 and rows[1]['parameters']==str(64*51+1)
    assert rows[0]['correct']=='24'

@pytest.mark.full
def test_resnet_on_tiny_colour_pictures(ch4, few, tmp_path):
    "The digits, shrunk to 14x12 pixels and painted"
    for f in few.glob('*/*/*.png'): Image.open(f).resize((14,12)).convert('RGB').save(f)
    p = ch4('ladder', '--data', few, '--steps', 'resnet', '--out', tmp_path/'out')
    assert p.returncode==0, p.stderr
    row = read(tmp_path/'out'/'ladder.csv')[0]
    assert (row['step'], row['parameters'], row['total'])==('resnet18, trimmed', '2621888', '32')
    assert int(row['correct'])>=24

def test_ladder_on_a_bad_folder(make_folder, tmp_path, capsys):
    path = make_folder()
    (path/'train'/'cat'/'letter.png').write_text('dear cat')
    assert cli.main(['ladder', '--data', str(path), '--out', str(tmp_path/'out')])==1
    assert 'letter.png is not a readable image' in capsys.readouterr().err and not (tmp_path/'out').exists()

# Whatever happens, a short message and a status that a shell understands

def test_debug_shows_where(ch4, tmp_path):
    p = ch4('--debug', 'data', '--archive', tmp_path/'nowhere.tgz')
    assert p.returncode==1 and 'Traceback' in p.stderr
    last = f'FileNotFoundError: There is no file {tmp_path/"nowhere.tgz"}.'
    assert p.stderr.splitlines()[-1]==last

def test_an_error_that_no_command_foresees(monkeypatch, capsys):
    def run(args): raise KeyError('deep inside')
    monkeypatch.setattr(cli.data, 'run', run)
    assert cli.main(['data'])==1
    said = capsys.readouterr().err
    assert said.count('\n')==1 and "KeyError: 'deep inside'" in said
    assert 'ch4 --debug' in said and 'ch4 doctor' in said
    with pytest.raises(KeyError): cli.main(['--debug','data'])

@pytest.mark.skipif(os.name=='nt', reason='needs a shell')
def test_a_reader_who_has_seen_enough(home):
    "`ch4 data | head -1` is no error"
    pipe = f'{shlex.join(CH4)} data | head -n 1; echo ${{PIPESTATUS[0]}}'
    p = subprocess.run(['bash', '-c', pipe], cwd=ROOT, capture_output=True, text=True)
    first,status = p.stdout.splitlines()
    assert p.stderr=='' and first.startswith('Data folder') and status in ('0','141')

@pytest.fixture
def interrupt(home):
    "Function that runs `ch4`, sends Ctrl-C or another signal once it says `until`; returns status and errors"
    if os.name=='nt': pytest.skip('Ctrl-C cannot be sent to a process there')
    def run(*args, until, cwd, by=signal.SIGINT):
        env = {**os.environ, 'PYTHONPATH': str(ROOT), 'PYTHONUNBUFFERED': '1', 'PYTHONIOENCODING': 'utf8'}
        def heed(): signal.signal(signal.SIGINT, signal.default_int_handler)
        p = subprocess.Popen([*CH4, *map(str, args)], cwd=cwd, env=env, text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, preexec_fn=heed)
        for line in p.stdout:
            if until in line: break
        time.sleep(.3)
        p.send_signal(by)
        out,err = p.communicate(timeout=60)
        return p.returncode,err
    return run

# resnet18 takes longest
LONG = 'ladder','--data','shipped','--steps','pixel,own,resnet','--out','out'

@pytest.mark.full
def test_ctrl_c_keeps_what_is_finished(interrupt, tmp_path):
    status,err = interrupt(*LONG, until='own loop', cwd=tmp_path)
    assert status==130 and err=='\nch4: interrupted; what was finished is kept\n'
    assert [r['step'] for r in read(tmp_path/'out'/'ladder.csv')]==['pixel similarity','own loop']
    assert names(tmp_path/'out')==['digits.safetensors','ladder.csv'] and names(tmp_path)==['home','out']

@pytest.mark.full
def test_a_request_to_end_leaves_nothing_half_written(interrupt, tmp_path):
    "As `kill` sends it, or a machine that is shut down"
    status,err = interrupt(*LONG, until='own loop', cwd=tmp_path, by=signal.SIGTERM)
    assert status==143 and err==''
    assert names(tmp_path/'out')==['digits.safetensors','ladder.csv']

def test_ctrl_c_before_anything_is_finished(interrupt, tmp_path):
    status,err = interrupt('ladder', '--data', 'shipped', '--out', 'out', until='Loading', cwd=tmp_path)
    assert status==130 and 'Traceback' not in err and not (tmp_path/'out').exists()

IN_AN_IMPORT = """
import signal,sys
from fastbook_ch4 import cli
def run(args):
    try: signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt: raise ImportError('numpy._core.multiarray failed to import') from None
cli.data.run = run
signal.signal(signal.SIGINT, signal.{})
sys.argv[1:] = ['data']
sys.exit(cli.main())
"""

def test_ctrl_c_that_an_import_calls_an_error():
    "As the C code of numpy and others does"
    def run(handler):
        code = IN_AN_IMPORT.format(handler)
        p = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
        return p.returncode,p.stderr
    assert run('default_int_handler')==(130, '\nch4: interrupted; what was finished is kept\n')
    status,err = run('SIG_IGN')  # in the background Ctrl-C is meant for others
    assert status==0 and err==''

# Machines and terminals of every kind

ODD = {'ASCII': dict(LC_ALL='C', LANG='C', PYTHONUTF8='0', PYTHONCOERCECLOCALE='0'),
       'no HOME': dict(HOME=None),
       'dumb terminal': dict(TERM='dumb'),
       '60 columns': dict(COLUMNS='60'),
       'python -O': dict(PYTHONOPTIMIZE='1'),
       'safe path': dict(PYTHONSAFEPATH='1')}

@pytest.fixture
def odd(home, tmp_path):
    """Function that runs `ch4` with other variables of the environment, in a pipe or in a terminal of 60
    columns; returns status, output and errors"""
    if os.name=='nt': pytest.skip('needs the terminals of Unix')
    import pwd
    known = os.getuid() in {user.pw_uid for user in pwd.getpwall()}
    def run(variables, *args, terminal=False):
        env = {**os.environ, 'PYTHONPATH': str(ROOT), 'MPLCONFIGDIR': str(tmp_path)}
        for name,value in variables.items():
            if value is not None: env[name] = value
            elif known: env.pop(name, None)  # else HOME is all that tells a home folder
        cmd = [*CH4, *map(str, args)]
        kw = dict(cwd=tmp_path, env=env, stderr=subprocess.PIPE)
        if not terminal:
            p = subprocess.run(cmd, stdout=subprocess.PIPE, **kw)
            return p.returncode, p.stdout.decode(), p.stderr.decode()
        import pty,termios
        ours,theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24,60))
        p = subprocess.Popen(cmd, stdout=theirs, **kw)
        os.close(theirs)
        said = b''
        try:
            while data := os.read(ours, 2**16): said += data
        except OSError: pass  # how Linux tells the end
        os.close(ours)
        return p.wait(), said.decode(), p.stderr.read().decode()
    return run

@pytest.mark.parametrize('variables', ODD.values(), ids=ODD)
def test_light_commands_work_anywhere(odd, variables, tmp_path):
    light = {('--help',): 'ladder', ('data',): 'fastbook_ch4_sample', ('lab','--no-open','내 수업'): 'copied'}
    for args,words in light.items():
        status,out,err = odd(variables, *args)
        assert status==0 and words in out and err=='', out+err
    status,out,err = odd(variables, 'data', '--archive', '없음.tgz')
    assert status==1 and err.startswith('ch4: There is no file ') and err.count('\n')==1

@pytest.mark.full
def test_heavy_commands_work_with_all_of_that_at_once(odd, tmp_path):
    everything = {name: value for variables in ODD.values() for name,value in variables.items()}
    # With -O all of PyTorch and fastai are compiled anew: once is enough
    usual = everything | {'PYTHONOPTIMIZE': ''}
    if not sys.prefix.isascii():  # PyTorch cannot be loaded from there where Python knows ASCII only
        status,out,err = odd(usual, 'ladder', '--data', 'shipped', '--steps', 'pixel')
        assert status==1 and err.startswith('ch4: The name of a folder')
        assert err.count('\n')==1 and 'PYTHONUTF8=1' in err
        for name in ODD['ASCII']: del usual[name],everything[name]
    status,out,err = odd(usual, 'ladder', '--data', 'shipped', '--steps', 'pixel,SGD', terminal=True)
    assert status==0 and err=='' and 'SGD' in out and (out.isascii() or 'LC_ALL' not in usual), out+err
    progress = [line for line in re.split(r'[\r\n]+', out) if re.search(r'training +\d+%|right after', line)]
    assert len(progress)>=3 and all(len(line.rstrip())<60 for line in progress)
    seven = next((tmp_path/'home').rglob('valid/7/*.png'))
    status,out,err = odd(everything, 'predict', seven)
    assert status==0 and err=='' and '.png: 7 ' in out, out+err
    status,out,err = odd(usual, 'doctor')
    assert 'PyTorch and fastai can be imported' in out and err=='', out+err

def test_a_user_without_a_home_folder(monkeypatch, capsys):
    "As in a container that runs under a number"
    def home(): raise RuntimeError('Could not determine home directory.')
    monkeypatch.setattr(cli.Path, 'home', home)
    assert cli.main(['data'])==1
    said = capsys.readouterr().err
    assert said=='ch4: This user has no home folder. Name one that you can write to: export HOME=FOLDER\n'

# A disk that is full, and a folder one may not write to

LADDER = 'ladder','--data','shipped','--steps','pixel','--out','out'

@pytest.mark.skipif(os.name=='nt', reason='needs the limits of a shell')
@pytest.mark.parametrize('args, installed, limit, words', [
    pytest.param(LADDER, False, 0, 'Cannot write to the data folder', marks=pytest.mark.full, id='data'),
    pytest.param(LADDER, True, 40, 'File too large', marks=pytest.mark.full, id='ladder'),
    pytest.param(('lab','--no-open'), False, 10, 'File too large', id='lab')])
def test_a_full_disk(home, tmp_path, args, installed, limit, words):
    "No file may grow beyond `limit` kB: the error is told in a line, and nothing half-written is left"
    if installed: store.install_shipped()
    call = f'ulimit -f {limit}; exec {shlex.join([*CH4, *args])}'
    env = {**os.environ, 'PYTHONPATH': str(ROOT)}
    p = subprocess.run(['bash', '-c', call], cwd=tmp_path, env=env, capture_output=True, text=True)
    line = p.stderr.splitlines()[-1]  # before it joblib may say that it has no room either
    assert p.returncode==1 and line.startswith('ch4: ') and words in line, p.stdout+p.stderr
    assert 'Traceback' not in p.stderr
    assert not list(tmp_path.rglob('*.tmp')) and (installed or not store.is_installed('fastbook_ch4_sample'))

@pytest.mark.skipif(os.name=='nt' or os.geteuid()==0, reason='nothing is closed to the superuser')
def test_folders_that_may_not_be_written_to(ch4, home, tmp_path):
    (tmp_path/'closed').mkdir(mode=0o500)
    p = ch4('ladder', '--data', 'shipped', '--out', tmp_path/'closed'/'out')
    line = f'ch4: {tmp_path/"closed"/"out"}: Permission denied'
    assert p.returncode==1 and p.stderr.splitlines()[-1]==line, p.stderr
    p = ch4('ladder', '--data', 'shipped', env={'FASTAI_HOME': str(tmp_path/'closed'/'home')})
    assert p.returncode==1 and 'Cannot write to the data folder' in p.stderr and 'Set FASTAI_HOME' in p.stderr
    assert ch4('data', cwd=tmp_path/'closed').returncode==0
    p = ch4('lab', '--no-open', cwd=tmp_path/'closed')
    said = 'Cannot use ch4_lessons (Permission denied). Mend that, or name another folder: ch4 lab FOLDER'
    assert (p.returncode, p.stderr)==(1, f'ch4: {said}\n')

def test_a_folder_that_is_a_file(home, tmp_path, capsys):
    (tmp_path/'out').write_text('mine')
    assert climb('shipped', 'pixel', tmp_path/'out')==1
    assert 'is not a folder' in capsys.readouterr().err and (tmp_path/'out').read_text()=='mine'

# What one types, and what one's machine has

@pytest.mark.parametrize('command, args', [
    ('ladder', ['--out','']),
    ('data', ['--archive','']),
    ('predict', ['x.png','--model','']),
    ('app', ['--model',''])])
def test_a_path_that_is_missing(command, args, capsys):
    "As from a variable of the shell that is not set; it must not mean the current folder"
    with pytest.raises(SystemExit) as e: cli.main([command, *args])
    assert e.value.code==2 and 'a path is missing' in capsys.readouterr().err

def test_the_home_folder_may_be_written_as_a_tilde(few, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('USERPROFILE', str(tmp_path))
    assert cli.main(['ladder', '--data=~/few', '--steps', 'pixel', '--out=~/out'])==0
    assert (tmp_path/'out'/'ladder.csv').exists() and not (tmp_path/'~').exists()

def test_two_ladders_do_not_write_into_one_folder(shipped, tmp_path, capsys):
    with cli.ladder.only_one_in(tmp_path/'out'):
        assert climb(shipped, 'pixel', tmp_path/'out')==1
        assert 'Another ladder is writing' in capsys.readouterr().err
        assert climb(shipped, 'pixel', tmp_path/'other')==0

def test_table_and_model_belong_to_the_same_run(shipped, few, tmp_path, monkeypatch):
    "Even if a second run ends after its first step"
    from fastbook_ch4.plumbing import steps as ladder
    from fastbook_ch4.application import load_digit_model
    out = tmp_path/'out'
    assert climb(shipped, 'pixel', out)==0
    run = ladder.run_step
    def run_one(name, *args):
        if name!='pixel similarity': raise KeyboardInterrupt
        return run(name, *args)
    monkeypatch.setattr(ladder, 'run_step', run_one)
    assert climb(few, 'pixel,own', out)==130
    row, = read(out/'ladder.csv')
    saved = load_digit_model(out/'digits.safetensors').accuracy
    assert row['total']=='32' and saved==pytest.approx(float(row['accuracy']))
    assert names(out)==['digits.safetensors','ladder.csv']  # the pictures were of the first run

def test_a_run_that_finishes_nothing_leaves_the_last_one_whole(shipped, few, tmp_path, monkeypatch):
    from fastbook_ch4.plumbing import steps as ladder
    assert climb(shipped, 'pixel', tmp_path/'out')==0
    before = {f.name: f.read_bytes() for f in (tmp_path/'out').iterdir()}
    def no_step(*args): raise KeyboardInterrupt
    monkeypatch.setattr(ladder, 'run_step', no_step)
    assert climb(few, 'pixel', tmp_path/'out')==130
    assert {f.name: f.read_bytes() for f in (tmp_path/'out').iterdir()}==before

def test_no_model_without_its_table(few, tmp_path, monkeypatch, capsys):
    "If the table cannot be written, the model of its rung is not saved either"
    def full(file, data): raise OSError(28, 'No space left on device', str(file))
    monkeypatch.setattr(store, 'write_whole', full)
    assert climb(few, 'pixel', tmp_path/'out')==1
    assert 'ladder.csv: No space left' in capsys.readouterr().err and names(tmp_path/'out')==[]

def test_labels_in_korean(few, tmp_path, capsys, recwarn):
    "Drawn with a font that has them, or said once that there is none"
    for split in ('train','valid'):
        for a,b in (('3','고양이'), ('7','개')): (few/split/a).rename(few/split/b)
    assert climb(few, 'pixel', tmp_path/'out')==0
    said = capsys.readouterr()
    from matplotlib import font_manager
    has = any(f in font_manager.get_font_names() for f in cli.ladder.FONTS)
    assert has or 'No font of this machine has 개고양이' in said.out
    assert not [w for w in recwarn if 'Glyph' in str(w.message)] and said.err==''

def test_a_path_whose_name_is_no_text(few, tmp_path):
    "Bytes of another encoding, as older systems left them"
    odd = os.fsdecode(os.fsencode(tmp_path)+b'/\xff')
    try: few.rename(odd)
    except OSError: pytest.skip('this system has no such names')
    assert climb(odd, 'pixel', tmp_path/'out')==0

@pytest.mark.skipif(os.name=='nt', reason='needs a shell')
@pytest.mark.parametrize('command', ['data','lab --no-open x'])
def test_without_a_place_to_print_to(home, tmp_path, command):
    env = {**os.environ, 'PYTHONPATH': str(ROOT)}
    p = subprocess.run(['bash', '-c', f'{shlex.join(CH4)} {command} >&-'], cwd=tmp_path, env=env,
                       capture_output=True, text=True)
    assert (p.returncode, p.stderr)==(0, '')

def test_names_do_not_steer_the_terminal(shipped, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(['ladder', '--data', str(shipped), '--steps', 'pixel', '--quiet'])==0
    capsys.readouterr()
    assert cli.main(['predict', 'a\x1b[31m.png'])==1
    assert '\x1b' not in capsys.readouterr().err
