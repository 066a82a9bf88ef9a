"""Put into a built site what the button of "Every bit the same" runs.

    python tools/same_bits.py FOLDER

The module as it is, the grey values of its 400 digits, two scripts, and Pyodide, a Python for browsers, from
where `make pyodide` had npm put it (or from the folder that the variable PYODIDE names). Without Pyodide the
page says that it is not there.
"""
import os,shutil,sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from fastbook_ch4 import store  # noqa: E402 - found by the line above
from fastbook_ch4.same_bits import grey_values  # noqa: E402

SCRIPTS = 'same_bits.js','same_bits_worker.js'
# the bare interpreter: none of the packages that Pyodide could load
INTERPRETER = 'pyodide.mjs','pyodide.asm.mjs','pyodide.asm.wasm','python_stdlib.zip','pyodide-lock.json'

def pyodide():
    "The folder of Pyodide, or None where it is not installed"
    folder = Path(os.environ.get('PYODIDE') or ROOT/'node_modules'/'pyodide')
    return folder if all((folder/name).is_file() for name in INTERPRETER) else None

def main(dest):
    dest = Path(dest)
    for name in SCRIPTS: shutil.copy(ROOT/'site'/name, dest)
    shutil.copy(ROOT/'fastbook_ch4'/'same_bits.py', dest)
    (dest/'same_bits.bin').write_bytes(grey_values(store.install_shipped()/'train', 200))
    source = pyodide()
    if not source: return print('Without Pyodide: `make pyodide` installs it, with npm.')
    (dest/'pyodide').mkdir(exist_ok=True)
    for name in INTERPRETER: shutil.copy(source/name, dest/'pyodide')

if __name__=='__main__': main(sys.argv[1])
