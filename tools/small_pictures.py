"""Saves the pictures in notebooks with a palette of at most 256 colours, a third to a quarter of their size.

    python tools/small_pictures.py nbs/*.ipynb
"""
import base64,io,json,sys
from pathlib import Path

from PIL import Image

def small(png):
    "The base64 text `png` with a palette, or as it was if that is no smaller"
    picture = Image.open(io.BytesIO(base64.b64decode(png)))
    if picture.mode=='P': return png
    if picture.mode=='RGBA' and picture.getextrema()[3]==(255,255): picture = picture.convert('RGB')
    # the first keeps white white, the other takes transparency
    method = Image.Quantize.MEDIANCUT if picture.mode=='RGB' else Image.Quantize.FASTOCTREE
    out = io.BytesIO()
    picture.quantize(256, method=method, dither=Image.Dither.NONE).save(out, 'png', optimize=True)
    return min(base64.b64encode(out.getvalue()).decode(), png, key=len)

def main(*notebooks):
    for nb in map(Path, notebooks):
        d = json.loads(nb.read_text(encoding='utf8'))
        for cell in d['cells']:
            for data in [o.get('data', {}) for o in cell.get('outputs', [])]:
                if 'image/png' in data: data['image/png'] = small(''.join(data['image/png']).strip())
        nb.write_text(json.dumps(d, indent=1, sort_keys=True, ensure_ascii=False)+'\n', encoding='utf8')

if __name__=='__main__': main(*sys.argv[1:])
