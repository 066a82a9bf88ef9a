"The project itself: notebooks and modules in step, metadata, the wheel, the star import, the README"
import ast,configparser,os,re,shutil,subprocess,sys,sysconfig,tarfile,tomllib
from importlib.util import resolve_name
from pathlib import Path

import fastbook_ch4,pytest
from conftest import ROOT

SETTINGS = configparser.ConfigParser(interpolation=None)
SETTINGS.read(ROOT/'settings.ini')
BIN = Path(sysconfig.get_path('scripts'))
NO_SOURCES = ('.git', '.venv', 'runs', '.fastai', 'build', 'dist', '*.egg-info', '__pycache__',
              '.pytest_cache', 'models')


@pytest.fixture(scope='module')
def copy(tmp_path_factory):
    "A copy of the project's sources, to build and export in"
    dest = tmp_path_factory.mktemp('copy')/'project'
    shutil.copytree(ROOT, dest, ignore=shutil.ignore_patterns(*NO_SOURCES))
    return dest

def run(*cmd, cwd, **env):
    cmd,env = [str(o) for o in cmd],{**os.environ, **env}
    p = subprocess.run(cmd, cwd=cwd, env=env, capture_output=True, text=True)
    assert p.returncode==0, p.stdout+p.stderr
    return p.stdout

def files(folder, pattern):
    "The files of `folder` that match `pattern`, by their paths in it"
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.glob(pattern)}

# Notebooks and modules

def test_export_changes_nothing(copy):
    run(BIN/'nbdev-export', cwd=copy, PYTHONPATH='')
    assert files(copy/'fastbook_ch4', '**/*.py')==files(ROOT/'fastbook_ch4', '**/*.py')

def test_notebooks_are_clean(copy):
    run(BIN/'nbdev-clean', cwd=copy, PYTHONPATH='')
    assert files(copy/'nbs', '**/*.ipynb')==files(ROOT/'nbs', '**/*.ipynb')

def module_name(file):
    "What the module in `file` is called in the package: `data`, `store.files`, `store` for its `__init__`"
    return '.'.join(file.relative_to(ROOT/'fastbook_ch4').with_suffix('').parts).removesuffix('.__init__')

FILES = {module_name(f): f for f in sorted((ROOT/'fastbook_ch4').rglob('*.py'))}
del FILES['__init__'],FILES['_modidx']
MODULES = [f for name,f in FILES.items() if name!='all']

@pytest.mark.parametrize('module', MODULES, ids=module_name)
def test_public_definitions_have_a_docstring(module):
    for d in ast.parse(module.read_text()).body:
        if isinstance(d, (ast.FunctionDef, ast.ClassDef)) and d.name[0]!='_':
            doc = ast.get_docstring(d)
            assert doc and '\n' not in doc, d.name

@pytest.mark.parametrize('module', MODULES, ids=module_name)
def test_no_function_reads_a_variable_of_the_module(module):
    "Constants in capitals, functions, classes and imports are fine"
    tree = ast.parse(module.read_text())
    targets = [o for node in tree.body if isinstance(node, ast.Assign) for o in node.targets]
    names = [o for target in targets for o in ast.walk(target) if isinstance(o, ast.Name)]
    variables = {o.id for o in names if isinstance(o.ctx, ast.Store)}-{'__all__'}
    assert all(name.isupper() or name[0]=='_' for name in variables), variables

ORDER = ['store.files','store.catalogue','store.archive','store.download','store',
         'plumbing','plumbing.checks','plumbing.plots','plumbing.drawings','plumbing.loops',
         'plumbing.loaders','plumbing.images','plumbing.pictures','plumbing.model_file',
         'data','baseline','descent','loss','training','optimizer','learner','models','vision',
         'plumbing.fast','plumbing.together','plumbing.steps','plumbing.mistakes','ladder','plumbing.story',
         'neurons','autograd','thermometer','birds','multiclass','application','own_learner',
         'ten_digits','many',
         'touch','app.page','app.server','app',
         'ledger.table','ledger.chapter','ledger.descent','ledger.training','ledger.beyond','ledger',
         'questions','same_bits','turns','all',
         'cli.say','cli.data','cli.ladder','cli.predict','cli.lab','cli.app','cli.doctor','cli',
         'cli.__main__']

def modules_used(source, package='fastbook_ch4'):
    "The modules of ours that `source`, the Python text of a module in `package`, imports, wherever in it"
    names,modules = set(),{f'fastbook_ch4.{name}' for name in ORDER}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import): names |= {o.name for o in node.names}
        if isinstance(node, ast.ImportFrom):
            base = resolve_name('.'*node.level+(node.module or ''), package)
            inner = {f'{base}.{o.name}' for o in node.names}  # modules, or what the module `base` holds
            names |= inner if inner<=modules else inner|{base}
    return {name.removeprefix('fastbook_ch4.') for name in names & modules}

@pytest.mark.parametrize('line', [
    'from .data import URLs', 'from . import data', 'from fastbook_ch4.data import *',
    'from fastbook_ch4 import cli,data', 'import fastbook_ch4.data', 'import os,fastbook_ch4.data as d',
    'def f():\n    if True: from fastbook_ch4.data import URLs'])
def test_every_way_to_import_is_seen(line): assert 'data' in modules_used(line)

@pytest.mark.parametrize('line, used', [
    ('from ..data import URLs', 'data'), ('from .. import data', 'data'),
    ('from . import files', 'store.files'), ('from .files import lock', 'store.files'),
    ('def f(): from fastbook_ch4.store.files import lock', 'store.files'),
    ('import fastbook_ch4.store.files', 'store.files'), ('from .. import store', 'store')])
def test_every_way_to_import_from_a_folder_below_is_seen(line, used):
    assert modules_used(line, 'fastbook_ch4.store')=={used}

@pytest.mark.parametrize('module', MODULES, ids=module_name)
def test_nothing_is_checked_by_assert(module):
    "`python -O` leaves those out"
    tree = ast.parse(module.read_text(encoding='utf8'))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]

def test_a_module_imports_nothing_from_a_later_lesson():
    "Not even inside a function"
    assert sorted(FILES)==sorted(ORDER)
    for name,file in FILES.items():
        package = '.'.join(file.relative_to(ROOT).parent.parts)
        later = modules_used(file.read_text(encoding='utf8'), package) & set(ORDER[ORDER.index(name):])
        assert not later, f'{name} imports {later}'

# Metadata

def test_the_three_repeated_values_agree():
    toml,ini = tomllib.loads((ROOT/'pyproject.toml').read_text()),SETTINGS['DEFAULT']
    assert toml['project']['name']==ini['lib_name']
    assert toml['project']['requires-python']==f'>={ini["min_python"]}'
    assert fastbook_ch4.__version__==ini['version']

def test_every_bound_has_its_reason():
    "A lower bound for all; the few upper ones are explained above their list"
    text = (ROOT/'settings.ini').read_text(encoding='utf8')
    lists = re.findall(r'^((?:#.*\n)*)\w*requirements =\n((?:    .*\n)+)', text, re.M)
    lines = [(line.strip(),notes) for notes,lines in lists for line in lines.splitlines()]
    assert len(lists)==6 and len(lines)>20
    for line,notes in lines:
        explained = '<' not in line or re.match(r'[\w.-]+', line)[0] in notes
        assert '>=' in line and explained, f'{line}: why not older or newer?'

def test_the_page_of_guarantees_names_tests_that_exist():
    page = (ROOT/'site'/'guarantees.md').read_text(encoding='utf8')
    rows = [line for line in page.splitlines() if line.startswith('- ')]
    named = re.findall(r'`(test_\w+\.py)::(\w+)`', page)
    assert len(rows)>15 and all('*Proved by* `test' in row for row in rows)
    assert (ROOT/'tests'/'anywhere.sh').exists()
    table = [line.split('|')[3] for line in page.splitlines() if line.startswith('| `')]
    named += [('test_fastai_table.py',test) for cell in table for test in re.findall(r'`(test_\w+)`', cell)]
    assert len(table)>12
    for file,test in named:
        source = (ROOT/'tests'/file).read_text(encoding='utf8')
        assert re.search(rf'^def {test}\(', source, re.M), f'{file}::{test}'

def test_no_machine_paths_or_hosts():
    tracked = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True).stdout.split()
    if not tracked: pytest.skip('not a git checkout')
    for name in tracked:
        if name.endswith(('.tgz','.png','.safetensors')) or name=='tests/test_project.py': continue
        assert not re.search(r'(^|[^\w.])/(home|root|work)/\w', (ROOT/name).read_text(encoding='utf8')), name

def test_readme_is_made_from_the_index(tmp_path):
    run(sys.executable, ROOT/'tools'/'readme.py', tmp_path, cwd=tmp_path)
    assert (tmp_path/'README.md').read_text()==(ROOT/'README.md').read_text()
    assert files(tmp_path/'images', '*')==files(ROOT/'images', '*')

def test_readme_shows_what_the_ladder_prints(trained):
    from fastbook_ch4.cli.ladder import table_text
    from fastbook_ch4.plumbing.steps import STEPS, ladder_table
    block = re.search(r'```text\n(.*?)```', (ROOT/'README.md').read_text(), re.S).group(1).splitlines()
    rungs = [trained(name, 0) for name in list(STEPS)[:5]]
    ours = table_text(ladder_table(rungs)).splitlines()
    assert block[0]==ours[0] and len(block)==7 and block[6].startswith('resnet18, trimmed   4,751,808')
    for printed,line,rung in zip(block[1:], ours[1:], rungs):
        assert printed[:29]==line[:29]
        assert abs(int(printed.split(' of ')[0].split()[-1])-rung.correct)<=2

# The star import

CHAPTER_NAMES = '''Image L Path SGD URLs array cnn_learner DataLoader DataLoaders F gv Learner nn np pd
    plot_function plt resnet18 show_image tensor torch untar_data
    accuracy mnist_sample mnist_loss batch_accuracy BasicOptim'''.split()

def test_star_import():
    import fastai.vision.all as theirs
    import fastbook_ch4.all as ours
    assert [n for n in CHAPTER_NAMES if not hasattr(ours, n)]==[]
    replaced = {n for n in vars(theirs) if n[:2]!='__' and getattr(ours, n, None) is not getattr(theirs, n)}
    assert replaced=={'sigmoid','mse'}

BROUGHT = '''
    above_chord activation_traits ACTIVATIONS Answer apply_step ARCHITECTURES balanced_accuracy BasicOptim
    batch_accuracy birds_and_planes calc_grad centre_digit centre_ink channel_stats CIFAR10_LABELS
    class_dataloaders colour_dataloaders decode_targets digit_dataloaders digit_learner digit_tensors
    DigitModel Digits draw_flow epochs_for Familiar fast_resnet_learner few_of_each find_ink flat_net
    grey_dataloaders grey_resnet gv hold_out image_dataloaders image_files init_params
    labelled_images ladder_model ladder_table layer_outputs lesson_style like_book linear1 load_digit_model
    load_images mean_digit mnist_distance mnist_loss mnist_sample most_wrong neuron other_digits OwnLearner
    pick_classes PixelSimilarity plot_activation plot_function plot_ladder predict_digit quadratic quick_model
    resnet_learner rmse_loss run_ladder run_step Rung saturation save_digit_model shift_images show_fit
    show_mistakes simple_net skip_cells slopes softmax_share standardise STEPS take_body tanh_net ten_digits
    thermometer_readings torchvision_cifar train_epoch train_model training_loop validate_epoch
    Value'''.split()

def test_star_import_brings_what_a_reader_calls():
    import fastai.vision.all as theirs
    import fastbook_ch4.all as ours
    assert {n for n in vars(ours) if n[0]!='_' and n not in vars(theirs)}==set(BROUGHT)

MODULES = ['all','cli','app','ledger','questions','data','baseline','descent','loss','training','optimizer',
           'learner','models','vision','ladder','neurons','autograd','thermometer','birds','multiclass',
           'application','own_learner']

def python(*args): return subprocess.run([sys.executable, *args], cwd=ROOT, capture_output=True, text=True)

@pytest.mark.full
@pytest.mark.parametrize('module', MODULES)
def test_each_import_alone_is_quiet(module):
    p = python('-W', 'error', '-c', f'import fastbook_ch4.{module}')
    assert (p.returncode, p.stdout, p.stderr)==(0, '', '')

def test_imports_are_quiet_with_warnings_as_errors():
    modules = ','.join(f'fastbook_ch4.{o}' for o in MODULES)
    p = python('-W', 'error', '-c', f'import {modules}; from fastbook_ch4.all import *')
    assert (p.returncode, p.stdout, p.stderr)==(0, '', '')

@pytest.mark.full
def test_others_warnings_still_show():
    code = 'import fastbook_ch4.all, warnings; warnings.warn("torch.jit.script is old")'
    p = python('-W', 'always', '-c', code)
    assert 'UserWarning: torch.jit.script is old' in p.stderr

# The wheel

@pytest.mark.full
def test_wheel_works_elsewhere(copy, tmp_path):
    "A source archive is built, and from it the wheel"
    build = sys.executable, '-m', 'build', '--no-isolation'
    run(*build, '--outdir', tmp_path/'dist', cwd=copy, PYTHONPATH='')
    source = next((tmp_path/'dist').glob('*.tar.gz'))
    with tarfile.open(source) as archive: inside = {name.partition('/')[2] for name in archive.getnames()}
    assert {'README.md','LICENSE','CHANGELOG.md','CITATION.cff','CONTRIBUTING.md','settings.ini'}<=inside
    wheel = next((tmp_path/'dist').glob('*.whl'))
    run(sys.executable, '-m', 'venv', '--without-pip', tmp_path/'venv', cwd=tmp_path)
    bin = tmp_path/'venv'/('Scripts' if os.name=='nt' else 'bin')
    python = bin/'python'
    where = 'import sysconfig; print(sysconfig.get_path("purelib"))'
    site = Path(run(python, '-c', where, cwd=tmp_path).strip())
    # fastai and torch are borrowed; our editable install is not seen through this
    (site/'heavy.pth').write_text(sysconfig.get_path('purelib'))
    install = 'install','--no-deps','--no-index'
    run(sys.executable, '-m', 'pip', '--python', python, *install, wheel, cwd=tmp_path, PYTHONPATH='')
    env = dict(FASTAI_HOME=str(tmp_path/'home'), FASTBOOK_CH4_OFFLINE='1', PYTHONPATH='')
    where = run(python, '-c', 'import fastbook_ch4; print(fastbook_ch4.__file__)', cwd=tmp_path, **env)
    assert str(tmp_path) in where
    package = site/'fastbook_ch4'
    assert files(package/'lessons', '**/*.ipynb')==files(ROOT/'nbs', '**/*.ipynb')
    assert (package/'ledger'/'claims.csv').exists()
    assert files(package/'shipped', '*')==files(ROOT/'fastbook_ch4'/'shipped', '*')
    assert files(package/'app', '*.html')==files(ROOT/'fastbook_ch4'/'app', '*.html')
    assert files(package/'app'/'static', '*')==files(ROOT/'fastbook_ch4'/'app'/'static', '*')
    run(bin/'ch4', 'lab', '--no-open', cwd=tmp_path, **env)
    assert files(tmp_path/'ch4_lessons', '**/*.ipynb')==files(ROOT/'nbs', '**/*.ipynb')
    out = run(bin/'ch4', 'ladder', '--data', 'shipped', '--steps', 'pixel,own,SGD', cwd=tmp_path, **env)
    assert 'pixel similarity' in out and (tmp_path/'runs'/'ladder'/'ladder.csv').exists()
