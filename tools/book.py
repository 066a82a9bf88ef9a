"""Make an ePub and a PDF of the pages in `_docs/`, which `make docs` has built.

    python tools/book.py [FOLDER]

Writes into FOLDER (default: book). Lessons, questions and words come in the order of the site, answers at the
end. What the site folds, its menus and its buttons stay out. pandoc makes the ePub, Chromium prints the PDF.
"""
import importlib,importlib.util,posixpath,re,shutil,subprocess,sys,tempfile
from pathlib import Path

import yaml
from bs4 import BeautifulSoup
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
STYLE = ROOT/'site'/'book.css'
TITLE = 'Under the hood of a digit classifier'
LEFT_OUT = 'figures',  # 400 rows, best looked up on the site
AT_THE_END = 'turns','licence'
ANSWERS = 'Answers','Answer','Hints'  # folds that answer a question
ONLY_SITE = ('nav, script, style, button, [onclick], hr, .launch, .cover, .code-fold, .front .widget, '
             '.quarto-title-meta, a[style*="float"]')
BROWSERS = 'chromium','chromium-browser','google-chrome','chrome'

def load_docs():
    "The module of `tools/docs.py`"
    spec = importlib.util.spec_from_file_location('docs', ROOT/'tools'/'docs.py')
    mod = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mod)
    return mod

def pages(docs):
    "The names of the pages that become chapters, in the order of the site"
    listed = docs.order(yaml.safe_load((ROOT/'_quarto.yml').read_text(encoding='utf8')))
    chapters = [p for p in listed if '/' not in p and p not in (*LEFT_OUT, *AT_THE_END)]
    return [*chapters, *AT_THE_END]

def element(html):
    "The first element of `html`"
    return BeautifulSoup(html, 'html.parser').find()

def bare_code(main):
    "Code in `main` without the site's colours: pandoc has its own"
    for pre in main.find_all('pre'):
        code = pre.find('code') or pre
        language = next((o for o in code.get('class', []) if o not in ('sourceCode','text')), '')
        new = element('<pre><code></code></pre>')
        new['class'] = language or ('output' if pre.find_parent(class_='cell-output') else 'text')
        new.code.string = code.get_text()
        (pre.find_parent(class_='code-copy-outer-scaffold') or pre).replace_with(new)

def with_ids(main, page):
    "Ids in `main` that no other chapter has; that of a section goes to its heading"
    for section in main.find_all('section', id=True):
        heading = section.find(re.compile('^h[1-6]$'))
        heading['id'] = section['id']
        section.unwrap()
    for tag in main.find_all(id=True): tag['id'] = f'{page}--{tag["id"]}'
    main.h1['id'] = page

def title_first(main):
    "The title of `main` as its first element, where pandoc looks for the beginning of a chapter"
    title,about = main.h1.extract(),main.find(class_='description')
    if about: main.insert(0, about.extract())
    main.insert(0, element(f'<h1>{title.decode_contents()}</h1>'))
    if main.header: main.header.decompose()

def with_pictures(main, page, folder):
    "Pictures in `main` found where they lie"
    for img in main.find_all('img'):
        if not img.get('alt'): raise ValueError(f'{page}: a picture has no alternative text: {str(img)[:80]}')
        if not img['src'].startswith('data:'):
            img['src'] = str((folder/posixpath.dirname(page)/img['src']).resolve())

def chapter(folder, page):
    "The text of `page` in the site in `folder`, as an element"
    soup = BeautifulSoup((folder/f'{page}.html').read_text(encoding='utf8'), 'html.parser')
    main = soup.find('main')
    for tag in main.select(ONLY_SITE): tag.decompose()
    bare_code(main)
    title_first(main)
    with_ids(main, page)
    with_pictures(main, page, folder)
    return main

def take_answers(main, page):
    "Move the answers in `main` into an element of its own, or None; each leaves a link behind"
    taken = element(f'<div><h2 id="answers--{page}">{main.h1.get_text()}</h2></div>')
    for i,fold in enumerate(main.find_all('details'), 1):
        summary = fold.find('summary').extract().get_text()
        if summary not in ANSWERS:
            fold.insert(0, element(f'<p><strong>{summary}</strong></p>'))
            fold.name = 'div'
            continue
        here,there = f'{page}--fold-{i}',f'answers--{page}-{i}'
        asked = fold.find_previous(re.compile('^h[1-4]$')).get_text()
        fold.replace_with(element(f'<p><a id="{here}" href="#{there}">{summary} at the end</a></p>'))
        taken.append(element(f'<p><strong><a id="{there}" href="#{here}"></a></strong></p>'))
        taken.contents[-1].a.string = asked
        taken.extend(list(fold.contents))
    return taken if len(taken.contents)>1 else None

def resolved(path, page):
    "The place in the site of what `page` calls `path`"
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), path))

def target(href, page, chapters):
    "The link `href` of `page` within the book, or None where it leads out of it"
    path,_,anchor = href.partition('#')
    if re.match('[a-z]+:', href): return None
    name = resolved(path, page).removesuffix('.html') if path else page
    if name not in chapters: return None
    return f'#{name}--{anchor}' if anchor else f'#{name}'

def relink(main, page, chapters, site):
    "Links in `main` that fit the book; one out of it leads to the `site`, and is none without its address"
    for a in main.find_all('a', href=True):
        if a['href'].startswith(('#answers--', f'#{page}--')): continue
        inside = target(a['href'], page, chapters)
        if inside: a['href'] = inside
        elif not re.match('[a-z]+:', a['href']):
            if site: a['href'] = site+resolved(a['href'], page)
            else: a.unwrap()
        elif not site and 'your-github-name' in a['href']: a.unwrap()

def whole(folder, docs):
    "The book as one HTML page"
    cfg = docs.settings()
    site = None if cfg['user']=='your-github-name' else cfg['site']
    chapters = {page: chapter(folder, page) for page in pages(docs)}
    answers = element('<div><h1 id="answers">Answers</h1></div>')
    for page,main in chapters.items():
        relink(main, page, chapters, site)
        taken = take_answers(main, page)
        if taken: answers.extend(list(taken.contents))
    parts = [main.decode_contents() for main in chapters.values()]
    parts.insert(len(parts)-len(AT_THE_END), answers.decode_contents())
    head = f'<meta charset="utf-8"><title>{TITLE}</title>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>'

def broken(html):
    "The links within the page `html` that lead nowhere"
    soup = BeautifulSoup(html, 'html.parser')
    ids = {tag['id'] for tag in soup.find_all(id=True)}
    return [a['href'] for a in soup.find_all('a', href=re.compile('^#')) if a['href'][1:] not in ids]

def tools():
    "The commands pandoc and Chromium, each None where it is missing"
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    try: pandoc = importlib.import_module('pypandoc').get_pandoc_path()
    except (ImportError, OSError): pandoc = shutil.which('pandoc')
    return pandoc,chromium

def pandoc(source, dest, *options):
    "Convert the page `source` to the file `dest`"
    usual = '--from', 'html', '--mathml', '--toc', '--toc-depth', '2', '--css', STYLE
    subprocess.run([tools()[0], source, '--output', dest, *usual, *options], check=True)

def metadata(cfg):
    "What an ePub says about itself, as options of pandoc"
    said = {'title': TITLE, 'author': cfg['author'], 'lang': 'en', 'description': cfg['description'],
            'identifier': f'{cfg["lib_name"]}-{cfg["version"]}',
            'rights': 'Apache License 2.0; pictures of MNIST digits CC BY-SA 3.0'}
    return [o for name,text in said.items() for o in ('--metadata', f'{name}={text}')]

def print_pdf(page, dest):
    "Let Chromium print the file `page`, with its headings as the outline"
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=tools()[1], args=['--no-sandbox'])
        tab = browser.new_page()
        tab.goto(Path(page).as_uri())
        number = '<span class="pageNumber"></span>'
        foot = f'<p style="width: 100%; text-align: center; font-size: 8px">{number}</p>'
        tab.pdf(path=dest, format='A4', outline=True, tagged=True, print_background=True, header_template=' ',
                display_header_footer=True, footer_template=foot, prefer_css_page_size=True)
        browser.close()

def main(dest=ROOT/'book'):
    docs = load_docs()
    folder,dest = docs.DOCS,Path(dest)
    if not (folder/'index.html').exists(): sys.exit('There is no site yet. Build it with `make docs`.')
    for name,found in zip(('pandoc','Chromium'), tools()):
        if not found: sys.exit(f'{name} is not installed; `make book` brings pandoc, Chromium it does not.')
    html = whole(folder, docs)
    if broken(html): raise ValueError(f'Links that lead nowhere: {broken(html)}')
    dest.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as tmp:
        source,printed = Path(tmp)/'book.html',Path(tmp)/'printed.html'
        source.write_text(html, encoding='utf8')
        about = metadata(docs.settings())
        name = docs.settings()['lib_name']
        pandoc(source, dest/f'{name}.epub', '--to', 'epub3', *about)
        pandoc(source, printed, '--to', 'html5', '--standalone', '--embed-resources', *about)
        print_pdf(printed, dest/f'{name}.pdf')
    print(f'The book is in {dest}.')

if __name__=='__main__': main(*sys.argv[1:])
