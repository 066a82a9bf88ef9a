"""Write the digits of the playground: one picture of digits that ship with the package, also in a script.

    python tools/digit_sheet.py FOLDER

`digits.png` shows the 1,000 3s and 7s in rows of 40: 400 training 3s, 400 training 7s, then 100 of each that
are held out. `digits.js` holds the picture as text, for a page in a folder may not read another file.
"""
import base64,io,sys,tarfile
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

ROOT = Path(__file__).resolve().parents[1]
ARCHIVE = ROOT/'fastbook_ch4'/'shipped'/'mnist_5k.tgz'
SPLITS,LABELS = ('train','valid'),('3','7')
IN_A_ROW = 40
NOTICE = {'Author': 'Yann LeCun, Corinna Cortes, Christopher J. C. Burges', 'Source': 'MNIST database',
          'Copyright': 'https://creativecommons.org/licenses/by-sa/3.0/'}
LICENCE = f'''SPDX-FileCopyrightText: {NOTICE['Author']}
SPDX-License-Identifier: CC-BY-SA-3.0

1,000 images of the MNIST database of handwritten digits, side by side; no pixel was changed.
{NOTICE['Copyright']}
'''

def digits(archive=ARCHIVE):
    "The images of 3s and 7s in `archive`, in the order in which the lessons load them"
    with tarfile.open(archive) as tar:
        names = sorted(name for name in tar.getnames() if name.endswith('.png'))
        folders = [f'/{split}/{label}/' for split in SPLITS for label in LABELS]
        wanted = [name for folder in folders for name in names if folder in name]
        return [Image.open(io.BytesIO(tar.extractfile(name).read())) for name in wanted]

def sheet(images):
    "`images` side by side, as the bytes of a PNG file that names its authors and its licence"
    w,h = images[0].size
    whole = Image.new('L', (w*IN_A_ROW, h*-(-len(images)//IN_A_ROW)))
    for i,im in enumerate(images): whole.paste(im, (w*(i%IN_A_ROW), h*(i//IN_A_ROW)))
    info,out = PngInfo(),io.BytesIO()
    for key,text in NOTICE.items(): info.add_text(key, text)
    whole.save(out, 'PNG', optimize=True, pnginfo=info)
    return out.getvalue()

def write_sheet(folder):
    "Write the picture, its licence and the script into `folder`"
    images = digits()
    png,ink = sheet(images),sum(sum(im.tobytes()) for im in images)
    text = base64.b64encode(png).decode()
    note = f"// MNIST, by {NOTICE['Author']}; CC BY-SA 3.0, {NOTICE['Copyright']}"
    script = f"{note}\nconst DIGITS = {{ink: {ink}, png: 'data:image/png;base64,{text}'}}\n"
    (Path(folder)/'digits.png').write_bytes(png)
    (Path(folder)/'digits.png.license').write_text(LICENCE, encoding='utf8')
    (Path(folder)/'digits.js').write_text(script, encoding='utf8')

if __name__=='__main__':
    if len(sys.argv)!=2: sys.exit(__doc__)
    write_sheet(sys.argv[1])
