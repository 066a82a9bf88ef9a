"""Make README.md, and the pictures in it, from nbs/index.ipynb.

    python tools/readme.py [FOLDER]

Writes into FOLDER (default: the project). Cells marked `#| hide`, the code of those marked `#| echo: false`
and directive lines stay out; a picture's alternative text is its cell's `#| fig-alt`; links to notebooks
point into nbs/.
"""
import re,sys
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

ROOT = Path(__file__).parents[1]
PICTURES = 'images'

def directives(cell):
    "The `#| name: value` lines at the top of `cell`"
    lines = re.match(r'(?:#\|.*\n?)*', cell.source).group().splitlines()
    return {name.strip(): value.strip() for name,_,value in (line[2:].partition(':') for line in lines)}

def readme(nb):
    "Markdown text of the notebook `nb`, and its pictures as `{file name: bytes}`"
    nb.metadata['language_info'] = {'name': 'python'}  # names the language of the code blocks
    nb.cells = [c for c in nb.cells if 'hide' not in directives(c)]
    alts,pictures = [],{}
    for cell in nb.cells:
        alt = directives(cell).get('fig-alt', '')
        alts += [alt for o in cell.get('outputs', []) if 'image/png' in o.get('data', {})]
        if directives(cell).get('echo')=='false': cell.metadata.transient = {'remove_source': True}
        cell.source = re.sub(r'\A(#\|.*\n?)*', '', cell.source)
    text,resources = MarkdownExporter().from_notebook_node(nb)
    for i,((name,data),alt) in enumerate(zip(sorted(resources['outputs'].items()), alts), 1):
        picture = f'index_{i}.png'
        pictures[picture] = data
        text = re.sub(rf'!\[[^\]]*\]\({re.escape(name)}\)', lambda m: f'![{alt}]({PICTURES}/{picture})', text)
    text = re.sub(r'\]\(([\w/]+\.ipynb(?:#[^)]*)?)\)', r'](nbs/\1)', text).replace('](../', '](')
    text = re.sub(r'^ +$', '', text, flags=re.M)
    return re.sub(r'\n{3,}', '\n\n', text).strip()+'\n', pictures

def main(dest=ROOT):
    text,pictures = readme(nbformat.read(ROOT/'nbs'/'index.ipynb', as_version=4))
    folder = Path(dest)/PICTURES
    folder.mkdir(exist_ok=True)
    for old in folder.glob('index_*.png'): old.unlink()
    for name,data in pictures.items(): (folder/name).write_bytes(data)
    (Path(dest)/'README.md').write_text(text, encoding='utf8')

if __name__=='__main__': main(*sys.argv[1:])
