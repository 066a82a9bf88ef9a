"""Look through a built site, whoever rendered it: links that lead nowhere, and what comes from another host.

    python tools/crawl.py [FOLDER]

FOLDER is `_docs` unless named. The files are read; then each page is opened in Chromium, where playwright and
Chromium are installed, to see what it asks for and what goes wrong. Ends with status 1 if anything was found.
"""
import importlib.util,re,shutil,sys,threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote,urljoin,urlsplit

ROOT = Path(__file__).resolve().parents[1]
OTHER = r'(?:https?:)?//'
# what a page is made of; links may lead away
MAKERS = {'script': 'src', 'img': 'src', 'iframe': 'src', 'source': 'src', 'video': 'src', 'audio': 'src',
          'embed': 'src', 'object': 'data', 'form': 'action', 'link': 'href'}
SAID = 'canonical','alternate'  # links in a head that only say something
BROWSERS = 'chromium','chromium-browser','google-chrome','chrome'

class Page(HTMLParser):
    "The ids of a page, its links to places in the site, and what it is made of"
    def __init__(self, text):
        super().__init__()
        self.ids = set()
        self.links,self.parts = [],[]
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = {k: v or '' for k,v in attrs}
        self.ids |= {attrs[k] for k in ('id','name') if k in attrs}
        link = attrs.get('href') or attrs.get('src') or ''
        if link and not re.match('[a-z]+:|//', link): self.links.append(link)
        if attrs.get('rel') not in SAID: self.parts.append(attrs.get(MAKERS.get(tag), ''))

def pages(folder):
    "The pages in `folder`, by their places"
    files = {f.relative_to(folder).as_posix(): f for f in folder.rglob('*.html')}
    return {place: Page(f.read_text(encoding='utf8')) for place,f in files.items()}

def broken(folder):
    "The links within the site that lead nowhere, each with its page; 404.html is shown at any address"
    found = pages(folder)
    for place,page in sorted(found.items()):
        for link in page.links if place!='404.html' else ():
            url = urlsplit(urljoin(f'/{place}', link))
            target = unquote(url.path).lstrip('/')
            if target.endswith('/') or not target: target += 'index.html'
            there = (folder/target).is_file()
            if there and url.fragment and target in found: there = unquote(url.fragment) in found[target].ids
            if not there: yield f'{place}: {link} leads nowhere'

def foreign(folder):
    "What the files of the site would fetch from another host"
    for place,page in sorted(pages(folder).items()):
        yield from (f'{place}: is made of {part}' for part in page.parts if re.match(OTHER, part))
    for f in sorted(folder.rglob('*.css')):
        named = re.findall(rf'(?:@import\s*|url\(\s*)["\']?({OTHER}[^"\')]*)', f.read_text(encoding='utf8'))
        yield from (f'{f.relative_to(folder)}: asks for {url}' for url in named)

def asked(folder):
    "What goes wrong when each page is opened, and its requests to other hosts"
    from playwright.sync_api import sync_playwright
    spec = importlib.util.spec_from_file_location('docs', ROOT/'tools'/'docs.py')
    docs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(docs)
    docs.DOCS = folder
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    with docs.server(0) as httpd, sync_playwright() as p:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        home = f'http://127.0.0.1:{httpd.server_port}{docs.PREFIX}'
        browser = p.chromium.launch(executable_path=path, args=['--no-sandbox'])
        for place in sorted(pages(folder)):
            tab = browser.new_page()
            urls,errors = [],[]
            tab.on('request', lambda r: urls.append(r.url))
            tab.on('pageerror', lambda e: errors.append(f'{place}: {e}'))
            tab.goto(home+place, wait_until='networkidle')
            tab.close()
            away = [url for url in urls if not url.startswith((home, 'data:', 'blob:'))]
            yield from (f'{place}: asks for {url}' for url in away)
            yield from errors
        browser.close()
        httpd.shutdown()

def main(folder=ROOT/'_docs'):
    folder = Path(folder).resolve()
    if not (folder/'index.html').exists(): sys.exit(f'There is no site in {folder}.')
    found = [*broken(folder), *foreign(folder)]
    opened = importlib.util.find_spec('playwright') and any(map(shutil.which, BROWSERS))
    if opened: found += asked(folder)
    print('\n'.join(found))
    how = 'read and opened' if opened else 'read, not opened (that needs playwright and Chromium)'
    print(f'{len(pages(folder))} pages {how}; {len(found)} faults')
    return int(len(found)>0)

if __name__=='__main__': sys.exit(main(*sys.argv[1:]))
