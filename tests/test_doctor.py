"`ch4 doctor`: what is wrong is said on one line each, with what to type; the status is 1 then"
import importlib.metadata,os,re,shutil
from types import SimpleNamespace

import pytest
from fastbook_ch4 import cli,store
from fastbook_ch4.cli import doctor


@pytest.fixture
def pretend(tmp_path, monkeypatch):
    "A function: `pretend('torch', '9.9')` makes that version look installed, before the real one"
    def install(name, version, *needs, python='>=3.11'):
        place = tmp_path/'packages'/f'{name.replace("-", "_")}-{version}.dist-info'
        place.mkdir(parents=True)
        lines = ['Metadata-Version: 2.1', f'Name: {name}', f'Version: {version}',
                 f'Requires-Python: {python}', *[f'Requires-Dist: {o}' for o in needs]]
        (place/'METADATA').write_text('\n'.join(lines)+'\n')
        monkeypatch.syspath_prepend(tmp_path/'packages')
    return install

def problems(findings): return [str(o) for o in findings if not o.ok]

def test_a_healthy_machine(ch4, home):
    p = ch4('doctor')
    lines = p.stdout.splitlines()
    assert p.returncode==0 and p.stderr=='' and lines[-1]=='No problem was found.', p.stdout+p.stderr
    assert all(line.startswith('ok ') for line in lines[:-1])
    for word in ('Python 3.', 'packages are installed and go together', 'device: ', 'digits that ship',
                 'GB free', str(home)):
        assert word in p.stdout
    assert not home.exists()  # looking changes nothing

@pytest.mark.parametrize('name, version, by, needed', [
    ('torch', '1.0', 'torchvision', r'torch[=>]=[\d.]+'),
    ('plum-dispatch', '2.10.0', 'fastbook_ch4', r'plum-dispatch<2\.10.*'),
    ('fastcore', '1.9.4', 'fastai', r'fastcore.*')])
def test_packages_that_clash_are_named(pretend, name, version, by, needed):
    pretend(name, version)
    said = problems(doctor.packages())
    clash = rf'{by} .* needs ({needed}), but {re.escape(version)} is installed'
    assert any(re.search(rf'{clash}\. Type: pip install "\1"', o) for o in said), said

def test_a_local_build_of_the_right_version_is_right(pretend):
    pretend('torch', importlib.metadata.version('torch').split('+')[0]+'+cpu')
    assert not [o for o in problems(doctor.packages()) if 'torchvision' in o]

def test_a_missing_package_is_named(pretend):
    pretend('fastbook_ch4', '0.2', 'no-such-package>=3', 'safetensors; extra == "dev"')
    line, = problems(doctor.packages())
    assert line==('problem  fastbook_ch4 needs no-such-package>=3, which is not installed. '
                  'Type: pip install "no-such-package>=3"')

def test_an_old_python_is_named(pretend):
    pretend('fastbook_ch4', '0.2', python='>=3.99')
    assert 'is too old, >=3.99 is needed' in problems(doctor.python())[0]

def test_without_an_installation(monkeypatch):
    monkeypatch.setattr(doctor, 'PACKAGE', 'fastbook_of_nobody')
    monkeypatch.setattr(doctor, 'imports', lambda: [])
    line, = problems(doctor.examine())
    assert line==('problem  fastbook_of_nobody is used from a folder, without being installed. '
                  'Type: pip install -e .')

@pytest.mark.parametrize('body, words, cure', [
    ("raise RuntimeError('torchvision::nms does not exist')", 'torchvision::nms', 'torch torchvision'),
    ('import os; os._exit(3)', 'status 3', 'fastbook_ch4')])
def test_a_package_that_cannot_be_imported(tmp_path, monkeypatch, body, words, cure):
    (tmp_path/'torchvision').mkdir()
    (tmp_path/'torchvision'/'__init__.py').write_text(body)
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    line, = problems(doctor.imports())
    assert words in line and line.endswith(f'Type: pip install --force-reinstall {cure}')

def test_data(home, monkeypatch):
    assert problems(doctor.data())==[]
    (store.folder('mnist_sample')/'train'/'3').mkdir(parents=True)
    line, = problems(doctor.data())
    assert 'mnist_sample is incomplete' in line and 'mv "' in line

@pytest.mark.parametrize('text', [b'data = nowhere', b'[DEFAULT]\ndata = /\xb1\xdb\n'])
def test_a_damaged_configuration_is_named_and_the_rest_is_looked_at(home, text, monkeypatch):
    home.mkdir()
    (home/'config.ini').write_bytes(text)
    monkeypatch.setattr(doctor, 'imports', lambda: [])
    monkeypatch.setattr(doctor, 'extras', lambda: [doctor.Finding(True, 'the last')])
    found = list(doctor.examine())
    assert any('config.ini is damaged' in o for o in problems(found))
    assert found[-1].what=='the last'

def test_disk(home, tmp_path, monkeypatch):
    assert problems(doctor.disk())==[]
    monkeypatch.setattr(shutil, 'disk_usage', lambda place: SimpleNamespace(free=5_000_000))
    assert ['only 0.0 GB free' in o for o in problems(doctor.disk())]==[True,True]

@pytest.mark.skipif(os.name=='nt' or os.geteuid()==0, reason='nothing is closed to the superuser')
def test_a_folder_that_cannot_be_written_to(home, monkeypatch):
    home.mkdir()
    home.chmod(0o500)
    line, = problems(doctor.disk())
    assert 'the data folder' in line and 'FASTAI_HOME' in line
    assert 'cannot be written to (Permission denied)' in line

def test_the_command_ends_with_1_if_there_is_a_problem(pretend, home, capsys, monkeypatch):
    pretend('fastbook_ch4', '0.2', 'no-such-package>=3')
    finding = doctor.Finding(False, 'nothing works', 'make it so')
    monkeypatch.setattr(doctor, 'imports', lambda: [finding])
    assert cli.main(['doctor'])==1
    said = capsys.readouterr().out.splitlines()
    assert said[-1]=='2 problems' and sum(line.startswith('problem  ') for line in said)==2
