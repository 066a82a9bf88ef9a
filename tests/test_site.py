"The site in a browser: built from a copy of the project, under the address that the copy's settings give it"
import ast,importlib.util,json,re,shutil,subprocess,sys,threading
from functools import cache
from html.parser import HTMLParser
from urllib.parse import unquote,urljoin,urlsplit

import numpy as np, pytest
from conftest import NBS, NOTEBOOKS, ROOT, code, load_tool, place
from fastbook_ch4.questions import Verdict
from filelock import FileLock
from test_glossary import TERMS
from test_project import SETTINGS

ADDRESS = dict(user='ada', repo='digits', branch='trunk')
BY_HAND = ['api','playground','use','teach','speed','guarantees','host','contribute','conduct','licence',
           'many','404']
PAGES = [place(f) for f in NOTEBOOKS]+BY_HAND
LESSONS = [p for p in PAGES if p[0].isdigit() and p!='404']
each_page = pytest.mark.parametrize('page', PAGES)


@pytest.fixture(scope='session')
def project(for_all):
    "A copy of the project with an address of its own and its site, built once for all test processes"
    root = for_all/'site'
    with FileLock(root.with_suffix('.lock')):
        if not (root/'built').exists():
            made = '.*', 'runs', 'build', 'dist', '_*s', '_proc', '*.egg-info', '__pycache__', 'models'
            shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*made))
            ini = root/'settings.ini'
            text = ini.read_text(encoding='utf8')
            for key,value in ADDRESS.items():
                text = re.sub(rf'^{key} = .*', f'{key} = {value}', text, flags=re.M)
            ini.write_text(text, encoding='utf8')
            for tool in ('address.py','docs.py'):
                cmd = [sys.executable, root/'tools'/tool]
                p = subprocess.run(cmd, cwd=root, capture_output=True, text=True)
                assert p.returncode==0, p.stdout+p.stderr
            (root/'built').write_text(p.stdout+p.stderr, encoding='utf8')
    return root

@pytest.fixture(scope='session')
def site(project): return project/'_docs'

@pytest.fixture(scope='session')
def address(project):
    "Where the site is served for these tests"
    docs = load_tool('docs', project)
    with docs.server(0) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{httpd.server_port}/digits/'
        httpd.shutdown()

def watched(context, address):
    "A new page of `context` that lists in `page.trouble` what goes wrong"
    page = context.new_page()
    page.trouble = []
    def note(trouble, text):
        if trouble: page.trouble.append(text)
    page.on('console', lambda m: note(m.type in ('error','warning'), m.text))
    page.on('pageerror', lambda e: note(True, str(e)))
    # a worker's script is a blob of the page
    ours = address,'data:',f'blob:{address.removesuffix("digits/")}'
    page.on('request', lambda r: note(not r.url.startswith(ours), f'asked for {r.url}'))
    page.on('response', lambda r: note(not r.ok and r.status!=304, f'{r.status} for {r.url}'))
    return page

USUAL = {'viewport': {'width': 1300, 'height': 900}, 'reduced_motion': 'reduce'}

@pytest.fixture(scope='session')
def tab(browser, address):
    "The page that tests of this process share; a new one for each would be twice the work"
    context = browser.new_context(**USUAL)
    yield watched(context, address)
    context.close()

@pytest.fixture
def visit(browser, address, tab):
    """Function that opens a page of the site, `watched`, in the `tab`, which forgets it at the end.

    With more `options` of a browser context than a size and a theme it is opened in a context of its own."""
    contexts = []
    def open_page(name, viewport=USUAL['viewport'], color_scheme='light', **options):
        page = tab
        if options:
            contexts.append(browser.new_context(**{**USUAL, 'viewport': viewport, **options}))
            page = watched(contexts[-1], address)
        page.set_viewport_size(viewport)
        page.emulate_media(media='screen', color_scheme=color_scheme, reduced_motion='reduce')
        page.goto(f'{address}{name}.html')
        return page
    yield open_page
    for c in contexts: c.close()
    if tab.url.startswith(address): tab.evaluate('localStorage.clear()')
    tab.unroute_all()
    tab.mouse.move(0, 0)
    tab.goto('about:blank')
    tab.trouble.clear()

class Tags(HTMLParser):
    "All tags of a page, as pairs of a name and its attributes"
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)
    def handle_starttag(self, tag, attrs): self.tags.append((tag, dict(attrs)))

@cache
def all_tags(file): return Tags(file.read_text(encoding='utf8')).tags

def tags(site, page, *names):
    "The tags of a page that are called one of `names`, or all of them"
    return [(tag,attrs) for tag,attrs in all_tags(site/f'{page}.html') if tag in names or not names]

def pages_in(folder):
    "The pages in `folder`, by their places without an ending"
    return {f.relative_to(folder).with_suffix('').as_posix() for f in folder.rglob('*.html')}

# What was built

def test_every_page_is_there(site): assert pages_in(site)==set(PAGES)

def test_the_renderer_had_nothing_to_complain_about(project):
    assert 'warning' not in (project/'built').read_text(encoding='utf8')

@each_page
def test_nothing_is_named_on_another_host(site, page):
    "Links may lead away; what a page is made of comes from this site"
    makers = 'script','link','img','iframe','source','video','audio','object','embed','form'
    for tag,attrs in tags(site, page, *makers):
        for name in ('src','href','srcset','data','action'):
            assert not re.match(r'(https?:)?//', attrs.get(name) or ''), (tag, attrs)

def test_no_style_names_another_host(site):
    for f in site.rglob('*.css'):
        assert not re.search(r'(@import\s*|url\()["\']?(https?:)?//', f.read_text(encoding='utf8')), f.name

def test_internal_links_and_anchors_resolve(site):
    ids = {p: {a[k] for _,a in tags(site, p) for k in ('id','name') if a.get(k)} for p in PAGES}
    broken = []
    for page in PAGES:
        for _,attrs in tags(site, page, 'a', 'link', 'script', 'img'):
            href = attrs.get('href') or attrs.get('src') or ''
            if re.match(r'[a-z]+:|//', href) or not href: continue
            url = urlsplit(urljoin(f'/{page}.html', href))
            target = unquote(url.path).lstrip('/') or 'index.html'
            there = (site/target).is_file()
            if there and url.fragment and target.endswith('.html'):
                there = unquote(url.fragment) in ids[target.removesuffix('.html')]
            if not there: broken.append((page, href))
    assert not broken

@each_page
def test_every_picture_has_an_alternative_text(site, page):
    for _,attrs in tags(site, page, 'img'): assert len(attrs.get('alt') or '')>=15, str(attrs)[:200]

class Text(HTMLParser):
    "The text of a page that is no code"
    def __init__(self, text):
        super().__init__()
        self.text,self.inside = '',0
        self.feed(text)
    def handle_starttag(self, tag, attrs): self.inside += tag in ('code','script','style','math')
    def handle_endtag(self, tag): self.inside -= tag in ('code','script','style','math')
    def handle_data(self, data): self.text += '' if self.inside else data

@pytest.mark.parametrize('page', ['index', *LESSONS])
def test_a_link_to_a_lesson_is_shown_with_its_picture(site, page):
    named = [a['content'] for _,a in tags(site, page, 'meta') if a.get('property')=='og:image']
    assert named==[f'https://ada.github.io/digits/covers/{page}.png']
    assert (site/'covers'/f'{page}.png').read_bytes()[:4]==b'\x89PNG'

@each_page
def test_no_markdown_is_left_in_the_text(site, page):
    text = Text((site/f'{page}.html').read_text(encoding='utf8')).text
    assert not re.findall(r'.{30}\]\(.{20}|.*:::.*|\{[.#]\w+.*\}', text)

def test_machine_readable_companions(site):
    home = 'https://ada.github.io/digits/'
    llms = (site/'llms.txt').read_text(encoding='utf8')
    assert all(f'{home}{p}.llms.md' in llms for p in PAGES if p!='404')
    locs = re.findall(r'<loc>(.*?)</loc>', (site/'sitemap.xml').read_text())
    assert {f'{home}{p}.html' for p in PAGES if p!='404'}<=set(locs)
    assert (site/'favicon.svg').read_text().startswith('<svg')
    copy = (site/'04_loss.llms.md').read_text(encoding='utf8')
    assert '<p class="launch">' not in copy and 'target=' not in copy
    assert '\n### mnist_loss\n' in copy and '\n```python\ndef mnist_loss(\n' in copy and '{#' not in copy

def test_pages_follow_one_another(site):
    for before,page,after in zip(['index']+LESSONS, LESSONS, LESSONS[1:]+['questions']):
        links = [a['href'] for t,a in tags(site, page, 'a') if a.get('class')=='pagination-link']
        assert links==[f'{before}.html', f'{after}.html']

# The code of the definitions

class Code(HTMLParser):
    "The blocks of code of a page, each as the definition it stands under, whether it is folded, and its text"
    def __init__(self, text):
        super().__init__()
        self.blocks = []
        self.name,self.in_name = '',False
        self.text,self.folds = None,0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        classes = attrs.get('class', '').split()
        if tag=='h3': self.name,self.in_name = '',bool({'taught','definition'} & set(classes))
        if tag=='details': self.folds += 1
        if tag=='code' and 'sourceCode' in classes: self.text = ''

    def handle_endtag(self, tag):
        if tag=='details': self.folds -= 1
        if tag=='h3': self.in_name = False
        if tag=='code' and self.text is not None:
            self.blocks.append((self.name, self.folds>0, self.text))
            self.text = None

    def handle_data(self, data):
        if self.text is not None: self.text += data
        if self.in_name: self.name += data

def blocks(site, page, name=None):
    "The blocks of code of a page, or those under the definition `name`"
    found = Code((site/f'{page}.html').read_text(encoding='utf8')).blocks
    return [block for block in found if name is None or block[0]==name]

def exported(page, kinds=('#| export','#| exporti')):
    "The code of the cells of a notebook that export a definition, without directives"
    sources = [source for source,_ in code(page) if source.split('\n')[0] in kinds]
    texts = [re.sub(r'\A(#\|.*\n)*', '', source).rstrip() for source in sources]
    imports = load_tool('docs').imports
    return [text for text in texts if not all(imports(node) for node in ast.parse(text).body)]

def public(page, *kinds):
    "The public names that a notebook exports, by kinds of definition"
    nodes = [node for text in exported(page, ('#| export',)) for node in ast.parse(text).body]
    load = load_tool('docs')
    return [load.shown_name(node) for node in nodes if isinstance(node, kinds) and node.name[0]!='_']

each_notebook = pytest.mark.parametrize('page', [place(f) for f in NOTEBOOKS])

@each_notebook
def test_the_code_of_each_definition_can_be_read(site, page):
    shown = [text for _,_,text in blocks(site, page)]
    for text in exported(page): assert shown.count(text)==1, text

TAUGHT = {
    '01_data': ['load_images', 'digit_tensors'],
    '02_baseline': ['mnist_distance', 'PixelSimilarity'],
    '03_descent': ['mse', 'rmse_loss', 'apply_step'],
    '04_loss': ['sigmoid', 'mnist_loss', 'batch_accuracy'],
    '05_training': ['init_params', 'linear1', 'calc_grad', 'train_epoch', 'validate_epoch', 'train_model'],
    '06_optimizer': ['BasicOptim'],
    '08_models': ['simple_net']}

@pytest.mark.parametrize('page,name', [(page,name) for page,names in TAUGHT.items() for name in names])
def test_a_lesson_prints_what_it_teaches(site, page, name):
    "The whole definition right under its name, and no signature besides"
    (_,folded,text),*rest = blocks(site, page, name)
    assert not folded and text in exported(page)
    assert re.search(rf'^(def|class) {name}\(|^class {name}:', text, re.M)
    assert not any(re.match(rf'(def|class) {name}\b', other) for _,_,other in rest)

def test_elsewhere_code_is_folded_under_its_signature(site):
    signature,whole,*_ = blocks(site, 'plumbing/checks', 'check_pixels')
    lines = 'def check_pixels(', '    x, # Images as a tensor of any shape', ')->torch.Tensor: # `x` itself'
    assert signature==('check_pixels', False, '\n'.join(lines))
    assert whole[1] and whole[2].startswith('def check_pixels(\n    x # Images')
    assert whole[2].endswith("'Divide by 255 if they are grey values.')\n    return x")

@pytest.mark.parametrize('page,name', [('17_application','Familiar'), ('17_application','DigitModel')])
def test_a_lesson_folds_what_is_long(site, page, name):
    signature,whole,*_ = blocks(site, page, name)
    assert not signature[1] and whole[1] and whole[2] in exported(page)

def test_a_class_is_not_shown_as_a_function(site):
    (_,folded,signature),*_ = blocks(site, '17_application', 'DigitModel')
    assert not folded and re.match(r'class DigitModel\(\n', signature) and '->' not in signature
    for page in map(place, NOTEBOOKS):
        for name in public(page, ast.ClassDef):
            assert not any(text.startswith(f'def {name}(') for _,_,text in blocks(site, page)), name

@each_notebook
def test_the_contents_list_names_no_definition_and_each_has_its_anchor(site, page):
    ids = [attrs['id'] for _,attrs in tags(site, page) if 'id' in attrs]
    html = (site/f'{page}.html').read_text(encoding='utf8')
    listed = [re.sub('<.*?>', '', text) for text in re.findall(r'id="toc-[^"]*"[^>]*>(.*?)</a>', html)]
    names = public(page, ast.FunctionDef, ast.ClassDef)
    assert {name.lower() for name in names}<=set(ids) and len(ids)==len(set(ids))
    assert not set(names) & set(listed)
    if page in LESSONS: assert 'What to remember' in listed

def test_code_without_a_signature_is_folded_under_its_name(site):
    html = (site/'questions.html').read_text(encoding='utf8')
    assert '<summary>Code of graded</summary>' in html and '<summary>Code of RIGHT, Hint</summary>' in html

@pytest.mark.parametrize('lines,text', [
    (1, 'x = 1'),
    (2, 'def f(\n    a, # one\n    b, # two\n):\n    "What it does"\n    return a'),
    (3, 'class A:\n    "What it is"\n\n    def f(self):\n        # why\n        return (1,\n            2)'),
    (1, 'def f(): return 1; # and more')])
def test_lines_that_do_something_are_counted(lines, text): assert load_tool('docs').work_lines(text)==lines

def test_a_signature_that_belongs_nowhere_is_reported(tmp_path):
    import nbformat
    docs = load_tool('docs')
    docs.ROOT = tmp_path
    new = nbformat.v4.new_code_cell
    (tmp_path/'nbs').mkdir()
    source = nbformat.v4.new_notebook(cells=[new('#| export\ndef f(): return 1')])
    nbformat.write(source, tmp_path/'nbs'/'x.ipynb')
    stray = nbformat.from_dict({**new('#| echo: false\nshow_doc(g)'), 'has_sd': True})
    with pytest.raises(ValueError, match='x: cells .* of nbdev have no place'): docs.with_code('x', [stray])

# Other ways to build and to see it

@pytest.mark.full
def test_quarto_is_asked_for_the_same(project, tmp_path, monkeypatch):
    "A stand-in for Quarto that calls smalldocs shows how it is called and where its pages end up"
    docs = load_tool('docs', project)
    docs.PROC,docs.DOCS = tmp_path/'_proc',tmp_path/'_docs'
    shutil.copytree(project/'_proc', docs.PROC)
    call = f'echo "$@" > {tmp_path}/asked\nexec "{sys.executable}" -m smalldocs.cli "$@"'
    (tmp_path/'quarto').write_text(f'#!/bin/sh\n{call}\n')
    (tmp_path/'quarto').chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path), prepend=':')
    docs.render(docs.renderer(quarto=True))
    assert (tmp_path/'asked').read_text()==f'render {tmp_path}/_proc\n'
    assert pages_in(docs.DOCS)==set(PAGES)

def test_without_quarto_it_says_what_to_do(project, monkeypatch):
    monkeypatch.setenv('PATH', '')
    with pytest.raises(SystemExit, match='Quarto is not installed. `make docs`'):
        load_tool('docs', project).renderer(quarto=True)

def test_a_preview_needs_a_site_and_a_free_port(project, tmp_path, address):
    docs = load_tool('docs', project)
    with pytest.raises(SystemExit, match='Port .* cannot be used'): docs.serve(int(urlsplit(address).port))
    docs.DOCS = tmp_path
    with pytest.raises(SystemExit, match='Build it with `make docs`'): docs.serve()

# The API index

def exports():
    "Every name in the `__all__` of a module, each with the module"
    for f in sorted((ROOT/'fastbook_ch4').rglob('*.py')):
        if not re.search('^__all__ = ', f.read_text(encoding='utf8'), re.M): continue
        module = '.'.join(f.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__')
        yield from ((module, name) for name in importlib.import_module(module).__all__)

def test_the_index_lists_every_export(site):
    text = (site/'api.html').read_text(encoding='utf8')
    for module,name in exports():
        assert re.search(rf'<code>{name}(\(|</code>)', text), f'{module}.{name}'
    sections = re.findall(r'<h2 id="fastbook_ch4\.([\w.]+)|data-anchor-id="fastbook_ch4\.([\w.]+)', text)
    names = [a or b for a,b in sections]
    assert len(names)==len(set(names)) and {'loss','plumbing.checks','ledger.table','store'}<=set(names)
    assert 'mnist_loss(predictions, targets, reduction=None)' in text
    assert 'How far <code>sigmoid(predictions)</code> is from <code>targets</code> on average' in text
    assert ' at 0x' not in text, 'a default that differs from run to run'
    assert '(self' not in text, 'which no caller passes'

def test_an_entry_leads_to_its_lesson_and_its_source(site):
    links = [a['href'] for _,a in tags(site, 'api', 'a') if 'href' in a]
    assert '04_loss.html#mnist_loss' in links
    ours = 'https://github.com/ada/digits/blob/trunk/fastbook_ch4/loss.py#L'
    line = next(int(h.removeprefix(ours)) for h in links if h.startswith(ours))
    assert (ROOT/'fastbook_ch4'/'loss.py').read_text().splitlines()[line-1].startswith('def ')
    assert any('/fastbook_ch4/store/files.py#L' in h for h in links)
    assert 'plumbing/checks.html#check_pixels' in links
    assert any('/fastbook_ch4/plumbing/checks.py#L' in h for h in links)

def test_the_index_says_what_the_star_import_brings(site):
    import fastbook_ch4.all
    text = (site/'api.html').read_text(encoding='utf8')
    for module in dict.fromkeys(module for module,_ in exports()):
        section = text.split(f'>{module.removeprefix("fastbook_ch4.")}</h2>')[1].split('<h2')[0]
        line = re.sub('<[^>]*>', '', section.split('<ul')[0])
        names = [name for m,name in exports() if m==module and f'<code>{name}' in section]
        here = vars(sys.modules[module])
        missing = [name for name in names if vars(fastbook_ch4.all).get(name) is not here[name]]
        if not missing: assert 'Import' not in line, module
        elif missing==names: assert f'Import its names from {module}.' in line, module
        else: assert f'Import {", ".join(missing)} from {module}.' in line, module

@pytest.mark.parametrize('page,link', [
    ('07_learner', '04_loss.html#mnist_loss'),
    ('03_descent', 'plumbing/checks.html#pair_up'),
    ('plumbing/checks', 'images.html#colour_images'),
    ('ledger/chapter', '../04_loss.html#mnist_loss')])
def test_backticked_names_lead_to_their_definition(site, page, link):
    assert link in [a.get('href') for _,a in tags(site, page, 'a')]

# The glossary

def test_each_word_of_the_glossary_has_an_anchor_and_each_letter_a_link(site):
    docs = load_tool('docs')
    ids = [docs.word_id(term) for term in TERMS]
    found = [a.get('id') for _,a in tags(site, 'glossary', 'span')]
    assert len(set(ids))==len(ids) and set(ids)<=set(found)
    html = (site/'glossary.html').read_text(encoding='utf8')
    letters = re.search('<nav class="letters".*?</nav>', html, re.S)[0]
    assert re.findall('>(.)</a>', letters)==sorted({term[0].upper() for term in TERMS})
    assert '<a href="#back-propagation">B</a>' in letters, 'the first word with this letter'

@pytest.mark.parametrize('page,word', [
    ('01_data', 'tensor'),
    ('03_descent', 'learning-rate'),
    ('04_loss', 'sigmoid')])
def test_a_word_leads_to_the_glossary_where_a_lesson_introduces_it(site, page, word):
    links = [a.get('href') for _,a in tags(site, page, 'a')]
    assert links.count(f'glossary.html#{word}')==1

@pytest.mark.parametrize('text,linked', [
    ('an *epoch*, and *epochs*', 'an [*epoch*](glossary.ipynb#epoch), and *epochs*'),
    ('two *epochs*', 'two [*epochs*](glossary.ipynb#epoch)'),
    ('`*epoch*` and **epoch** and [*epoch*](x)', '`*epoch*` and **epoch** and [*epoch*](x)'),
    ('an *era*', 'an *era*')])
def test_words_in_italics_are_linked_once(text, linked):
    assert load_tool('docs').with_words(text, {'epoch'})==linked

@pytest.mark.parametrize('page,linked', [('same_bits', True), ('13_autograd', False)])
def test_what_every_bit_the_same_calls_exp_is_linked_on_its_own_page_only(page, linked):
    docs,known = load_tool('docs'),{'same_bits.html': ('same_bits', ['exp'])}
    shown = docs.page_text('take [`exp`](/same_bits.html#exp) of it', page, known, docs.settings())
    assert shown==('take [`exp`](same_bits.ipynb#exp) of it' if linked else 'take `exp` of it')

LONG_HINT = 'The weights fit, but for a batch of one row your loop stops before it has seen it all.'

@pytest.mark.parametrize('printed,shown', [
    (repr(Verdict(LONG_HINT)), LONG_HINT),
    ('1\n2', '1\n2'),
    ('tensor([[1, 2],\n        [3, 4]])', 'tensor([[1, 2],\n        [3, 4]])')])
def test_a_page_breaks_the_lines_of_a_hint_itself(printed, shown):
    assert load_tool('docs').unfilled(printed)==shown

# Without an address

NOWHERE = dict(public=False)

def test_a_project_without_an_address_shows_no_link_that_leads_nowhere():
    docs = load_tool('docs')
    cfg = docs.settings() | NOWHERE
    assert re.findall('>([^<]+)</a>', docs.launch_links('04_loss', cfg))==['Download the notebook']
    assert docs.address(cfg)=={}
    source = '[source](/blob/main/x/y.py#L3){target="_blank" style="float:right"}\n\n### f'
    assert docs.page_text(source, '04_loss', {}, cfg)=='### f'
    import fastbook_ch4.loss as mod
    assert 'http' not in docs.api_entry('mnist_loss', mod.mnist_loss, mod, '04_loss', cfg)

def test_the_placeholder_is_no_address():
    cfg = load_tool('docs').settings()
    assert cfg['public']==(SETTINGS['DEFAULT']['user']!='your-github-name')
    assert f"NOBODY = '{load_tool('docs').NOBODY}'" in (ROOT/'tools'/'address.py').read_text()

def test_links_to_the_published_site_stay_within_this_one():
    docs = load_tool('docs')
    cfg = docs.settings()
    assert docs.reachable('[a](https://github.com/your-github-name) [b](c.md)', NOWHERE)=='a [b](c.md)'
    text = f'[a]({cfg["site"]}03_descent.html#x) [b]({cfg["site"]}) [c]({cfg["site"]}use.html)'
    assert docs.inward(text, cfg)=='[a](03_descent.ipynb#x) [b](index.ipynb) [c](use.html)'

# Taking a lesson along

def first_cell(f): return ''.join(json.loads(f.read_text(encoding='utf8'))['cells'][0]['source'])

@pytest.mark.parametrize('page', [p for p in PAGES if p not in ['index', *BY_HAND]])
def test_a_notebook_to_download_and_to_open_in_colab(site, project, page):
    links = [a for _,a in tags(site, page, 'a')]
    download, = (a for a in links if 'download' in a)
    assert download['download']==page.split('/')[-1]+'.ipynb'
    assert urljoin(f'/{page}.html', download['href'])==f'/notebooks/{page}.ipynb'
    assert f'https://github.com/ada/digits/blob/trunk/nbs/{page}.ipynb' in [a.get('href') for a in links]
    assert (site/'notebooks'/f'{page}.ipynb').read_bytes()==(project/'nbs'/f'{page}.ipynb').read_bytes()
    at = f'ada/digits/blob/trunk/nbs/{page}.ipynb'
    for there in (f'https://colab.research.google.com/github/{at}',
                  f'https://kaggle.com/kernels/welcome?src=https://github.com/{at}',
                  f'https://mybinder.org/v2/gh/ada/digits/trunk?labpath=nbs/{page}.ipynb'):
        assert there in [a.get('href') for a in links]

@pytest.mark.parametrize('nb', [f for f in NOTEBOOKS if f.stem!='glossary'], ids=place)
def test_the_first_cell_has_the_address_of_the_settings(nb, project):
    copy = project/'nbs'/nb.relative_to(NBS)
    assert 'pip install -q "git+https://github.com/ada/digits@trunk"' in first_cell(copy)
    s = SETTINGS['DEFAULT']
    address = f'git+https://github.com/{s["user"]}/{s["repo"]}@{s["branch"]}'
    has_one = s['user']!='your-github-name'
    assert (f'"{address}"' in first_cell(nb))==has_one, 'run `make address`'
    if not has_one: assert 'your-github-name' not in nb.read_text(encoding='utf8'), 'run `make address`'

@pytest.mark.parametrize('page,widget', [
    ('03_descent', 'walk-widget'),
    ('03_descent', 'fit-widget'),
    ('04_loss', 'loss-widget'),
    ('07_learner', 'draw-widget')])
def test_lessons_lead_to_the_site_of_the_settings(project, page, widget):
    text = (project/'nbs'/f'{page}.ipynb').read_text(encoding='utf8')
    assert f'https://ada.github.io/digits/{page}.html#{widget}' in text

@pytest.mark.parametrize('installed', [True, False])
def test_the_first_cell_installs_only_what_is_missing(project, installed):
    from IPython.core.interactiveshell import InteractiveShell
    shell,asked = InteractiveShell(),[]
    shell.register_magic_function(asked.append, magic_name='pip')
    hidden = {k: sys.modules.pop(k) for k in list(sys.modules) if k.split('.')[0]=='fastbook_ch4'}
    if not installed: sys.modules['fastbook_ch4'] = None  # makes the import fail
    try: shell.run_cell(first_cell(project/'nbs'/'01_data.ipynb')).raise_error()
    finally:
        sys.modules.pop('fastbook_ch4', None)
        sys.modules.update(hidden)
    assert len(asked)==(0 if installed else 1) and all('git+https://github.com/' in line for line in asked)

# In the browser

CUT = '''els => els.filter(e => e.offsetParent && e.scrollWidth>e.clientWidth+1)
    .map(e => e.textContent.slice(0, 80))'''
TOP = 'e.getBoundingClientRect().top'

def barriers(p, scheme):
    "What axe-core finds on the page `p` in a theme"
    from axe_playwright_python.sync_playwright import Axe
    p.emulate_media(color_scheme=scheme)
    is_dark = 'document.documentElement.classList.contains("quarto-dark")'
    p.wait_for_function(f'dark => {is_dark}===dark', arg=scheme=='dark')
    p.wait_for_load_state('networkidle')
    violations = Axe().run(p, options={'resultTypes': ['violations']}).response['violations']
    return [(v['id'], n['html'][:150]) for v in violations for n in v['nodes']]

def check_first_screen(p):
    "A lesson in a window of 1280 by 800 shows a picture at once and is light"
    p.wait_for_load_state('networkidle')
    tops = p.locator('main :is(img, canvas, svg):visible').evaluate_all(f'els => els.map(e => {TOP})')
    assert min(tops)<720, 'mark a figure with `#| cover: true`'
    sizes = p.evaluate('performance.getEntries().map(e => e.decodedBodySize || 0)')
    assert len(sizes)>5 and 1e5<sum(sizes)<1.5e6

# Lessons and a page of each other kind; the rest wait for `make test-full`
KINDS = *LESSONS,'index','questions','glossary','plumbing/checks','ledger/chapter','api','playground','404'
later = [pytest.param(o, marks=pytest.mark.full) for o in PAGES if o not in KINDS]

@pytest.mark.parametrize('page', [*KINDS,*later])
def test_a_page_is_sound(visit, page):
    "It fits every screen and loads in peace"
    p = visit(page, viewport={'width': 1280, 'height': 800})
    if page in LESSONS: check_first_screen(p)
    for width in (1280,800,360):
        p.set_viewport_size({'width': width, 'height': 800})
        assert p.evaluate('document.documentElement.scrollWidth')<=width
        assert not p.locator('main pre.sourceCode:not(.text)').evaluate_all(CUT), 'code is cut off'
    assert not p.trouble

@pytest.mark.parametrize('page, scheme', [('index','light'), ('07_learner','light'), ('07_learner','dark'),
                                          ('playground','light'), ('questions','light')])
def test_a_page_of_each_kind_has_no_barrier(visit, page, scheme): assert not barriers(visit(page), scheme)

@each_page
@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.full
def test_no_page_has_a_barrier(visit, page, scheme):
    assert not barriers(visit(page), scheme)

# The first page

def test_the_first_page_has_digits_a_board_and_where_to_begin_on_the_first_screen(visit):
    p = visit('index', viewport={'width': 1280, 'height': 800})
    p.locator('.answer', has_text='Nothing drawn yet').wait_for()
    for el in ('main img', 'canvas.pad', 'a:has-text("Begin here: lesson 1")'):
        box = p.locator(el).first.bounding_box()
        assert box['y']+box['height']<800, el
    p.get_by_role('button', name='Show a 7').click()
    assert p.locator('.answer').inner_text().startswith('7, ')
    p.get_by_role('link', name='Begin here: lesson 1').click()
    assert p.url.endswith('/01_data.html')

def test_a_phone_shows_digits_and_where_to_begin_on_the_first_screen(visit):
    p = visit('index', viewport={'width': 390, 'height': 844})
    for el in ('main img', 'a:has-text("Begin here: lesson 1")'):
        box = p.locator(el).first.bounding_box()
        assert box['y']+box['height']<844, el

@pytest.mark.parametrize('page', ['index','07_learner'])
@pytest.mark.parametrize('width', [320, 390, 430])
def test_the_board_does_not_move_under_the_pen(visit, page, width):
    "However long the answer above it is"
    p = visit(page, viewport={'width': width, 'height': 740})
    p.locator('.answer', has_text='Nothing drawn yet').wait_for()
    before = p.locator('canvas.pad').evaluate('c => c.offsetTop')
    for digit in '378':
        p.locator('#draw-widget').get_by_role('button', name=digit).click()
        assert p.locator('canvas.pad').evaluate('c => c.offsetTop')==before

# The look of pages

def test_imports_are_folded_in_a_lesson(visit):
    p = visit('01_data')
    fold = p.locator('details', has_text='Imports').first
    assert not fold.locator('code').is_visible()
    fold.get_by_text('Imports').click()
    assert 'from fastai.vision.all import *' in fold.locator('code').inner_text()

@pytest.mark.parametrize('width,beside', [(390,False), (1024,False), (1280,True)])
def test_the_contents_of_a_page_are_within_reach_on_every_screen(visit, width, beside):
    p = visit('04_loss', viewport={'width': width, 'height': 800})
    assert p.locator('#TOC').is_visible()==beside
    fold = p.locator('details.contents')
    assert fold.is_visible()!=beside
    if beside: return
    fold.get_by_text('On this page').click()
    fold.get_by_role('link', name='What to remember').click()
    p.wait_for_timeout(300)
    assert p.url.endswith('#what-to-remember') and not fold.locator('ul').first.is_visible()
    assert 0<=p.locator('#what-to-remember').evaluate(f'e => {TOP}')<300

def test_the_glossary_is_readable_on_a_phone(visit):
    p = visit('glossary', viewport={'width': 390, 'height': 844})
    english,korean,meaning = (p.locator(f'.glossary tbody tr:first-child td:nth-child({i})').bounding_box()
                              for i in (1,2,3))
    assert english['y']<korean['y']<meaning['y'] and meaning['width']>300

def test_what_scrolls_fades_at_its_edge(visit):
    p = visit('03_descent', viewport={'width': 390, 'height': 844})
    plot = p.locator('.cell-output-display:has(img[data-wide])').first
    assert 'goes-on' in plot.get_attribute('class')
    plot.evaluate('e => { e.scrollLeft = e.scrollWidth }')
    p.locator('.cell-output-display:has(img[data-wide]):not(.goes-on)').first.wait_for()

def test_long_output_is_broken_and_columns_are_not(visit):
    p = visit('01_data', viewport={'width': 390, 'height': 844})
    wraps = 'els => els.map(e => [e.textContent, getComputedStyle(e).whiteSpace])'
    outs = dict(p.locator('.cell-output > pre').evaluate_all(wraps))
    assert outs["[Path('train'), Path('valid')]"]=='pre-wrap'
    assert next(how for text,how in outs.items() if text.startswith('array([['))=='pre'

def test_fingers_find_what_they_need(visit):
    "Copy buttons are seen without hovering, and controls are 24 pixels high"
    p = visit('03_descent', has_touch=True, is_mobile=True, viewport={'width': 390, 'height': 844})
    assert float(p.locator('.code-copy-button').first.evaluate('e => getComputedStyle(e).opacity'))>=.5
    for box in p.locator('main input:visible').evaluate_all('els => els.map(e => e.getBoundingClientRect())'):
        assert box['height']>=24

def test_links_on_names_in_code_are_underlined(visit):
    p = visit('index')
    line = 'els => els.map(e => getComputedStyle(e).textDecorationLine)'
    assert set(p.locator('main :is(p, li, td) a:has(> code)').evaluate_all(line))=={'underline'}

def test_a_printed_page_is_white_whole_and_without_menus(visit):
    p = visit('03_descent', color_scheme='dark')
    p.evaluate('dispatchEvent(new Event("beforeprint"))')
    p.emulate_media(media='print')
    assert p.evaluate('getComputedStyle(document.body).backgroundColor')=='rgb(255, 255, 255)'
    assert p.locator('main details:not([open], .contents)').count()==0
    for menu in ('#quarto-header', '#quarto-sidebar', '.launch', '.code-copy-button', '.page-navigation'):
        assert not p.locator(menu).first.is_visible(), menu
    assert not p.locator('main pre').evaluate_all(CUT)
    p.evaluate('dispatchEvent(new Event("afterprint"))')
    assert p.locator('main details[open]').count()==0
    assert p.evaluate('document.documentElement.classList.contains("quarto-dark")')

def test_the_icons_that_styles_name_by_number_are_in_the_font(site):
    from fontTools.ttLib import TTFont
    font, = site.rglob('bootstrap-icons.woff')
    styles = [f.read_text(encoding='utf8') for f in site.rglob('*.css')]
    codes = {int(code, 16) for css in styles for code in re.findall(r'content: ?"\\(f[0-9a-f]{3})"', css)}
    assert 0xf290 in codes and codes<=set(TTFont(font).getBestCmap())

# Opened from a folder, without a server

@pytest.fixture
def opened(browser, site):
    "Function that opens a page of the folder and lists errors in `page.trouble`"
    context = browser.new_context()
    def open_page(name):
        page = context.new_page()
        page.trouble = []
        page.on('console', lambda m: page.trouble.append(m.text) if m.type=='error' else None)
        page.goto(f'file://{site}/{name}.html')
        return page
    yield open_page
    context.close()

@pytest.mark.parametrize('page', ['index','plumbing/checks'])
def test_search_and_styles_work_in_a_folder(opened, page):
    p = opened(page)
    p.get_by_label('Search').fill('logit')
    first = p.locator('.search-result').first
    first.wait_for()
    assert p.locator('.skip').evaluate('e => getComputedStyle(e).position')=='absolute', 'styles.css is there'
    first.click()
    p.wait_for_url('**/glossary.html#logit')
    assert not p.trouble

def test_the_page_for_wrong_addresses_finds_its_styles_in_a_folder(opened):
    p = opened('404')
    p.locator('.skip').wait_for(state='attached')
    assert p.locator('.skip').evaluate('e => getComputedStyle(e).position')=='absolute'

def test_the_board_works_in_a_folder(opened):
    p = opened('07_learner')
    p.get_by_role('button', name='Show a 3').click()
    p.locator('.answer', has_text='3, ').wait_for()
    assert not p.trouble

# Search

ASKED = {
    'install': 'use.html#install',
    'how to start': '01_data.html',
    'ReLU': 'glossary.html#relu',
    'logit': 'glossary.html#logit',
    'sigmoid function': '04_loss.html#sigmoid',
    'nan loss': '11_pitfalls.html#the-loss-explodes-at-a-learning-rate-that-used-to-work',
    'batch size': '05_training.html#mini-batches',
    'my model does not learn': '11_pitfalls.html',
    'draw digit': '07_learner.html#ask-it-yourself',
    'what is a tensor': 'glossary.html#tensor',
    'learning rate': '03_descent.html#the-learning-rate',
    'why not accuracy': '04_loss.html#why-not-accuracy',
    'confusion matrix': 'glossary.html#confusion-matrix',
    'overfitting': '16_multiclass.html#overfitting-seen',
    'BasicOptim': '06_optimizer.html#basicoptim',
    'how long does it take': 'speed.html',
    'my own photo': 'use.html#show-it-a-digit-of-your-own',
    '로짓': 'glossary.html#logit',
    'gradeint': 'glossary.html#gradient',
    'Softmaxx': 'glossary.html#softmax'}

@pytest.fixture(scope='module')
def ask(browser, site):
    "Function that gives the addresses of the first three results for a question"
    context = browser.new_context()
    page = context.new_page()
    page.goto(f'file://{site}/404.html')
    js = 'async q => searched(await load("search_index"), q).parts.map(part => part.href).slice(0, 3)'
    yield lambda question: page.evaluate(js, question)
    context.close()

@pytest.mark.parametrize('question', ASKED)
def test_what_learners_ask_is_found(ask, question): assert ASKED[question] in ask(question)

@cache
def asked():
    import yaml
    return yaml.safe_load((ROOT/'site'/'asked.yml').read_text(encoding='utf8'))

@pytest.mark.parametrize('href', asked())
def test_each_question_we_know_leads_where_we_say(ask, href):
    for question in asked()[href]: assert href in ask(question), question

def test_words_that_no_page_has_are_answered_so(visit):
    p = visit('index')
    p.get_by_label('Search').fill('xylophone')
    p.get_by_text('No page has these words').wait_for()

def test_a_question_that_leads_nowhere_is_reported(monkeypatch):
    monkeypatch.syspath_prepend(ROOT/'tools')
    tool = load_tool('search_index')
    part = dict(href='a.html#b', title='A', section='mean_digit', text='words', objectID='1')
    assert next(tool.index([part], {'a.html#b': ['one','two']}))['asked']=='one, two'
    with pytest.raises(ValueError, match='a.html#c'): list(tool.index([part], {'a.html#c': ['one']}))

@pytest.mark.parametrize('page,query,where', [
    ('index', 'mnist_loss', '/04_loss.html#mnist_loss'),
    ('index', 'saturation', '/07_learner.html'),
    ('index', 'check_pixels', '/plumbing/checks.html#check_pixels'),
    ('plumbing/checks', 'mnist_loss', '/digits/04_loss.html#mnist_loss')])
def test_search(visit, page, query, where):
    p = visit(page)
    p.get_by_label('Search').fill(query)
    hits = p.locator('.search-result')
    hits.first.wait_for()
    assert any(where in h for h in hits.evaluate_all('els => els.map(e => e.href)')[:5])
    hits.first.click()
    p.wait_for_load_state()
    assert query in p.inner_text('main')

def test_scripts_and_styles_reach_a_page_in_a_folder(visit):
    p = visit('plumbing/checks')
    p.keyboard.press('Tab')
    assert p.evaluate('document.activeElement.textContent')=='Skip to the text', 'page.js has run'
    display = p.locator('.launch').evaluate('el => getComputedStyle(el).display')
    assert display=='flex', 'styles.css is there'
    p.locator('#quarto-sidebar').get_by_text('4. A loss that can learn').click()
    assert p.url.endswith('/digits/04_loss.html')

def test_the_theme_switch_is_remembered(visit):
    p = visit('04_loss', color_scheme='light')
    def ground():
        p.wait_for_timeout(200)
        return p.evaluate('getComputedStyle(document.body).backgroundColor')
    assert ground()=='rgb(255, 255, 255)'
    p.locator('.quarto-color-scheme-toggle').first.click()
    dark = ground()
    assert dark!='rgb(255, 255, 255)'
    p.goto(p.url.replace('04_loss', '05_training'))
    assert ground()==dark

def test_plots_are_readable_in_the_dark(visit):
    p = visit('04_loss', color_scheme='dark')
    ground = 'els => els.map(e => getComputedStyle(e).backgroundColor)'
    grounds = p.locator('.cell-output-display img').evaluate_all(ground)
    assert grounds and set(grounds)=={'rgb(255, 255, 255)'}

def test_a_plot_has_the_size_its_notebook_gives_it(visit):
    p = visit('03_descent')
    plots = [o for _,outs in code('03_descent') for o in outs if 'image/png' in o.get('data', {})]
    sizes = [o['metadata']['image/png']['width'] for o in plots]
    widths = 'els => els.map(e => [e.clientWidth, e.parentElement.clientWidth])'
    shown = p.locator('.cell-output-display img').evaluate_all(widths)
    assert [w for w,_ in shown]==[min(size, room) for size,(_,room) in zip(sizes, shown)]

def test_formulas_are_visible(visit):
    p = visit('03_descent')
    formulas = p.locator('main math')
    assert formulas.count()>=3 and formulas.first.text_content()=='x2'
    for box in formulas.evaluate_all('els => els.map(e => e.getBoundingClientRect())'):
        assert box['width']>5 and box['height']>5
    assert not re.search(r'\$\w', p.locator('main p').all_inner_texts().__str__())

def copied(p, block):
    "What the copy button of a block of code puts into the clipboard"
    block.hover()
    block.locator('.code-copy-button').click()
    return p.evaluate('navigator.clipboard.readText()')

def test_code_can_be_copied(visit):
    p = visit('04_loss', permissions=['clipboard-read','clipboard-write'])
    block = p.locator('.code-copy-outer-scaffold:visible').first
    assert copied(p, block)==block.locator('code').inner_text()

@pytest.mark.parametrize('page,name', [('04_loss','mnist_loss'), ('06_optimizer','BasicOptim')])
def test_a_definition_is_whole_on_a_phone_and_copied_as_it_was_written(visit, page, name):
    "Where a line wraps, its rest stands further in; that leaves no trace in the copy"
    permissions = ['clipboard-read','clipboard-write']
    p = visit(page, viewport={'width': 390, 'height': 800}, permissions=permissions)
    block = p.locator(f'.cell:has(#{name.lower()}) + .cell .code-copy-outer-scaffold')
    lines = block.locator('.line').evaluate_all('els => els.map(e => [e.scrollWidth, e.clientWidth])')
    assert len(lines)>10 and all(width<=room for width,room in lines)
    text, = (text for text in exported(page) if f'{name}(' in text.splitlines()[0])
    assert copied(p, block)==text

def test_folded_code_opens_and_stays_within_the_page(visit):
    p = visit('plumbing/checks', viewport={'width': 390, 'height': 800})
    fold = p.locator('.cell:has(#check_pixels) + .cell details')
    assert not fold.locator('code').is_visible()
    fold.get_by_text('Code').click()
    assert 'Divide by 255 if they are grey values.' in fold.locator('code').inner_text()
    assert p.evaluate('document.documentElement.scrollWidth')<=390
    assert fold.locator('pre').evaluate('e => e.scrollWidth-e.clientWidth')<=1

def test_the_sidebar_opens_on_a_phone(visit):
    p = visit('04_loss', viewport={'width': 390, 'height': 800})
    link = p.locator('#quarto-sidebar').get_by_text('9. Eighteen layers')
    assert link.bounding_box()['x']+link.bounding_box()['width']<=0, 'off the screen'
    p.locator('.quarto-btn-toggle').first.click()
    p.wait_for_timeout(500)
    assert link.bounding_box()['x']>=0
    link.click()
    assert p.url.endswith('09_vision.html')

def test_an_unknown_address_gets_the_404_page(visit, address):
    p = visit('04_loss')
    p.goto(address+'some/where/else')
    p.wait_for_load_state('networkidle')
    assert 'This page is not here' in p.inner_text('main')
    # only the page itself is missing, its styles are found
    assert len(p.trouble)==2 and all('404' in t for t in p.trouble)
    p.get_by_text('the start page').click()
    assert p.url.endswith('/digits/index.html')

def test_the_keyboard_gets_past_the_menus(visit):
    p = visit('04_loss')
    p.keyboard.press('Tab')
    assert p.evaluate('document.activeElement.textContent')=='Skip to the text'
    p.keyboard.press('Enter')
    p.keyboard.press('Tab')
    assert p.evaluate('document.activeElement.closest("main") !== null')

def test_a_search_result_on_the_same_page_uncovers_it(visit):
    p = visit('04_loss', viewport={'width': 390, 'height': 800})
    p.locator('.navbar-toggler').click()
    p.get_by_label('Search').fill('batch_accuracy')
    p.locator('.search-result[href*="04_loss"]').first.click()
    p.wait_for_timeout(600)
    assert not p.locator('.search-result').first.is_visible() and not p.get_by_label('Search').is_visible()

# The things to touch

def move(slider, value):
    "Set a slider as a hand would, and let the page know"
    slider.evaluate('(el, v) => { el.value = v; el.dispatchEvent(new Event("input")) }', value)

def test_slider_on_the_parabola(visit):
    w = visit('03_descent').locator('#walk-widget')
    cases = {.1: 'slides down', .5: 'one step', .8: 'side to side', 1.: 'jumps for ever', 1.1: 'climbs out'}
    for lr,words in cases.items():
        move(w.get_by_label('Learning rate'), lr)
        x = 3.
        for _ in range(10): x -= lr*2*x
        text = w.locator('output').inner_text()
        assert words in text
        assert float(re.search(r'x = (-?[\d.]+)\. ', text)[1])==pytest.approx(x, abs=.006)

def lesson_speed():
    import torch
    from fastai.torch_core import set_seed
    set_seed(0)
    time = torch.arange(0,20).float()
    return time, torch.randn(20)*3 + 0.75*(time-9.5)**2 + 1

def test_the_measurements_are_those_of_the_lesson():
    script = (ROOT/'fastbook_ch4'/'touch'/'widgets.js').read_text()
    values = json.loads(re.search(r'SPEED = (\[.*?\])', script, re.S).group(1).replace(' .', ' 0.'))
    assert values==pytest.approx(lesson_speed()[1].tolist(), abs=.006)

def test_slider_on_the_quadratic(visit):
    import torch
    from fastbook_ch4.descent import apply_step, mse
    w = visit('03_descent').locator('#fit-widget')
    time,speed = lesson_speed()
    cases = {
        (True,-.3): 'A good fit',
        (True,-3): 'still falling',
        (True,-6): 'too small',
        (False,-.3): 'flies off',
        (False,-5): 'the fit is poor'}
    for (scaled,power),words in cases.items():
        w.get_by_label('scale time').set_checked(scaled)
        move(w.get_by_label('Learning rate'), power)
        text = w.locator('output').inner_text()
        assert words in text
        params = torch.zeros(3).double().requires_grad_()
        t = ((time-9.5)/9.5 if scaled else time).double()
        for _ in range(101): _,loss = apply_step(params, t, speed.double(), 10**power, loss_func=mse)
        if words=='flies off': continue
        last = float(re.search(r', ([\d.]+) after 100', text)[1])
        assert last==pytest.approx(loss.sqrt().item(), abs=.06)

def test_slider_on_the_loss(visit):
    import torch
    from fastbook_ch4.loss import batch_accuracy, mnist_loss
    w = visit('04_loss').locator('#loss-widget')
    for target in (1,0):
        w.get_by_label('the third picture is a 7').set_checked(target==0)
        for third in (0., .2, .5, .51, .8, 1.):
            move(w.get_by_label('Third prediction'), third)
            logits,targets = torch.logit(torch.tensor([.9,.4,third])),torch.tensor([1,0,target])
            loss,accuracy = mnist_loss(logits, targets).item(),batch_accuracy(logits, targets).item()
            assert w.locator('output').inner_text()==f'Loss {loss:.4f}. Accuracy {round(3*accuracy)} of 3.'

STROKES = {
    '7': [(60,60), (200,55), (160,130), (120,230)],
    '3': [(80,60), (140,40), (190,80), (120,130), (195,180), (150,235), (75,215)]}

def board(visit, **options):
    "The page with the drawing board, ready to draw on"
    p = visit('07_learner', **options)
    p.locator('#draw-widget').get_by_text('Nothing drawn yet').wait_for()
    return p

def draw(p, strokes, scale=1., shift=(0,0)):
    "Draw lines on the board with the mouse"
    pad = p.locator('#draw-widget canvas.pad')
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    at = [(box['x']+shift[0]+scale*x, box['y']+shift[1]+scale*y) for x,y in strokes]
    p.mouse.move(*at[0])
    p.mouse.down()
    for x,y in at[1:]: p.mouse.move(x, y, steps=8)
    p.mouse.up()

def seen(p):
    "The (28,28) picture that the model sees, ink as 1"
    pixels = 'c => Array.from(c.getContext("2d").getImageData(0, 0, 28, 28).data)'
    rgba = p.locator('#draw-widget canvas[aria-label^="The drawing"]').evaluate(pixels)
    return 1-np.array(rgba).reshape(28,28,4)[...,0]/255

def answer(p): return p.locator('#draw-widget .answer').inner_text()

@pytest.mark.parametrize('digit', STROKES)
def test_a_drawn_digit_is_read(visit, digit):
    p = board(visit)
    for scale,shift in ((1.,(0,0)), (.4,(10,10)), (.4,(150,140))):  # large, small, small in a corner
        draw(p, STROKES[digit], scale, shift)
        assert answer(p).startswith(f'{digit}, ')
        p.get_by_role('button', name='Clear').click()
        assert answer(p)=='Nothing drawn yet.'

def test_the_examples(visit):
    p = board(visit)
    for digit in '37':
        p.get_by_role('button', name=f'Show a {digit}').click()
        assert answer(p).startswith(f'{digit}, ')

def test_a_single_dot_is_seen(visit):
    p = board(visit)
    p.locator('#draw-widget canvas.pad').click()
    assert max(seen(p).ravel())>.9 and 'sure' in answer(p)

def test_a_line_that_leaves_the_board_ends_at_its_edge(visit):
    p = board(visit)
    draw(p, [(140,20), (140,270), (140,600)])
    leaving = seen(p)
    p.get_by_role('button', name='Clear').click()
    draw(p, [(140,20), (140,279)])
    assert abs(leaving-seen(p)).max()<.3

def test_without_its_weights_the_board_says_so(visit):
    p = visit('index')
    p.route('**/digit_weights.js', lambda route: route.abort())
    p.goto(p.url.replace('index', '07_learner'))
    p.get_by_text('The weights could not be loaded').wait_for()
    p.get_by_role('button', name='Show a 3').click()
    assert 'could not be loaded' in answer(p) and seen(p).max()>.9
    assert not [t for t in p.trouble if 'Error' in t]

def test_a_digit_drawn_with_the_keyboard(visit):
    p = board(visit)
    p.locator('#draw-widget canvas.pad').focus()
    across,down = ['ArrowRight']*13,['ArrowDown','ArrowLeft','ArrowDown']*6
    for key in [*['ArrowLeft']*7, 'Space', *across, *down, 'Space']: p.keyboard.press(key)
    assert answer(p).startswith('7, ')
    p.keyboard.press('Delete')
    assert answer(p)=='Nothing drawn yet.'

def test_a_drawing_is_prepared_as_mnist_was(visit):
    "Ink within about 20 pixels, its centre of mass, to the pixel, where MNIST's pictures have theirs"
    p = board(visit)
    draw(p, STROKES['7'], .5, (120,10))
    ink = seen(p)
    rows,cols = np.nonzero(ink>.1)
    assert 19<=max(np.ptp(rows), np.ptp(cols))+1<=21
    centre = [(ink.sum(1-k)*(np.arange(28)+.5)).sum()/ink.sum() for k in (0,1)]
    assert centre==pytest.approx([14.5,14.5], abs=.55)

def test_the_board_of_a_phone_stays_under_the_pen(visit):
    "However long the answer above it is"
    p = board(visit, viewport={'width': 360, 'height': 740})
    before = p.locator('#draw-widget canvas.pad').evaluate('c => c.offsetTop')
    for digit in '37':
        p.get_by_role('button', name=f'Show a {digit}').click()
        assert p.locator('#draw-widget canvas.pad').evaluate('c => c.offsetTop')==before

# The playground, which tests/test_playground.py tries

def test_the_playground_trains_and_keeps_its_choices_in_the_address(visit):
    p = visit('playground')
    p.locator('.said', has_text='Not trained').wait_for()
    p.get_by_role('link', name='A learning rate of 10').click()
    assert p.url.endswith('?model=linear&rate=10&batch=64&order=file&seed=1')
    p.get_by_role('button', name='One batch').click()
    p.locator('.said', has_text='100 are saturated').wait_for()
    assert not p.trouble

def test_the_playground_weighs_less_than_a_megabyte(visit, address):
    p = visit('index')
    loaded = []
    def weigh(r):
        if r.url.startswith(address): loaded.append(len(r.body()))
    p.on('response', weigh)
    p.goto(f'{address}playground.html')
    p.wait_for_load_state('networkidle')
    p.remove_listener('response', weigh)
    assert len(loaded)>5 and 200_000<sum(loaded)<1_000_000

# The weights behind the board

WEIGHTS = json.loads((ROOT/'fastbook_ch4'/'touch'/'digit_weights.json').read_text())

def test_the_shipped_weights_read_real_digits(shipped):
    import torch
    from fastbook_ch4.data import digit_tensors
    _,_,x,y = digit_tensors(shipped)
    logits = x@torch.tensor(WEIGHTS['weights'])+WEIGHTS['bias']
    assert ((logits>0)==(y[:,0]==1)).float().mean()>=.97 and WEIGHTS['labels']==['3','7']

@pytest.mark.full
def test_the_shipped_weights_are_what_training_gives(full):
    sys.path.insert(0, str(ROOT/'tools'))
    try: from digit_weights import trained
    finally: sys.path.pop(0)
    again = trained(full)
    for name,far in dict(weights=.02, bias=.02, accuracy=.001).items():
        assert again[name]==pytest.approx(WEIGHTS[name], abs=far)
    assert again['images']==WEIGHTS['images']
