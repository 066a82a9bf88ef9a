"""Write the project's address, user, repo and branch of settings.ini, into the notebooks and two papers.

    python tools/address.py [FOLDER]

FOLDER is that of the notebooks (default: nbs). The first cell of every notebook that uses the package
installs it from that address where it is missing, as on Colab; links to the repository and the site follow.
"""
import configparser,re,sys
from pathlib import Path

from fastcore.nbio import mk_cell,read_nb,write_nb

ROOT = Path(__file__).resolve().parents[1]
ID = 'install'
CELL = '''#| hide
try: import fastbook_ch4
except ImportError:
    %pip install -q "git+https://github.com/{user}/{repo}@{branch}"'''

def settings():
    "`user`, `repo` and `branch`"
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT/'settings.ini', encoding='utf8')
    return {k: parser['DEFAULT'][k] for k in ('user','repo','branch')}

def write(f, new):
    "Bring the notebook `f` to the address `new`"
    nb = read_nb(f)
    install = next((c.source for c in nb.cells if c.get('id')==ID), '')
    old = re.search(r'github\.com/(?P<user>[^/]+)/(?P<repo>[^@]+)@', install)
    cells = [c for c in nb.cells if c.get('id')!=ID]
    if not old and not any('fastbook_ch4' in c.source for c in cells if c.cell_type=='code'): return
    for place in ('https://github.com/{user}/{repo}','https://{user}.github.io/{repo}'):
        for c in cells if old else []:
            c.source = c.source.replace(place.format_map(old), place.format_map(new))
    cell = mk_cell(CELL.format_map(new))
    cell['id'] = ID
    nb.cells = [cell]+cells
    write_nb(nb, f)

def cite(f, new):
    "Bring `repository-code` in the citation file `f` to the address `new`"
    line = 'repository-code: https://github.com/{user}/{repo}'.format_map(new)
    text = re.sub('^repository-code: .*', line, f.read_text(encoding='utf8'), flags=re.M)
    f.write_text(text, encoding='utf8')

def conduct(f, new):
    "Bring the link to the owner in the code of conduct `f` to the address `new`"
    link = '(https://github.com/{user})'.format_map(new)
    text = re.sub(r'\(https://github\.com/[^)]*\)', link, f.read_text(encoding='utf8'))
    f.write_text(text, encoding='utf8')

if __name__=='__main__':
    cite(ROOT/'CITATION.cff', settings())
    conduct(ROOT/'CODE_OF_CONDUCT.md', settings())
    for f in sorted(Path(*sys.argv[1:] or [ROOT/'nbs']).rglob('*.ipynb')):
        if f.parent.name!='.ipynb_checkpoints': write(f, settings())
