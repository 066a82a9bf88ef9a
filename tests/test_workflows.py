"The GitHub workflows: valid, in step with the project, and trusted with no more than they need"
import os,re,shutil,subprocess,sys

import pytest
from conftest import ROOT
from ruamel.yaml import YAML
from test_project import SETTINGS

FOLDER = ROOT/'.github'/'workflows'
TEXTS = {f.stem: f.read_text(encoding='utf8') for f in sorted(FOLDER.glob('*.yml'))}
FLOWS = {name: YAML(typ='safe').load(text) for name,text in TEXTS.items()}
JOBS = {f'{name}/{job}': o for name,flow in FLOWS.items() for job,o in flow['jobs'].items()}
STEPS = [(where,step) for where,job in JOBS.items() for step in job.get('steps', [])]
MATRIX = FLOWS['test']['jobs']['test']['strategy']['matrix']


def check(*paths):
    "Run the schema checker, which brings GitHub's schema along; returns its exit status and output"
    cmd = [sys.executable, '-m', 'check_jsonschema', '--builtin-schema', 'vendor.github-workflows']
    p = subprocess.run([*cmd, *map(str, paths)], capture_output=True, text=True, encoding='utf8')
    return p.returncode, p.stdout+p.stderr

def script(where, start):
    "The shell script of the step in job `where` whose script starts with `start`"
    return next(step['run'] for w,step in STEPS if w==where and step.get('run', '').startswith(start))

def bash(script, cwd, **env):
    "Run `script` as GitHub does on Linux; returns its exit status and output"
    cmd = ['bash', '-e', '-o', 'pipefail', '-c', script]
    p = subprocess.run(cmd, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True)
    return p.returncode, p.stdout+p.stderr

on_unix = pytest.mark.skipif(os.name=='nt', reason='these steps run on Linux')

# Validity

def test_four_workflows(): assert list(TEXTS)==['quarto','release','site','test']

def test_workflows_are_valid():
    status,out = check(*FOLDER.glob('*.yml'))
    assert status==0, out

@pytest.mark.parametrize('right,wrong,complaint', [
    ('runs-on: ubuntu-latest', 'runs_on: ubuntu-latest', 'runs_on'),
    ('timeout-minutes: 60',    'timeout-minutes: long',  'long'),
    ('contents: read',         'contents: reading',      'reading'),
    ('- run: make test',       '- make: test',           'make')])
def test_the_checker_refuses_a_broken_workflow(right, wrong, complaint, tmp_path):
    (tmp_path/'test.yml').write_text(TEXTS['test'].replace(right, wrong), encoding='utf8')
    status,out = check(tmp_path/'test.yml')
    assert status!=0 and complaint in out

# What a schema cannot see

def test_jobs_wait_for_jobs_that_exist():
    for where,job in JOBS.items():
        needs = job.get('needs', [])
        there = FLOWS[where.split('/')[0]]['jobs']
        for other in [needs] if isinstance(needs, str) else needs: assert other in there, where

def test_every_job_has_a_timeout():
    "The jobs of a called workflow have their own"
    for where,job in JOBS.items():
        if 'uses' not in job: assert job['timeout-minutes']<=60, where

@pytest.mark.parametrize('where', JOBS)
def test_what_a_job_runs_is_in_the_project(where):
    "Targets of the Makefile, scripts and called workflows"
    targets = re.findall(r'^([a-z-]+):', (ROOT/'Makefile').read_text(encoding='utf8'), re.M)
    if 'uses' in JOBS[where]: assert (ROOT/JOBS[where]['uses']).is_file()
    for step in JOBS[where].get('steps', []):
        run = step.get('run', '')
        for target in re.findall(r'\bmake ([\w-]+)', run): assert target in targets, f'make {target}'
        for name in re.findall(r'\S+\.(?:py|ini|sh)\b', run): assert (ROOT/name).is_file(), name

def test_extras_are_those_of_the_package():
    extras = {o for _,step in STEPS for o in re.findall(r'(?:\.\[|--extra )(\w+)', step.get('run', ''))}
    assert extras=={'dev'} and 'dev_requirements' in SETTINGS['DEFAULT']

def test_systems_and_python_versions():
    oldest,newest = MATRIX['python']
    assert {o.split('-')[0] for o in MATRIX['os']}=={'ubuntu','macos','windows'}
    assert oldest==SETTINGS['DEFAULT']['min_python']
    assert [int(o) for o in newest.split('.')] > [int(o) for o in oldest.split('.')]
    used = [step['with']['python-version'] for _,step in STEPS if 'setup-python' in step.get('uses', '')]
    assert set(used)<={oldest, newest, '${{ matrix.python }}'}

def test_lowest_versions_are_those_of_the_oldest_python():
    steps = [step for where,step in STEPS if where=='test/lowest']
    assert any('--resolution lowest-direct' in step.get('run', '') for step in steps)
    assert MATRIX['python'][0] in [step.get('with', {}).get('python-version') for step in steps]

def test_newest_versions_are_tried_every_week():
    cron = FLOWS['test']['on']['schedule'][0]['cron'].split()
    assert cron[2:4]==['*','*'] and cron[4].isdigit()
    assert "github.event_name == 'schedule'" in JOBS['test/newest']['if']

@on_unix
def test_newest_versions_know_no_upper_bound(tmp_path):
    shutil.copy(ROOT/'settings.ini', tmp_path)
    status,out = bash(script('test/newest', 'perl'), tmp_path)
    before,after = ((folder/'settings.ini').read_text(encoding='utf8') for folder in (ROOT, tmp_path))
    assert status==0 and '<' not in after, out
    assert [re.match(r'[^<,]*', line).group() for line in before.splitlines() if '<' in line]==\
           [a for a,b in zip(after.splitlines(), before.splitlines()) if a!=b]

def test_no_workflow_names_the_branch():
    "`branch` in settings.ini is the one place; the site is that of the repository's default branch"
    branch = SETTINGS['DEFAULT']['branch']
    named = re.compile(rf'(?<![\w/-]){re.escape(branch)}(?![\w-])')
    for name,text in TEXTS.items(): assert not named.search(text), name
    assert JOBS['site/build']['if']=='github.ref_name == github.event.repository.default_branch'

# The site and the release

def test_the_site_is_what_make_docs_builds():
    steps = [step for where,step in STEPS if where=='site/build']
    assert any(step.get('run')=='make docs' for step in steps)
    path = next(step['with']['path'] for step in steps if 'upload-pages' in step.get('uses', ''))
    makefile = (ROOT/'Makefile').read_text(encoding='utf8')
    assert path in re.search(r'^clean:.*\n\trm -rf (.*)', makefile, re.M).group(1).split()

@on_unix
def test_a_release_needs_the_tag_of_its_version():
    compare,version = script('release/build', 'version='),SETTINGS['DEFAULT']['version']
    assert bash(compare, ROOT, GITHUB_REF_NAME=f'v{version}')==(0, '')
    for tag in (version, f'v{version}1', 'v', 'newest'):
        status,out = bash(compare, ROOT, GITHUB_REF_NAME=tag)
        assert status==1 and f'The tag is {tag}, but settings.ini has version {version}.' in out

def test_a_release_is_tested_and_built_before_it_is_published():
    jobs = FLOWS['release']['jobs']
    assert set(jobs['publish']['needs'])=={'build','test'} and jobs['publish']['environment']=='pypi'
    assert jobs['test']['uses']=='./.github/workflows/test.yml' and 'workflow_call' in FLOWS['test']['on']
    assert any(step.get('run')=='python -m build' for step in jobs['build']['steps'])

def test_nobody_holds_a_secret_and_few_may_write():
    for name,text in TEXTS.items(): assert not re.search(r'secrets|password|github\.token', text, re.I), name
    for name,flow in FLOWS.items(): assert flow['permissions']=={'contents': 'read'}, name
    asked = {where: job['permissions'].items() for where,job in JOBS.items() if 'permissions' in job}
    may_write = {where: {k for k,v in o if v=='write'} for where,o in asked.items()}
    assert {where: o for where,o in may_write.items() if o}=={
        'site/deploy': {'pages','id-token'}, 'release/publish': {'id-token'}}

def test_concurrent_runs_are_in_a_group():
    "Of their own: a called workflow in its caller's group would wait forever"
    groups = {name: flow['concurrency']['group'] for name,flow in FLOWS.items()}
    assert all(group.startswith(name) for name,group in groups.items()), groups
    assert [name for name,flow in FLOWS.items() if flow['concurrency']['cancel-in-progress']]==['test']
