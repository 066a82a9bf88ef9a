"""Leave of Bootstrap Icons only what the site shows: a handful of its 2,000 pictures, 210 kB less to load.

    python tools/icons.py FOLDER

FOLDER is the finished site. A page, script or style that says `bi-search` shows the icon `search`,
and so does a style with its number in `content`.
"""
import logging,re,sys
from pathlib import Path

from fontTools import subset

RULE = re.compile(r'\.(bi-[\w-]+)::before\{content:"\\([0-9a-f]+)"\}')

def used(site, style):
    "The names of the icons that the files of `site` show, `style` left out"
    files = [f for kind in ('html','js','css') for f in site.rglob(f'*.{kind}') if f!=style]
    return {name for f in files for name in re.findall(r'\bbi-[\w-]+', f.read_text(encoding='utf8'))}

def keep_used(site):
    "Shrink style and font of the icons in the folder `site`; returns the names that are left"
    style = next(site.rglob('bootstrap-icons.min.css'), None)
    if not style: return []  # Quarto brings its own, under another name
    css,names = style.read_text(encoding='utf8'),used(site, style)
    kept = {name: int(code, 16) for name,code in RULE.findall(css) if name in names}
    if not kept: raise ValueError(f'None of the icons that the site shows is in {style.name}.')
    codes = {int(code, 16) for f in site.rglob('*.css') if f!=style
             for code in re.findall(r'content: ?"\\([0-9a-f]{4})"', f.read_text(encoding='utf8'))}
    logging.getLogger('fontTools').setLevel('ERROR')  # it remarks on the font as it came
    font, = (style.parent/'fonts').glob('*.woff')
    options = subset.Options(flavor='woff')
    opened = subset.load_font(font, options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=codes.union(kept.values()))
    subsetter.subset(opened)
    subset.save_font(opened, font, options)
    for other in style.parent.glob('fonts/*.woff2'): other.unlink()
    css = RULE.sub(lambda m: m[0] if m[1] in kept else '', css)
    style.write_text(re.sub(r'url\("[^"]*\.woff2[^"]*"\) format\("woff2"\),', '', css), encoding='utf8')
    return sorted(kept)

if __name__=='__main__':
    if len(sys.argv)!=2: sys.exit(__doc__)
    print(f'Icons left: {", ".join(keep_used(Path(sys.argv[1])))}')
