"A built site is looked through, whichever program rendered it, and Quarto's pages are made to fit"
import subprocess,sys

import pytest
from conftest import ROOT, load_tool
from ruamel.yaml import YAML
from test_site import project, site  # noqa: F401 - fixtures

GOOD = '''<!doctype html><html><head><link rel="canonical" href="https://example.org/a.html">
<link rel="stylesheet" href="s.css"></head><body><h2 id="one">One</h2>
<a href="#one">1</a> <a href="b.html#two">2</a>
<a href="https://example.org/">away</a> <a href="sub/">folder</a>
<img src="data:image/png;base64,AA=="></body></html>'''


@pytest.fixture
def small(tmp_path):
    "Function that writes a site of three pages, the first with a change, and returns its folder"
    def made(*change):
        (tmp_path/'sub').mkdir(exist_ok=True)
        (tmp_path/'a.html').write_text(GOOD.replace(*change) if change else GOOD, encoding='utf8')
        (tmp_path/'b.html').write_text('<a name="two" href="a.html">a</a>', encoding='utf8')
        (tmp_path/'sub'/'index.html').write_text('<a href="../a.html#one">a</a>', encoding='utf8')
        (tmp_path/'s.css').write_text('b { background: url("data:x") }', encoding='utf8')
        return tmp_path
    return made

@pytest.fixture
def crawl(): return load_tool('crawl')

@pytest.fixture
def docs(): return load_tool('docs')

# Looking through

def test_a_sound_site_has_no_faults(crawl, small):
    folder = small()
    assert not [*crawl.broken(folder), *crawl.foreign(folder)]

@pytest.mark.parametrize('right,wrong', [
    ('#one">1', '#none">1'), ('b.html#two', 'b.html#three'), ('b.html#two', 'c.html'), ('sub/', 'other/'),
    ('s.css', 't.css')])
def test_a_link_that_leads_nowhere_is_found(crawl, small, right, wrong):
    fault, = crawl.broken(small(right, wrong))
    assert fault.startswith('a.html: ') and fault.endswith(' leads nowhere')

@pytest.mark.parametrize('wrong', [
    '<script src="https://cdn.example/x.js"></script>', '<link rel="stylesheet" href="//cdn.example/x.css">',
    '<link rel="preconnect" href="https://cdn.example">', '<img src="http://cdn.example/x.png">',
    '<form action="https://cdn.example"></form>'])
def test_what_a_page_would_fetch_from_another_host_is_found(crawl, small, wrong):
    fault, = crawl.foreign(small('<h2', f'{wrong}<h2'))
    assert fault.startswith('a.html: is made of ')

@pytest.mark.parametrize('css', ['@import url(https://f.example/a);', '@import"//f.example/a";',
                                 'b { background: url( "https://f.example/a" ) }'])
def test_what_a_style_would_fetch_is_found(crawl, small, css):
    folder = small()
    (folder/'s.css').write_text(css, encoding='utf8')
    assert list(crawl.foreign(folder))[0].startswith('s.css: asks for ')

def test_where_there_is_no_site_it_says_so(crawl, tmp_path):
    with pytest.raises(SystemExit, match='There is no site in'): crawl.main(tmp_path)

@pytest.mark.full
def test_our_site_is_sound(project):  # noqa: F811
    "Read and, where Chromium is installed, opened page by page"
    cmd = [sys.executable, project/'tools'/'crawl.py']
    p = subprocess.run(cmd, cwd=project, capture_output=True, text=True)
    assert p.returncode==0 and p.stdout.rstrip().endswith('; 0 faults'), p.stdout+p.stderr

# What Quarto does otherwise

QUARTO = '''<head><script src="site_libs/quarto-html/quarto.js"></script>
<script src="https://cdnjs.cloudflare.com/ajax/libs/require.js/2.3.6/require.min.js" integrity="x"></script>
<script src="https://cdnjs.cloudflare.com/ajax/libs/jquery/3.5.1/jquery.min.js" data-x="true"></script>
<script type="application/javascript">define('jquery', [],function() {return window.jQuery;})</script>
<script>define.amd = 1</script><link href="https://fonts.example/f" rel="stylesheet">
<link href="site_libs/a.css" rel="stylesheet"><link rel="canonical" href="https://ada.github.io/"></head>'''

def test_scripts_and_styles_of_other_hosts_are_left_out(docs):
    page = docs.own_parts(QUARTO)
    for gone in ('cdnjs','jquery','fonts.example'): assert gone not in page
    for kept in ('quarto.js','define.amd','site_libs/a.css','canonical'): assert kept in page

def test_a_page_of_our_own_stays_as_it_is(docs, site):  # noqa: F811
    texts = [f.read_text(encoding='utf8') for f in site.glob('0*.html')]
    assert texts and [docs.own_parts(text) for text in texts]==texts

@pytest.mark.parametrize('css', [
    '@import url("https://fonts.example/css2?family=A:wght@300;400;700&display=swap");',
    "@import url('https://fonts.example/css2?family=A:ital,wght@0,300;1,400');",
    '@import url(https://fonts.example/css?family=A:400,700);',
    '@import"https://fonts.example/css2?family=A:wght@300;400&display=swap";',
    '@import url(//fonts.example/a) screen;'])
def test_fonts_of_other_hosts_are_left_out(docs, css):
    assert docs.own_fonts(f'a {{}}{css}b {{}}')=='a {}b {}'

def test_own_imports_stay(docs): assert docs.own_fonts('@import "own.css"; a {}')=='@import "own.css"; a {}'

@pytest.mark.parametrize('width,wide', [(600, False), (610, True)])
def test_a_wide_picture_in_a_file_is_marked_as_one_in_the_page_is(docs, width, wide):
    page = f'<p><img src="x_files/1.png" alt="A line" width="{width}" height="300" class="figure-img"></p>'
    assert ('data-wide' in docs.sized(page, {}))==wide
    assert docs.sized(docs.sized(page, {}), {})==docs.sized(page, {})

def test_icons_of_another_renderer_stay(tmp_path):
    assert load_tool('icons').keep_used(tmp_path)==[]

def test_quarto_is_pinned_and_its_site_looked_through():
    flow = YAML(typ='safe').load((ROOT/'.github'/'workflows'/'quarto.yml').read_text(encoding='utf8'))
    steps = flow['jobs']['build']['steps']
    setup = next(step for step in steps if 'quarto-actions/setup' in step.get('uses', ''))
    assert setup['uses'].split('@')[1].count('.')==2 and setup['with']['version'].count('.')==2
    runs = [step.get('run', '') for step in steps]
    assert 0<runs.index('make docs-quarto')<runs.index('.venv/bin/python tools/crawl.py')
    assert 'schedule' in flow['on']
