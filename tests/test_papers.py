"The papers at the top of the project: what changed, how to cite it, how to contribute; no count of tests"
import json,re,subprocess,sys
from importlib.metadata import version

import pytest,yaml
from conftest import NOTEBOOKS, ROOT, cells, load_tool, place
from packaging.utils import canonicalize_name
from packaging.version import Version
from test_project import SETTINGS

CHANGES = (ROOT/'CHANGELOG.md').read_text(encoding='utf8')
CITATION = (ROOT/'CITATION.cff').read_text(encoding='utf8')
CONTRIBUTING = (ROOT/'CONTRIBUTING.md').read_text(encoding='utf8')
README = (ROOT/'README.md').read_text(encoding='utf8')
KINDS = {'Added','Changed','Deprecated','Removed','Fixed','Security'}
VERSION = SETTINGS['DEFAULT']['version']


# What changed

def sections(changes): return re.findall(r'^## \[(.+?)\](?: - (.*))?$', changes, re.M)

def dated(changes):
    "The versions that have a section in `changes`, the newest first, each with its day"
    return [(version,day) for version,day in sections(changes) if version!='Unreleased']

def test_the_changelog_knows_the_newest_version():
    assert len(sections(CHANGES))==len(re.findall('^## ', CHANGES, re.M))
    assert sections(CHANGES)[0] in [('Unreleased',''), *dated(CHANGES)]
    if dated(CHANGES): assert dated(CHANGES)[0][0]==VERSION, 'the version in settings.ini has no section'
    for _,day in dated(CHANGES): assert re.fullmatch(r'\d{4}-\d\d-\d\d', day)

def test_the_changelog_has_the_kinds_of_its_form():
    for section in re.split('^## ', CHANGES, flags=re.M)[1:]:
        kinds = re.findall('^### (.+)', section, re.M)
        assert len(kinds)==len(set(kinds)) and set(kinds)<=KINDS

def test_a_released_version_is_read():
    changes = '## [Unreleased]\n\n## [0.2.0] - 2027-01-31\n\n### Fixed\n\n## [0.1.0] - 2026-12-01\n'
    assert dated(changes)==[('0.2.0','2027-01-31'), ('0.1.0','2026-12-01')]

# How to cite it

def check(file):
    "Run the schema checker, which brings the schema along; returns its exit status and output"
    options = ['--builtin-schema', 'vendor.citation-file-format', '--default-filetype', 'yaml']
    cmd = [sys.executable, '-m', 'check_jsonschema', *options, str(file)]
    p = subprocess.run(cmd, capture_output=True, text=True, encoding='utf8')
    return p.returncode, p.stdout+p.stderr

def test_the_citation_is_valid():
    status,out = check(ROOT/'CITATION.cff')
    assert status==0, out

@pytest.mark.parametrize('right,wrong,complaint', [
    ('authors:\n  - name: The fastbook_ch4 authors\n', '', 'authors'),
    ('isbn: 978-1-4920-4552-6', 'isbn: the book', 'isbn'),
    ('license: Apache-2.0', 'license: Apache', 'license')])
def test_the_checker_refuses_a_broken_citation(right, wrong, complaint, tmp_path):
    assert right in CITATION
    (tmp_path/'CITATION.cff').write_text(CITATION.replace(right, wrong), encoding='utf8')
    status,out = check(tmp_path/'CITATION.cff')
    assert status!=0 and complaint in out

def test_the_citation_agrees_with_the_settings():
    cite,ini = yaml.safe_load(CITATION),SETTINGS['DEFAULT']
    assert cite['version']==VERSION and cite['license']==ini['license']
    assert cite['keywords']==ini['keywords'].split()
    assert cite['authors']==[{'name': ini['author']}]
    assert cite['repository-code']==f'https://github.com/{ini["user"]}/{ini["repo"]}', 'run `make address`'

def test_the_works_cited_are_those_on_the_licence_page():
    page = (ROOT/'site'/'licence.md').read_text(encoding='utf8').split('## The works')[1]
    for work in yaml.safe_load(CITATION)['references']:
        assert work['title'] in page or 'MNIST' in work['title']
        for author in work['authors']: assert author['family-names'] in page
        assert str(work.get('year', '')) in page

def test_a_fork_is_cited_by_its_address(tmp_path):
    (tmp_path/'CITATION.cff').write_text(CITATION, encoding='utf8')
    load_tool('address').cite(tmp_path/'CITATION.cff', dict(user='ada', repo='digits', branch='trunk'))
    old,new = yaml.safe_load(CITATION),yaml.safe_load((tmp_path/'CITATION.cff').read_text(encoding='utf8'))
    assert new==old|{'repository-code': 'https://github.com/ada/digits'}

# How to contribute

def test_links_of_contributing_lead_to_files():
    links = re.findall(r'\]\(([^)#]+)', CONTRIBUTING)
    assert len(links)>=4 and all((ROOT/link).is_file() for link in links)

def test_contributing_becomes_a_page_of_the_site():
    docs = load_tool('docs')
    page = docs.beside(docs.front_matter(CONTRIBUTING), 'CONTRIBUTING.md')
    assert page.startswith('---\ntitle: Contribute\ndescription: How the project is laid out')
    assert '\n---\n\n## ' in page
    assert '](licence.md#' in page and '](questions.ipynb)' in page and '](site/' not in page
    with pytest.raises(ValueError, match='opens with "# title"'): docs.front_matter('A page without a title')

@pytest.mark.parametrize('file,link,on_site', [
    ('site/teach.md', '../CONTRIBUTING.md#the-site', 'contribute.md#the-site'),
    ('site/teach.md', '../nbs/x.ipynb', 'x.ipynb'),
    ('site/teach.md', '../nbs/plumbing/x.ipynb#y', 'plumbing/x.ipynb#y'),
    ('site/teach.md', 'host.md', 'host.md'),
    ('CONTRIBUTING.md', 'nbs/plumbing/x.ipynb', 'plumbing/x.ipynb'),
    ('nbs/x.ipynb', '../site/speed.md', 'speed.md'),
    ('nbs/x.ipynb', 'plumbing/y.ipynb', 'plumbing/y.ipynb'),
    ('nbs/plumbing/x.ipynb', '../../site/speed.md#z', '../speed.md#z'),
    ('nbs/plumbing/x.ipynb', '../../CONTRIBUTING.md', '../contribute.md'),
    ('nbs/plumbing/x.ipynb', '../y.ipynb', '../y.ipynb'),
    ('nbs/plumbing/x.ipynb', 'y.ipynb', 'y.ipynb'),
    ('nbs/plumbing/x.ipynb', '../ledger/y.ipynb', '../ledger/y.ipynb'),
    ('nbs/plumbing/x.ipynb', '#y', '#y'),
    ('nbs/x.ipynb', 'https://example.org/site/x.md', 'https://example.org/site/x.md')])
def test_a_link_between_files_becomes_one_between_pages(file, link, on_site):
    assert load_tool('docs').beside(f'[text]({link})', file)==f'[text]({on_site})'

# How we talk, and where a fault is told

CONDUCT = (ROOT/'CODE_OF_CONDUCT.md').read_text(encoding='utf8')
FORMS = sorted((ROOT/'.github'/'ISSUE_TEMPLATE').glob('*.yml'))

def test_the_code_of_conduct_leads_to_the_owner(tmp_path):
    owner = f'](https://github.com/{SETTINGS["DEFAULT"]["user"]})'
    assert CONDUCT.count(owner)==1, 'run `make address`'
    (tmp_path/'conduct.md').write_text(CONDUCT, encoding='utf8')
    load_tool('address').conduct(tmp_path/'conduct.md', dict(user='ada', repo='digits', branch='trunk'))
    written = (tmp_path/'conduct.md').read_text(encoding='utf8')
    assert written==CONDUCT.replace(owner, '](https://github.com/ada)')

def check_form(file, kind):
    "Run the schema checker on an issue form; returns its exit status and output"
    schema = f'vendor.github-issue-{kind}'
    cmd = [sys.executable, '-m', 'check_jsonschema', '--builtin-schema', schema, str(file)]
    p = subprocess.run(cmd, capture_output=True, text=True, encoding='utf8')
    return p.returncode, p.stdout+p.stderr

@pytest.mark.parametrize('file', FORMS, ids=lambda f: f.stem)
def test_issue_forms_are_valid(file):
    status,out = check_form(file, 'config' if file.stem=='config' else 'forms')
    assert status==0, out

def test_the_checker_refuses_a_broken_form(tmp_path):
    text = next(f for f in FORMS if f.stem=='fault').read_text(encoding='utf8')
    (tmp_path/'fault.yml').write_text(text.replace('type: textarea', 'type: textbox'), encoding='utf8')
    status,out = check_form(tmp_path/'fault.yml', 'forms')
    assert status!=0 and 'textbox' in out

def test_issue_forms_ask_for_the_doctor():
    forms = {f.stem: yaml.safe_load(f.read_text(encoding='utf8')) for f in FORMS if f.stem!='config'}
    assert set(forms)=={'fault','mistake'}
    asked = {name: next(o for o in form['body'] if o.get('id')=='doctor') for name,form in forms.items()}
    for field in asked.values(): assert '`ch4 doctor`' in field['attributes']['label']
    assert asked['fault']['validations']['required']

def test_a_model_file_is_judged_in_words():
    text = (ROOT/'SECURITY.md').read_text(encoding='utf8')
    for word in ('unpickle','cannot run code','Load what you trust','## What a model file gives away'):
        assert word in text

# Where the versions are fixed

PINNED = re.findall(r'^([\w.-]+)==(\S+)$', (ROOT/'constraints.txt').read_text(encoding='utf8'), re.M)

def test_constraints_agree_with_the_settings():
    "Each requirement has its version there, within its bounds, but for what no test needs"
    versions = dict(PINNED)
    direct = {canonicalize_name(r.name): r for r in load_tool('constraints').direct()}
    assert len(versions)==len(PINNED)>100
    assert set(direct)-set(versions)<={'jupyterlab','pypandoc-binary'}
    for name in set(direct) & set(versions): assert direct[name].specifier.contains(versions[name]), name

def test_constraints_are_written_from_what_is_installed(tmp_path):
    load_tool('constraints').main(tmp_path/'out.txt')
    lines = (tmp_path/'out.txt').read_text(encoding='utf8').splitlines()
    torch = Version(version('torch')).public
    assert f'torch=={torch}' in lines and f'numpy=={version("numpy")}' in lines
    assert not [line for line in lines if '+' in line] and not any('fastbook' in line for line in lines)

def test_the_container_is_made_of_what_is_there():
    "Docker itself is not run in the tests"
    folder = ROOT/'.devcontainer'
    build = json.loads((folder/'devcontainer.json').read_text(encoding='utf8'))['build']
    assert (folder/build['dockerfile']).is_file() and (folder/build['context']).resolve()==ROOT
    text = (folder/'Dockerfile').read_text(encoding='utf8')
    assert '--torch-backend cpu' in text and '-c constraints.txt' in text and '.[lab]' in text
    assert set(re.findall(r'^([A-Z]+) ', text, re.M))=={'FROM','RUN','WORKDIR','COPY','USER','EXPOSE','CMD'}

def test_nothing_claims_to_be_typed():
    "No type checker runs, so the package does not say that one could rely on its annotations"
    assert not [name for name in tracked() if name.endswith('py.typed')]
    assert 'py.typed' not in (ROOT/'setup.py').read_text(encoding='utf8')

# Where things are

def tracked():
    "The files of the project that are in git"
    p = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True, encoding='utf8')
    if not p.stdout: pytest.skip('not a git checkout')
    return p.stdout.splitlines()

def drawn(tree):
    "The places that the lines of a `tree` name, and whether each has words beside it"
    places,folder = {},''
    for indent,name,words in re.findall(r'^( *)(\S+) *(.*)', tree, re.M):
        if not indent: folder = name
        places[folder+name if indent else name] = bool(words)
    return places

def test_the_tree_is_that_of_the_project():
    "A line for each folder and file at the top but git's own, and for the folders of lessons and package"
    tree = next(block for block in re.findall(r'```text\n(.*?)```', README, re.S) if block.startswith('nbs/'))
    parts = [file.split('/') for file in tracked() if not file.startswith('.git') or '/' in file]
    there = {o[0]+'/'*(len(o)>1) for o in parts}
    there |= {f'{o[0]}/{o[1]}/' for o in parts if o[0] in ('nbs','fastbook_ch4') and len(o)>2}
    assert drawn(tree)==dict.fromkeys(there, True)

def test_the_tour_leads_to_what_it_names():
    tour = CONTRIBUTING.split('## Where things are')[1].split('\n## ')[0]
    places = set(re.findall(r'[`(]((?:[\w-]+/)+(?:\w+\.\w+)?|\w+\.(?:md|yml|ini))[`)]', tour))
    assert len(places)>20
    for o in places: assert (ROOT/o).exists() or (ROOT/'fastbook_ch4'/o).exists(), o
    def holds(place, text): return text in (ROOT/place).read_text(encoding='utf8')
    for check in ('check_reduction','pair_logits'): assert holds('fastbook_ch4/loss.py', f' = {check}(')
    assert holds('fastbook_ch4/ledger/claims.csv', '\nwhole/loss,')
    assert holds('fastbook_ch4/ledger/chapter.py', 'def loss_claims(')

# No count of tests

COUNT = r'(?:\d|hundred|thousand) (?:\w+ ){0,2}(?:passed|tests|cases)\b'
TEXTS = {f.name: f.read_text(encoding='utf8') for f in [*ROOT.glob('*.md'), *(ROOT/'site').glob('*.md')]}
TEXTS |= {f.name: '\n'.join(source for _,source,_ in cells(place(f))) for f in NOTEBOOKS}

@pytest.mark.parametrize('text', ['a line like `1850 passed, 0 failed`', '1,850 tests', '171 named cases',
    'more than ten thousand generated cases'])
def test_a_count_of_tests_is_noticed(text): assert re.search(COUNT, text)

@pytest.mark.parametrize('name', TEXTS)
def test_no_page_counts_the_tests(name):
    "It would be wrong after the next change"
    assert not re.search(COUNT, TEXTS[name])

# What the course takes of a teacher's time

def minutes(number):
    "That lesson `number` says it takes"
    name, = [f.name for f in NOTEBOOKS if f.name.startswith(f'{number:02}_')]
    return int(re.search(r'\*\*Takes\*\* about (\d+) minutes', TEXTS[name])[1])

def test_the_timetable_adds_up_what_the_lessons_say():
    whole = sum(map(minutes, range(1, 12)))
    assert f'{whole} minutes for lessons 1 to 11' in TEXTS['teach.md']
    weeks = re.findall(r'^\| \d \| ([\d, ]+) \| (\d+) min \| (\d+) min \|', TEXTS['teach.md'], re.M)
    assert len(weeks)==6 and sum(int(take) for _,take,_ in weeks)==whole
    for lessons,take,left in weeks:
        assert int(take)==sum(minutes(int(o)) for o in lessons.split(','))
        assert int(take)+int(left)==90
