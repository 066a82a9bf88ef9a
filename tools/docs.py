"""Build the documentation site from nbs/, site/, CONTRIBUTING.md and _quarto.yml.

    python tools/docs.py            into _docs/, with smalldocs (pure Python, no network)
    python tools/docs.py --quarto   the same with Quarto, where that is installed
    python tools/docs.py --serve    show _docs/ at the path it will have when published
"""
import argparse,ast,base64,configparser,http.server,importlib,inspect,os,posixpath,re,shutil,subprocess,sys
from functools import partial
from html import escape
from pathlib import Path
from textwrap import fill

import nbformat,yaml
from latex2mathml.converter import convert

ROOT = Path(__file__).resolve().parents[1]
PROC,DOCS = ROOT/'_proc',ROOT/'_docs'
PACKAGE = 'fastbook_ch4'
NOBODY = 'your-github-name'  # the user in settings.ini as long as the project has no address
MOST_LINES = 12  # of a definition whose code a lesson prints
WIDE = 605  # a plot of more pixels cannot be read in the width of a phone
EARLY = 800  # a picture after so few characters is seen at once
SIGNATURE = '```{.python code-overflow="wrap"}\n'  # where a signature begins

def read(f): return f.read_text(encoding='utf8')

def write(f, text): f.write_text(text, encoding='utf8')

def settings():
    """`settings.ini` as a dict, with the addresses that follow from `user`, `repo` and `branch`.

    `public` is whether these lead anywhere."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT/'settings.ini', encoding='utf8')
    cfg = dict(parser['DEFAULT'])
    place = f'{cfg["user"]}/{cfg["repo"]}'
    branch = f'{place}/blob/{cfg["branch"]}'
    return cfg | dict(public=cfg['user']!=NOBODY, home=f'https://github.com/{place}',
                      source=f'https://github.com/{branch}',
                      colab=f'https://colab.research.google.com/github/{branch}/nbs',
                      kaggle=f'https://kaggle.com/kernels/welcome?src=https://github.com/{branch}/nbs',
                      binder=f'https://mybinder.org/v2/gh/{place}/{cfg["branch"]}?labpath=nbs',
                      site=f'https://{cfg["user"]}.github.io/{cfg["repo"]}/')

PREFIX = f'/{settings()["repo"]}/'  # where GitHub Pages puts the site

# A page is named by its place in the site, without an ending: `01_data`, `plumbing/checks`

def relative(page, target):
    "The link on `page` to the file `target` of the site"
    return posixpath.relpath(target, posixpath.dirname(page) or '.')

def notebooks(folder):
    "The notebooks in `folder` and its sub-folders, by the names of their pages"
    files = {f.relative_to(folder): f for f in sorted(folder.rglob('*.ipynb'))}
    return {k.with_suffix('').as_posix(): f for k,f in files.items() if not any(p[0]=='.' for p in k.parts)}

# The text of a page

def outside_code(f, text):
    "The Markdown `text` with `f` applied to all that is not code"
    parts = re.split(r'(^```.*?^```|`[^`\n]+`)', text, flags=re.M|re.S)
    return ''.join(part if i%2 else f(part) for i,part in enumerate(parts))

def mathml(text):
    "The Markdown `text` with `$…$` and `$$…$$` as MathML, which browsers show without a script"
    text = re.sub(r'\$\$(.+?)\$\$', lambda m: convert(m[1].strip(), display='block'), text, flags=re.S)
    return re.sub(r'(?<![\\$\w])\$(?=\S)([^$\n]+?)(?<=\S)\$(?!\w)', lambda m: convert(m[1]), text)

def korean(text):
    "The Markdown `text` with its Korean words marked, for screen readers and line breaks"
    return re.sub(r'[가-힣]+(?:[ -][가-힣]+)*', r'<span lang="ko">\g<0></span>', text)

def heading_id(text):
    "The id that the site gives to a heading, from the one that Jupyter gives it"
    return re.sub(r'[^\w.-]', '', text).lower()

def anchors(text):
    "The Markdown `text` with the ids of headings in its links as this site gives them"
    return re.sub(r'\]\(([\w./]+\.ipynb)?#([^)]+)\)', lambda m: f']({m[1] or ""}#{heading_id(m[2])})', text)

PAPERS = {'CONTRIBUTING.md': 'contribute.md', 'CODE_OF_CONDUCT.md': 'conduct.md'}

def on_site(file):
    "Where the site has the project's `file`: nbs/ and site/ become one folder"
    return PAPERS.get(file) or re.sub('^(nbs|site)/', '', file)

def beside(text, file):
    "The Markdown `text` of the project's `file` with links that fit the site"
    def link(m):
        target = posixpath.normpath(posixpath.join(posixpath.dirname(file), m[1]))
        return f']({relative(on_site(file), on_site(target))}'
    return re.sub(r'\]\(([\w./]+\.(?:ipynb|md))\b', link, text)

def front_matter(text):
    "The Markdown `text`, which opens as a notebook does, with title and description as a page has them"
    m = re.match(r'# (.+)\n\n> (.+)\n', text)
    if not m: raise ValueError(f'A page opens with "# title", "" and "> description", not {text[:60]!r}.')
    front = yaml.safe_dump(dict(title=m[1], description=m[2]), sort_keys=False)
    return f'---\n{front}---\n{text[m.end():]}'

def reachable(text, cfg):
    "The Markdown `text` without links to the project's address if it has none"
    nowhere = rf'\[([^\[\]]*)\]\(https://(?:github\.com/)?{NOBODY}[^)]*\)'
    return text if cfg['public'] else re.sub(nowhere, r'\1', text)

def inward(text, cfg):
    "The Markdown `text` with links that lead to the published site kept within this one"
    def link(m):
        page = m[1] or 'index'
        return f']({page}.ipynb' if (ROOT/'nbs'/f'{page}.ipynb').exists() else f']({page}.html'
    return re.sub(rf'\]\({re.escape(cfg["site"])}(?:([\w/]+)\.html|(?=\)))', link, text)

def page_text(text, page, documented, cfg):
    "The Markdown `text` of nbdev as `page` of this site shows it: links fit, formulas are MathML"
    def link(m):
        target,names = documented.get(m[2], (None,()))
        if target=='same_bits' and page!=target: names = ()  # elsewhere logits and exp are other things
        return f'[{m[1]}]({relative(page, target)}.ipynb#{m[3]})' if m[3] in names else m[1]
    # nbdev links a name inside the text of a link, too
    inner = r'\[([^\[\]]*)\[(`[^`]+`)\]\(/[^)]*\)([^\[\]]*)\]\('
    text = re.sub(inner, r'[\1\2\3](', reachable(inward(text, cfg), cfg))
    # nbdev links every definition, exported or not
    text = anchors(re.sub(r'\[(`[^`]+`)\]\(/([\w/]+\.html)#([^)]*)\)', link, text))
    if not cfg['public']: text = re.sub(r'\[source\]\(/blob/[^)]*\)(\{[^}]*\})?\n*', '', text)
    text = re.sub(r'\]\(/blob/[^/]*/', f']({cfg["source"]}/', text)
    # how nbdev writes some signatures
    text = text.replace(':NoneType=None', '=None').replace('__main__.', '')
    return outside_code(lambda part: korean(mathml(part)), beside(text, f'nbs/{page}.ipynb'))

# The glossary

GLOSSARY_ROW = r'\| (.+?) \| (.+?) \| (.+?) \| (\[\d+\]\(.+?\)) \|'

def word_id(word):
    "The id of a word of the glossary on its page"
    return re.sub(r'\W+', '-', word.lower()).strip('-')

def glossary_rows():
    "The rows of the glossary: English, Korean, meaning, lesson"
    cells = nbformat.read(ROOT/'nbs'/'glossary.ipynb', as_version=4).cells
    return [row for c in cells for row in re.findall(rf'^{GLOSSARY_ROW}$', c.source, re.M)]

def with_anchors(text):
    "The Markdown `text` of the glossary with an id for each word, and links to the first word of each letter"
    first = {}
    for word,*_ in glossary_rows(): first.setdefault(word[0].upper(), word)
    letters = ' '.join(f'<a href="#{word_id(word)}">{letter}</a>' for letter,word in first.items())
    def row(m): return m[0].replace(m[1], f'<span id="{word_id(m[1])}">{m[1]}</span>', 1)
    text = re.sub(rf'^{GLOSSARY_ROW}$', row, text, flags=re.M)
    jump = f'<nav class="letters" aria-label="First letters">{letters}</nav>'
    return f'{jump}\n\n:::: {{.glossary}}\n\n{text}\n\n::::'

def with_words(text, words):
    """The Markdown `text` with links at those of the `words` of the glossary that it sets in italics.

    They are taken out of `words`: a page links each once."""
    def link(m):
        word = m[1].lower()
        known = next((o for o in (word, word.removesuffix('s'), word.removesuffix('es')) if o in words), None)
        if not known: return m[0]
        words.remove(known)
        return f'[{m[0]}](glossary.ipynb#{word_id(known)})'
    italics = r'(?<![*\w\[])\*([A-Za-z][\w -]*\w)\*(?![*\w\]])'
    return outside_code(lambda part: re.sub(italics, link, part), text)

def documented_names(page):
    "The names that the notebook of `page` shows with their arguments, in lower case as in their ids"
    cells = nbformat.read(PROC/f'{page}.ipynb', as_version=4).cells
    return {m.lower() for c in cells for m in re.findall(r'^show_doc\(([\w.]+)', c.source, re.M)}

def launch_links(page, cfg):
    "The line under the title of a page made from a notebook"
    file = relative(page, f'notebooks/{page}.ipynb')
    name = posixpath.basename(file)
    cards = relative(page, 'cards/fastbook_ch4')
    asked = page in ('questions','glossary')
    deck = f' <a href="{cards}.apkg">Cards for Anki</a> <a href="{cards}.csv">Cards as a table</a>'*asked
    places = {'Open in Colab': cfg['colab'], 'Kaggle': cfg['kaggle'], 'Binder': cfg['binder'],
              'View the source': f'{cfg["source"]}/nbs'}
    links = [f' <a href="{place}/{page}.ipynb">{text}</a>' for text,place in places.items()]
    there = ''.join(links)*cfg['public']
    return f'<p class="launch"><a href="{file}" download="{name}">Download the notebook</a>{there}{deck}</p>'

def directive(cell, name):
    "What the line `#| name: …` of `cell` says, or None"
    m = re.search(rf'^#\|\s*{name}:\s*(.*)', cell.source, re.M)
    return m and m[1]

def plots(cells):
    "The `cells` that show a picture, each with its output"
    outs = [(i, c, out) for i,c in enumerate(cells) for out in c.get('outputs', [])]
    return [(i, c, out) for i,c,out in outs if 'image/png' in out.get('data', {}) and directive(c, 'fig-alt')]

def imports(node):
    "Whether the statement `node` imports; nbdev takes what `_all_` names for the module's own"
    handed_on = isinstance(node, ast.Assign) and ast.unparse(node.targets[0])=='_all_'
    return handed_on or isinstance(node, (ast.Import, ast.ImportFrom))

def only_imports(cell):
    "Whether `cell` imports, or hands on what it imports, and does nothing else"
    if cell.cell_type!='code': return False
    try: body = ast.parse(cell.source).body
    except SyntaxError: return False
    return bool(body) and all(imports(n) for n in body)

def with_cover(page, front, top, cells):
    """Show a picture of `page` in its cell `top`, unless it begins with one, and beside links to the page.

    It is the one of the cell marked `#| cover: true`, or the first."""
    found = plots(cells)
    if not found: return
    _,cell,out = next((o for o in found if directive(o[1], 'cover')=='true'), found[0])
    file = PROC/'covers'/f'{page}.png'
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(base64.b64decode(out.data['image/png']))
    front.source = front.source.replace('\n---', f'\nimage: covers/{page}.png\n---', 1)
    before = [c for c in cells[:found[0][0]] if not only_imports(c)]
    if sum(len(c.source) for c in before)<EARLY: return
    shown = out.metadata.get('image/png', {})
    size = ''.join(f' {k}="{v}"' for k,v in shown.items())
    if shown: size += f' style="max-width: min(100%, {shown["width"]}px)"'
    alt = escape(directive(cell, 'fig-alt'))
    top.source += f'\n\n<p class="cover"><img src="covers/{page}.png" alt="{alt}"{size}></p>'

BOARD = '<div class="widget" id="draw-widget">The drawing board needs JavaScript.</div>'

def with_board(top, cells):
    "Put the drawing board beside the first `cells` of the first page, from `top` to how to begin"
    begin, = (c for c in cells if 'Begin here:' in c.source)
    top.source = '::::: {.front}\n\n:::: {.first}'
    begin.source += f'\n\n::::\n\n{BOARD}\n\n:::::'

def work_lines(code):
    "How many lines of `code` do something: docstrings and the further lines of a statement do not count"
    statements = [n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.stmt)]
    doc = [n for n in statements if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)]
    return len({n.lineno for n in statements if n not in doc})

def shown_name(node):
    "The name by which nbdev shows the definition `node`: `Value.backward` where `@patch` adds it to a class"
    is_patch = any(ast.unparse(o)=='patch' for o in getattr(node, 'decorator_list', []))
    cls = f'{ast.unparse(node.args.args[0].annotation)}.' if is_patch else ''
    return cls+getattr(node, 'name', '')

def definition(code, docs, lesson):
    """The cells that show the exported `code`; `docs` has, by name, the cells with a signature by nbdev.

    A lesson prints what it teaches. Elsewhere, and where it is long, code is folded under its signature."""
    body = ast.parse(code).body
    if all(imports(n) for n in body): return []
    shown = [n for n in body if shown_name(n) in docs]
    printed = lesson and work_lines(code)<=MOST_LINES
    for n in shown:
        name = shown_name(n)
        data = docs[name].outputs[0].data
        kind = 'taught' if printed else 'definition'+' .in-lesson'*lesson
        # unnumbered and unlisted: not in the contents list, for both renderers
        plain = name.replace('__', r'\_\_')  # or Markdown would make it bold
        heading = f'### {plain} {{.{kind} .unnumbered .unlisted}}'
        text = re.sub(r'^### .*', lambda m: heading, data['text/markdown'], flags=re.M)
        if lesson: text = text.removeprefix('---')
        if printed: text = text[:text.index(heading)]+heading  # the code says the rest
        if isinstance(n, ast.ClassDef):
            text = text.replace(f'\ndef {n.name}(', f'\nclass {n.name}(').replace(')->None:', '):')
        data['text/markdown'] = text.replace('```python\n', SIGNATURE)
    options = '#| code-overflow: wrap\n'
    if not printed:
        names = [getattr(n, 'name', None) or ast.unparse(n.targets[0]) for n in body if n not in shown]
        summary = 'Code' if shown else f'Code of {", ".join(names)}'
        options += f'#| code-fold: true\n#| code-summary: {summary}\n'
    return [docs[shown_name(n)] for n in shown]+[nbformat.v4.new_code_cell(options+code)]

def with_code(page, cells):
    "The `cells` of `page` with the code of what it exports, which nbdev leaves out"
    kept = {c.id: c for c in cells if not c.get('has_sd')}
    docs = {re.search(r'^show_doc\((.+)\)', c.source, re.M)[1]: c for c in cells if c.get('has_sd')}
    new = []
    teaches = page[0].isdigit() or page=='same_bits'
    for cell in nbformat.read(ROOT/'nbs'/f'{page}.ipynb', as_version=4).cells:
        directives = re.match(r'(#\|.*\n?)*', cell.source)[0]
        if cell.id in kept: new.append(kept[cell.id])
        elif '#| export' in directives and '#| hide' not in directives:
            new += definition(cell.source.removeprefix(directives), docs, teaches)
    lost = {c.id for c in cells}-{c.id for c in new}
    if lost: raise ValueError(f'{page}: cells {sorted(lost)} of nbdev have no place in nbs/')
    return new

def unfilled(text):
    "The printed `text` as one line if a check has broken it at 80 characters; pages break lines themselves"
    line = ' '.join(text.split())
    return line if fill(line, 80)==text else text

def finish(page, documented, cfg):
    "Make the notebook of `page`, which nbdev has processed, fit this site; returns its title"
    f = PROC/f'{page}.ipynb'
    nb = nbformat.read(f, as_version=4)
    front,warning,*rest = nb.cells
    rest = with_code(page, rest)
    nb.cells = [front,warning,*rest]
    if 'AUTOGENERATED' not in warning.source:
        raise ValueError(f'nbdev has put no warning at the top of {page}')
    # 01_data.html keeps its number
    front.source = re.sub(r'^output-file: .*\n', '', front.source, flags=re.M)
    if page!='index': warning.source = launch_links(page, cfg)
    if page=='index' or page[0].isdigit(): with_cover(page, front, warning, rest)
    words = {english.lower() for english,*_ in glossary_rows()} if page[0].isdigit() else set()
    for cell in rest:
        if only_imports(cell) and cell.source[:2]!='#|':
            cell.source = f'#| code-fold: true\n#| code-summary: Imports\n{cell.source}'
        if cell.cell_type=='markdown':
            cell.source = page_text(with_words(cell.source, words), page, documented, cfg)
        for data in (out.data for out in cell.get('outputs', []) if 'data' in out):
            if 'text/plain' in data: data['text/plain'] = unfilled(data['text/plain'])
            if 'text/markdown' not in data: continue
            data['text/markdown'] = page_text(data['text/markdown'], page, documented, cfg)
    if page=='index': with_board(warning, rest)
    if page=='glossary':
        table, = (c for c in rest if '| English |' in c.source)
        table.source = with_anchors(table.source)
    nbformat.write(nb, f)
    return yaml.safe_load(front.source.strip('-\n'))['title']

# The API index

def shown(value):
    "`value` as it stands in a signature"
    return value.__name__ if hasattr(value, '__name__') else repr(value)

def first_line(obj): return inspect.getdoc(obj).split('\n')[0]

def signature(name, obj):
    "How `obj` is called: its parameters and their defaults"
    if not callable(obj): return name
    star = {inspect.Parameter.VAR_POSITIONAL: '*', inspect.Parameter.VAR_KEYWORD: '**'}
    def text(p):
        default = '' if p.default is p.empty else f'={shown(p.default)}'
        return star.get(p.kind, '')+p.name+default
    # a metaclass of fastai's tells of `self`, too
    params = [p for p in inspect.signature(obj).parameters.values() if p.name!='self']
    return f'{name}({", ".join(map(text, params))})'

def api_entry(name, obj, module, page, cfg):
    "One line of the API index"
    is_def = inspect.isfunction(obj) or inspect.isclass(obj)
    file = Path(inspect.getfile(inspect.unwrap(obj) if is_def else module))
    # not all that a package hands on stands in its __init__.py
    file = file.as_posix().rpartition(f'/{PACKAGE}/')[2]
    line = f'#L{inspect.getsourcelines(obj)[1]}' if is_def else ''
    call = f'`{signature(name, obj)}`'
    if page and is_def: call = f'[{call}]({page}.ipynb#{name.lower()})'
    doc = 'A constant.'
    if is_def: doc = first_line(obj)
    elif len(repr(obj))<100 and '/' not in repr(obj): doc = f'A constant: `{obj!r}`.'
    elif hasattr(obj, '__len__'): doc = f'A constant, a {type(obj).__name__} of {len(obj)}.'
    source = f' [source]({cfg["source"]}/{PACKAGE}/{file}{line})'*cfg['public']
    return f'- {call}  \n  {doc}{source}'

def maker(obj, mod):
    "The name of the module that makes `obj`, which `mod` offers; a constant is its own"
    is_def = inspect.isfunction(obj) or inspect.isclass(obj)
    return getattr(obj, '__module__', mod.__name__) if is_def else mod.__name__

def by_hand(exported):
    "The modules, beside those `exported` from notebooks, that say in `__all__` what they offer"
    for f in sorted((ROOT/PACKAGE).rglob('*.py')):
        module = '.'.join(f.relative_to(ROOT/PACKAGE).with_suffix('').parts).removesuffix('.__init__')
        if module not in exported and re.search('^__all__ = ', read(f), re.M): yield module

def brought(mod, names):
    "A sentence on those of `names` that the star import does not bring"
    everything = importlib.import_module(f'{PACKAGE}.all')
    missing = [n for n in names if getattr(everything, n, None) is not getattr(mod, n)]
    if not missing: return ''
    which = 'its names' if missing==names else ', '.join(f'`{n}`' for n in missing)
    return f' Import {which} from `{mod.__name__}`.'

def api_index(pages, cfg):
    "The page that lists every exported name; `pages` maps the name of a page to its title"
    text = ['---\ntitle: API index\n'
            'description: Every name you can import, with its signature, and where it is explained.\n---\n',
            f'By modules of `{PACKAGE}`. A link leads to the place where a name is made, with all its '
            f'arguments explained. `from {PACKAGE}.all import *` brings the names of this page, except where '
            'the line under a module says otherwise.\n']
    texts = {p: read(f) for p,f in notebooks(ROOT/'nbs').items()}
    exports = {m: p for p in pages for m in re.findall(r'#\| default_exp ([\w.]+)', texts[p])}
    listed = set()
    for module in [*exports, *by_hand(exports)]:
        mod = importlib.import_module(f'{PACKAGE}.{module}')
        page = exports.get(module)
        place = f'From [{pages[page]}]({page}.ipynb).' if page else f'{first_line(mod)} Written by hand.'
        # what a module hands on is listed where it is made
        here = [n for n in mod.__all__ if maker(getattr(mod, n), mod)==mod.__name__]
        names = here if page else [n for n in mod.__all__ if n not in listed]
        listed |= {*names}
        text += [f'## {module} {{#{PACKAGE}.{module}}}\n', place+brought(mod, names)+'\n']
        text += [*(api_entry(n, getattr(mod, n), mod, page, cfg) for n in names), '']
    from fastbook_ch4.cli import parser
    os.environ['COLUMNS'] = '84'  # what argparse wraps its help at, and a box holds
    p = parser()
    commands = next(a.choices for a in p._actions if hasattr(a, 'choices') and a.choices)
    text += ['## The ch4 command\n', *(f'```text\n{o.format_help()}```\n' for o in (p, *commands.values()))]
    return '\n'.join(text)

# The site

def order(cfg):
    "Names of the notebook pages in the order of the sidebar"
    def walk(entries):
        for e in entries:
            if isinstance(e, dict): yield from walk(e.get('contents') or [e['href']])
            else: yield e
    files = walk(cfg['website']['sidebar']['contents'])
    return [p.removesuffix('.ipynb') for p in files if p.endswith('.ipynb')]

def address(cfg):
    "What the settings of the site have besides when the project has an address"
    if not cfg['public']: return {}
    github = dict(text='GitHub', href=cfg['home'])
    return {'site-url': cfg['site'], 'repo-url': cfg['home'], 'repo-actions': ['issue'],
            'navbar': {'right': [github]}}

def prepare():
    "Fill `_proc/` with all that a renderer needs"
    os.environ['PYTHONPATH'] = str(ROOT)
    os.chdir(ROOT)
    from nbdev.config import nbpath2html
    from nbdev.serve import proc_nbs
    print('Processing the notebooks with nbdev …', flush=True)
    proc_nbs(force=True, n_workers=0)  # each worker would load PyTorch again
    cfg = settings()
    quarto = ROOT/'_quarto.yml'
    pages = order(yaml.safe_load(read(quarto)))
    if sorted(pages)!=sorted(notebooks(PROC)):
        raise ValueError(f'The sidebar in {quarto.name} does not list every notebook of nbs/ once.')
    documented = {nbpath2html(f'{p}.ipynb').as_posix(): (p,documented_names(p)) for p in pages}
    titles = {p: finish(p, documented, cfg) for p in pages}
    shutil.copytree(ROOT/'site', PROC, dirs_exist_ok=True)
    shutil.copy(ROOT/PACKAGE/'app'/'static'/'pad.js', PROC)  # the board of `ch4 app`
    for name in ('widgets.js','widgets.css'): shutil.copy(ROOT/PACKAGE/'touch'/name, PROC)
    # a script can be loaded from a folder, too, where a browser fetches nothing
    weights = read(ROOT/PACKAGE/'touch'/'digit_weights.json')
    write(PROC/'digit_weights.js', f"loaded('digit_weights', {weights})\n")
    subprocess.run([sys.executable, ROOT/'tools'/'digit_sheet.py', PROC], check=True)
    texts = {f'site/{f.name}': read(f) for f in (ROOT/'site').glob('*.md')}
    texts['CONTRIBUTING.md'] = front_matter(read(ROOT/'CONTRIBUTING.md'))
    conduct = read(ROOT/'CODE_OF_CONDUCT.md')
    texts['CODE_OF_CONDUCT.md'] = re.sub(r'\A# (.+)\n', r'---\ntitle: \1\n---\n', conduct)
    for file,text in texts.items(): write(PROC/on_site(file), beside(anchors(reachable(text, cfg)), file))
    shutil.copy(quarto, PROC)
    write(PROC/'_address.yml', yaml.safe_dump({'website': address(cfg)}))
    write(PROC/'api.md', api_index(titles, cfg))

def picture_sizes():
    "Width and height at which each saved plot is shown, by its data: plots are saved with two pixels for one"
    cells = [c for f in notebooks(PROC).values() for c in nbformat.read(f, as_version=4).cells]
    outs = [out for c in cells for out in c.get('outputs', [])]
    saved = [out for out in outs if 'image/png' in out.get('metadata', {})]
    return {out.data['image/png'].strip(): out.metadata['image/png'] for out in saved}

def sized(page, sizes):
    "The HTML `page` with the display size of every plot, which smalldocs leaves out"
    def size(m):
        given = sizes.get(m[1], {})
        wide = ' data-wide' if given.get('width', 0)>WIDE else ''
        return m[0] + ''.join(f' {k}="{v}"' for k,v in given.items()) + wide
    page = re.sub(r'<img(?: alt="[^"]*")? src="data:image/png;base64,([^"]+)"', size, page)
    # Quarto writes the size, and pictures into files
    wide = r'<img\b(?=[^>]*\bwidth="(\d+)")(?![^>]*data-wide)'
    return re.sub(wide, lambda m: m[0]+' data-wide'*(int(m[1])>WIDE), page)

def own_parts(page):
    """The HTML `page` without scripts and styles of other hosts.

    Quarto adds RequireJS and jQuery where an output is HTML; nothing here uses them."""
    page = re.sub(r'<script\b[^>]*\bsrc="(?:https?:)?//[^>]*>\s*</script>', '', page)
    page = re.sub(r"<script\b[^>]*>\s*define\('jquery'.*?</script>", '', page, flags=re.S)
    away = r'<link\b(?=[^>]*\brel="(?:stylesheet|preconnect|preload)")[^>]*\bhref="(?:https?:)?//[^>]*>'
    return re.sub(away, '', page)

def own_fonts(css):
    "The style sheet `css` without the fonts that it would import from another host"
    place = r'''"(?:https?:)?//[^"]*"|'(?:https?:)?//[^']*'|(?:https?:)?//[^)"']*'''
    return re.sub(rf'@import\s*(?:url\(\s*)?(?:{place})\s*\)?[^;]*;?', '', css)

def plain(text):
    "The Markdown `text` of a page's copy without what only the page needs"
    text = re.sub(r'<p class="launch">.*?</p>\s*', '', text, flags=re.S)
    text = re.sub(r'(\]\([^)\n]+\))\{[^}\n]*\}', r'\1', text)
    return re.sub(r'^(### .+) \{\..+\}$', r'\1', text, flags=re.M).replace(SIGNATURE, '```python\n')

def with_scripts(html, page):
    "The `html` of `page` with the scripts found that _quarto.yml names as they lie beside a page at the top"
    return re.sub(r'<script src="([\w-]+\.js)"', lambda m: f'<script src="{relative(page, m[1])}"', html)

def renderer(quarto=False):
    "The program that renders, as the start of a command"
    tool = [shutil.which('quarto')] if quarto else [sys.executable, '-m', 'smalldocs.cli']
    if not tool[0]: sys.exit('Quarto is not installed. `make docs` builds the same site without it.')
    return tool

# The base of links on 404.html: where GitHub Pages puts the site, the root of a host, or a folder
BASE = f"""<base href="{PREFIX}"><script>
if (location.protocol === 'file:') document.querySelector('base').remove()
else if (!location.pathname.startsWith('{PREFIX}')) document.querySelector('base').href = '/'
</script>"""

def render(tool):
    "Render `_proc/` into `_docs/` with the program `tool`"
    subprocess.run([*tool, 'render', PROC], check=True)
    shutil.rmtree(DOCS, ignore_errors=True)
    (PROC/'_site').rename(DOCS)
    for page,f in notebooks(ROOT/'nbs').items():
        copy = DOCS/'notebooks'/f'{page}.ipynb'
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(f, copy)
    sizes = picture_sizes()
    for f in DOCS.rglob('*.html'):
        text = re.sub(r'<script src="[./]*site_libs/fuse/fuse\.min\.js"></script>', '', read(f))
        # what is empty heads no column
        text = re.sub(r'<th([^>]*)>(?:\s|&nbsp;)*</th>', r'<td\1></td>', text)
        # the first page is called here what the sidebar calls it
        text = text.replace(f'page-text">{PACKAGE}<', 'page-text">Start here<')
        write(f, with_scripts(sized(own_parts(text), sizes), f.relative_to(DOCS).as_posix()))
    for f in DOCS.rglob('*.llms.md'): write(f, plain(read(f)))
    shutil.copytree(PROC/'covers', DOCS/'covers', dirs_exist_ok=True)
    steps = [('cards', DOCS/'cards'), ('same_bits', DOCS)]
    # Quarto has a search and icons of its own
    if (DOCS/'site_libs'/'smalldocs.js').exists(): steps += [('search_index', DOCS), ('icons', DOCS)]
    for name,folder in steps: subprocess.run([sys.executable, ROOT/'tools'/f'{name}.py', folder], check=True)
    # GitHub Pages shows 404.html at whatever address was asked for, so its links need a base
    missing = DOCS/'404.html'
    write(missing, read(missing).replace('<head>', f'<head>{BASE}', 1))
    # themes ask another host for fonts; the site uses those of the reader's system
    for f in DOCS.rglob('*.css'): write(f, own_fonts(read(f)))
    print(f'The site is in {DOCS}. `make docs-serve` shows it.')

# Preview

class Pages(http.server.SimpleHTTPRequestHandler):
    "Serves `_docs/` as GitHub Pages does: under `/repo/`, and 404.html for what is not there"
    protocol_version = 'HTTP/1.1'  # one connection for all files of a page
    def log_message(self, *args): pass

    def translate_path(self, path):
        inside = path.startswith(PREFIX)
        return super().translate_path('/'+path.removeprefix(PREFIX) if inside else '/not-there')

    def do_GET(self):
        if self.path!='/': return super().do_GET()
        self.send_response(302)
        self.send_header('Location', PREFIX)
        self.send_header('Content-Length', '0')
        self.end_headers()

    def send_error(self, code, message=None, explain=None):
        if code!=404: return super().send_error(code, message, explain)
        body = (Path(self.directory)/'404.html').read_bytes()
        self.send_response(404)
        self.send_header('Content-Type', 'text/html; charset=utf-8')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if self.command!='HEAD': self.wfile.write(body)

def server(port):
    return http.server.ThreadingHTTPServer(('127.0.0.1', port), partial(Pages, directory=str(DOCS)))

def serve(port=4200):
    "Serve `_docs/` on this machine until Ctrl-C"
    if not (DOCS/'index.html').exists(): sys.exit('There is no site yet. Build it with `make docs`.')
    try: httpd = server(port)
    except OSError as e: sys.exit(f'Port {port} cannot be used: {e.strerror}.')
    with httpd:
        print(f'http://127.0.0.1:{port}{PREFIX}  (Ctrl-C ends)', flush=True)
        try: httpd.serve_forever()
        except KeyboardInterrupt: print()

def main():
    p = argparse.ArgumentParser(description='Build or show the documentation site.')
    p.add_argument('--quarto', action='store_true', help='render with Quarto instead of smalldocs')
    p.add_argument('--serve', action='store_true', help='show the site that was built')
    args = p.parse_args()
    if args.serve: return serve()
    tool = renderer(args.quarto)
    prepare()
    render(tool)

if __name__=='__main__': main()
