"""Write the project's address, user, repo and branch of settings.ini, into the notebooks and two papers.

    python tools/address.py [FOLDER]

FOLDER is that of the notebooks (default: nbs). The first cell of every notebook with code installs the
package from that address where it is missing, as on Colab; links to the repository and the site follow.
As long as settings.ini names nobody, there are no such cells and links: they would lead nowhere.
"""
import configparser,re,sys
from pathlib import Path

from fastcore.nbio import mk_cell,read_nb,write_nb

ROOT = Path(__file__).resolve().parents[1]
NOBODY = 'your-github-name'  # the user in settings.ini as long as the project has no address
SITE = "the course's site"
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

def with_site(text, page, new):
    "The Markdown `text` of `page` with a link to its place on the site, if there is a site"
    part = re.search('<div[^>]* id="(.+?)"', text)
    place = f'{page}.html#{part[1]}' if part else ''
    link = f'[{SITE}](https://{new["user"]}.github.io/{new["repo"]}/{place})'
    return re.sub(rf'\[{SITE}\]\([^)]*\)|{SITE}', SITE if new['user']==NOBODY else link, text)

def install_cell(new):
    cell = mk_cell(CELL.format_map(new))
    cell['id'] = ID
    return cell

def write(f, page, new):
    "Bring the notebook `f`, which is `page` of the site, to the address `new`"
    nb = read_nb(f)
    install = next((c.source for c in nb.cells if c.get('id')==ID), '')
    old = re.search(r'github\.com/(?P<user>[^/]+)/(?P<repo>[^@]+)@', install)
    cells = [c for c in nb.cells if c.get('id')!=ID]
    if not any(c.cell_type=='code' for c in cells): return
    for place in ('https://github.com/{user}/{repo}','https://{user}.github.io/{repo}'):
        for c in cells if old else []:
            c.source = c.source.replace(place.format_map(old), place.format_map(new))
    for c in cells:
        if c.cell_type=='markdown': c.source = with_site(c.source, page, new)
    nb.cells = [install_cell(new)]*(new['user']!=NOBODY)+cells
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
    folder = Path(*sys.argv[1:] or [ROOT/'nbs'])
    for f in sorted(folder.rglob('*.ipynb')):
        page = f.relative_to(folder).with_suffix('').as_posix()
        if f.parent.name!='.ipynb_checkpoints': write(f, page, settings())
