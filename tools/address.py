"""Write the project's address into the first cell of every notebook that uses the package.

    python tools/address.py [FOLDER]

The address is `user`, `repo` and `branch` of settings.ini, FOLDER that of the notebooks (default: nbs). The cell installs
the package where it is missing, as on Colab, and does nothing elsewhere.
"""
import configparser,sys
from pathlib import Path

from fastcore.nbio import mk_cell,read_nb,write_nb

ROOT = Path(__file__).resolve().parents[1]
ID = 'install'

def first_cell():
    "Source of the cell"
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT/'settings.ini', encoding='utf8')
    cfg = parser['DEFAULT']
    return ('#| hide\ntry: import fastbook_ch4\nexcept ImportError:\n'
            f'    %pip install -q "git+https://github.com/{cfg["user"]}/{cfg["repo"]}@{cfg["branch"]}"')

def write(f):
    "Put the cell at the top of the notebook `f`, or bring it up to date"
    nb = read_nb(f)
    if not any('fastbook_ch4' in c.source for c in nb.cells if c.cell_type=='code' and c.get('id')!=ID): return
    cells = [c for c in nb.cells if c.get('id')!=ID]
    cell = mk_cell(first_cell())
    cell['id'] = ID
    nb.cells = [cell]+cells
    write_nb(nb, f)

if __name__=='__main__':
    for f in sorted(Path(*sys.argv[1:] or [ROOT/'nbs']).glob('*.ipynb')): write(f)
