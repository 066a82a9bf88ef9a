"""Any pen, any paper: how `predict_digit` does on made drawings of every kind, for lesson 17.

    python tools/pens.py FOLDER [--sets SET,...] [--only KIND,...] [--widths N,...] [--pens N,...]
                                [--models STEP,...] [--seeds N,...] [--labels 0123456789] [--per N]

Draws skeletons of digits with pens of many widths on many papers, asks the models of the ladder, and prints
for each kind and width the share that is right, the share that is wrong but has a note, the right ones with a
note, and the silent errors: wrong, and no note. FOLDER keeps the models and the pictures of 28 by 28, and a
second call begins where the first one stopped; it is drawn again where the recipe has changed.

Set `tune` has the skeletons as they stand here. Set `try` and all others, which are called `judge 1` and so
on, have their points jittered, and other slants, turns, sizes and places: what was chosen by looking at the
first two is judged by others. Those up to `judge 6` judged what stood here before.
"""
import argparse,hashlib,inspect,io,itertools
from collections import Counter
from pathlib import Path

import numpy as np, pandas as pd, torch
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from fastbook_ch4 import application, store
from fastbook_ch4.data import Digits
from fastbook_ch4.ladder import run_step
from fastbook_ch4.multiclass import ten_digits
from fastbook_ch4.plumbing import pictures
from fastbook_ch4.plumbing.steps import is_unsure

# Strokes as points in hundredths of the height, x before y: C is a curve through them, L straight lines
SKELETONS = {'3': {
    'round': 'C 8,16 22,3 40,0 58,6 62,20 55,36 36,46 24,47 36,48 58,56 66,74 56,93 36,100 16,96 2,84',
    'flat top': 'L 6,0 60,0 30,38|C 30,38 50,42 64,58 64,78 50,96 28,100 4,90',
    'angular': 'L 4,4 58,2 26,44 62,72 6,100',
    'small top': 'C 18,10 32,0 46,4 50,16 42,28 28,33 46,36 64,50 66,74 52,94 30,100 2,92',
    'large top': 'C 2,14 16,2 38,0 60,10 64,30 52,50 26,58 46,60 58,70 58,86 42,98 24,100 10,94',
    'open': 'C 4,4 26,0 50,4 58,18 50,34 30,44 52,50 66,66 64,84 48,96 24,100 2,97',
    'closed': 'C 12,30 8,12 28,0 52,6 58,22 46,40 28,47 50,54 64,74 54,94 30,100 8,90 6,72',
    'half circles': 'C 4,0 30,0 48,8 54,24 48,40 30,48 10,48|C 10,48 34,48 54,56 62,74 54,92 34,100 4,100',
    'loop': 'C 8,14 28,0 50,6 54,22 40,40 24,50 18,44 26,40 44,48 62,62 62,82 44,98 20,100 2,88',
    'curled': 'C 14,24 4,14 18,2 42,0 58,14 50,34 28,44 52,50 66,68 56,90 32,100 8,96 2,82 14,78',
    'narrow': 'C 4,12 16,0 32,4 38,20 30,38 16,46 32,52 44,70 38,92 20,100 2,92',
    'wide': 'C 4,18 26,2 52,0 76,10 74,32 54,44 34,46 60,48 84,60 86,80 64,98 32,100 2,88'}, '7': {
    'plain': 'L 2,2 60,2 24,100',
    'crossed': 'L 2,2 60,2 24,100|L 16,52 60,50',
    'serif': 'L 4,18 4,2 60,2 26,100',
    'curved': 'L 2,4 60,2|C 60,2 44,28 32,56 26,100',
    'slanted': 'L 6,6 70,0 8,100',
    'upright': 'L 4,2 52,2 50,30 44,100',
    'wavy': 'C 2,12 12,0 28,8 44,10 62,0|C 62,0 46,34 34,66 28,100',
    'crossed curve': 'L 2,8 20,4 62,4|C 62,4 48,24 36,52 30,100|L 12,50 56,44',
    'short top': 'L 12,2 52,0 24,100',
    'wide top': 'L 0,4 76,2 40,100',
    'rounded': 'C 2,8 24,2 52,0 60,8 50,32 36,66 30,100',
    'serif and cross': 'L 2,16 6,2 62,2 22,100|L 14,48 54,48'}, '0': {
    'oval': 'C 32,0 12,14 2,48 12,86 32,100 54,86 62,50 54,14 32,0',
    'round': 'C 44,0 10,16 0,50 12,86 44,100 78,84 86,50 76,14 44,0',
    'open': 'C 40,4 16,8 2,40 8,80 30,100 54,86 62,44 50,12 28,0'}, '1': {
    'bar': 'L 20,0 20,100', 'slanted': 'L 40,0 8,100', 'flag': 'L 4,22 26,0 26,100'}, '2': {
    'plain': 'C 4,22 14,4 34,0 54,8 58,28 44,54 22,78 2,100|L 2,100 64,98',
    'loop': 'C 6,20 20,2 44,2 56,20 46,48 22,80 6,96 6,84 20,84 42,98 66,94',
    'angular': 'L 4,10 30,0 56,16 50,40 2,98 62,98'}, '4': {
    'open': 'L 8,0 2,56 62,54|L 50,6 46,100', 'closed': 'L 52,100 52,0 2,66 72,64',
    'round': 'C 10,2 4,30 8,52 30,58 56,48|L 60,2 50,100'}, '5': {
    'plain': 'L 60,0 14,2 8,42|C 8,42 34,36 58,48 62,72 48,94 24,100 2,90',
    'bar apart': 'C 14,4 10,26 8,42 34,38 58,50 60,76 44,96 20,100 2,92|L 14,4 62,0',
    'angular': 'L 56,2 8,2 6,44 48,46 56,66 46,96 2,98'}, '6': {
    'plain': 'C 48,0 24,16 6,48 4,80 22,100 48,94 58,74 44,56 20,60 6,78',
    'straight': 'C 36,0 14,44 2,76 16,98 42,98 54,80 42,62 18,64 4,80',
    'curled': 'C 58,8 38,0 14,24 2,62 12,92 36,100 58,86 56,66 36,56 10,70'}, '8': {
    'plain': 'C 52,8 30,0 10,10 10,28 30,44 54,62 58,84 34,100 8,88 8,66 32,46 52,28 52,8',
    'rings': 'C 30,0 10,10 10,34 30,46 50,34 50,10 30,0|C 30,46 4,58 4,88 30,100 58,88 58,58 30,46',
    'slim': 'C 36,0 16,12 16,30 30,48 40,70 34,94 16,100 4,86 10,64 30,46 44,24 36,0'}, '9': {
    'plain': 'C 54,14 34,0 10,8 4,30 20,48 44,44 54,14|C 54,14 52,44 44,74 34,100',
    'straight': 'C 48,6 22,2 4,20 10,42 32,46 50,24 50,4|L 50,4 46,100',
    'hooked': 'C 56,18 36,0 10,10 6,34 26,50 50,38 56,18|C 56,18 60,58 48,92 24,100 6,90'}}

SIDE = 600
WIDTHS = 1,2,3,4,6,8,12,18,26,38,50,60,75,90
# Slant, turn in degrees, height of the digit, its middle
PLACES = [(0,0,380,300,300), (20,0,380,300,300), (-15,0,380,300,300), (0,12,380,300,300),
          (0,-12,380,300,300), (5,-5,200,140,470), (0,0,520,300,300)]
PENS = 5,9,16,30,60
KEPT = 'pixel similarity','SGD','two-layer net','resnet18'  # one of each kind of model that the ladder saves

def strokes(skeleton):
    "The lines of `skeleton`: arrays (n, 2), in units of its height"
    for stroke in skeleton.split('|'):
        kind,*points = stroke.split()
        p = np.array([o.split(',') for o in points], float)/100
        if kind=='C':  # Catmull and Rom's curve
            a,d = 2*p[0]-p[1],2*p[-1]-p[-2]
            p0,p1,p2,p3 = (o[:,None] for o in (np.r_[a[None],p[:-2]], p[:-1], p[1:], np.r_[p[2:],d[None]]))
            t = np.linspace(0, 1, 12)[None,:,None]
            p = ((2*p1+(p2-p0)*t+(2*p0-5*p1+4*p2-p3)*t**2+(3*p1-p0-3*p2+p3)*t**3)/2).reshape(-1, 2)
        yield p

def jittered(skeleton, rng, by=.03):
    "`skeleton` with its points moved a little, joints of strokes together"
    moved = {}
    def move(point):
        if point not in moved:
            moved[point] = ','.join(f'{float(o)+100*by*rng.normal():.1f}' for o in point.split(','))
        return moved[point]
    return ' '.join(o if o in ('C','L') else '|'.join(move(p) if p not in 'CL' else p for p in o.split('|'))
                    for o in skeleton.replace('|C', ' |C').replace('|L', ' |L').split()).replace(' |', '|')

def place(skeleton, slant, turn, height, x, y, width):
    "The lines of `skeleton` in a picture of 600 by 600, moved so that a pen of `width` stays inside"
    lines = list(strokes(skeleton))
    middle = np.concatenate(lines).mean(0)
    c,s = np.cos(np.radians(turn)),np.sin(np.radians(turn))
    shear = np.array([[1,-np.tan(np.radians(slant))],[0,1]])
    lines = [(o-middle)@(np.array([[c,-s],[s,c]])@shear).T for o in lines]
    p = np.concatenate(lines)
    scale = min(height, SIDE-24-width)/max(np.ptp(p, 0).max(), 1)
    low,high = p.min(0)*scale-width/2-8,p.max(0)*scale+width/2+8
    at = np.clip((x,y), -low, SIDE-high)
    return [o*scale+at for o in lines]

def ink(lines, width):
    "A mask of 600 by 600: `lines` with a round pen"
    fine = 2
    page = Image.new('L', (SIDE*fine,)*2)
    pen,r = ImageDraw.Draw(page),width*fine/2
    for line in lines:
        p = [tuple(o) for o in line*fine]
        pen.line(p, fill=255, width=round(width*fine), joint='curve')
        if width>2:
            for x,y in p: pen.ellipse((x-r,y-r,x+r,y+r), fill=255)
    return page.reduce(fine)

# What lies on the paper, and the light that falls on it: functions of a mask of ink, of the digit's
# frame in it and of a random generator, which return grey values

def on_paper(mask, paper=240, pen=25): return Image.composite(Image.new('L', mask.size, pen),
                                                              Image.new('L', mask.size, paper), mask)

def plain(mask, box, rng): return on_paper(mask)

def light_on_dark(mask, box, rng):
    return on_paper(mask, int(rng.integers(0, 60)), int(rng.integers(180, 256)))

def lit(img, light):
    "`img` times `light`, (h, w) floats"
    return Image.fromarray((np.asarray(img)*light).clip(0, 255).astype(np.uint8))

def directions(rng):
    "How far each pixel lies in a random direction, from -1 to 1"
    y,x = np.mgrid[-1:1:600j,-1:1:600j]
    a = rng.uniform(0, 2*np.pi)
    return (x*np.cos(a)+y*np.sin(a))/1.42

def uneven_light(mask, box, rng): return lit(on_paper(mask), .75+.25*directions(rng))

def vignette(mask, box, rng):
    y,x = np.mgrid[-1:1:600j,-1:1:600j]
    return lit(on_paper(mask), 1-.25*(x*x+y*y))

def blurred(mask, box, rng): return on_paper(mask).filter(ImageFilter.GaussianBlur(rng.uniform(2, 7)))

def jpeg(mask, box, rng):
    out = io.BytesIO()
    on_paper(mask).save(out, 'JPEG', quality=int(rng.integers(10, 40)))
    return Image.open(out).convert('L')

def noisy(mask, box, rng):
    grain = rng.normal(0, rng.uniform(5, 15), (SIDE,SIDE))
    return Image.fromarray((np.asarray(on_paper(mask, 220, 40))+grain).clip(0, 255).astype(np.uint8))

def pencil(mask, box, rng): return noisy(mask.point(lambda v: v*.45), box, rng)

def pale(mask, box, rng): return on_paper(mask, 235, int(rng.integers(150, 195)))

def dust(mask, box, rng):
    img = on_paper(mask)
    pen = ImageDraw.Draw(img)
    for _ in range(rng.integers(1, 12)):
        (x,y),r = rng.uniform(0, SIDE, 2),rng.uniform(1, 6)
        pen.ellipse((x-r,y-r,x+r,y+r), fill=int(rng.integers(0, 120)))
    return img

def lines_of(img, rng, across, strength):
    "Lines of `strength` every 3 to 6 hundredths of the side, and also `across`"
    pen,gap = ImageDraw.Draw(img),rng.uniform(35, 60)
    for at in np.arange(rng.uniform(0, gap), SIDE, gap):
        pen.line([(0,at),(SIDE,at)], fill=strength, width=2)
        if across: pen.line([(at,0),(at,SIDE)], fill=strength, width=2)
    return img

def ruled(mask, box, rng, across=False):
    paper = lines_of(Image.new('L', mask.size, 240), rng, across, int(rng.integers(150, 215)))
    return Image.composite(Image.new('L', mask.size, 25), paper, mask)

def squared(mask, box, rng): return ruled(mask, box, rng, True)

def margin(mask, box, rng):
    img,x = on_paper(mask),max(10, box[0]-rng.uniform(25, 80))
    ImageDraw.Draw(img).line([(x,0),(x+rng.uniform(-6, 6),SIDE)], fill=int(rng.integers(60, 160)), width=3)
    return img

def free_side(box):
    "The middle of the widest strip that the frame `box` of the digit leaves free, and that strip's width"
    gaps = {(box[0]/2,300): box[0], ((SIDE+box[2])/2,300): SIDE-box[2]}
    (x,y),gap = max(gaps.items(), key=lambda o: o[1])
    return x,y,gap

def second_mark(mask, box, rng):
    "A tick, a cross, a ring, a stroke or a small digit beside the digit"
    img,pen_width = on_paper(mask),max(3, int(rng.uniform(4, 14)))
    x,y,gap = free_side(box)
    r = min(.3*gap, rng.uniform(15, 50))
    y = rng.uniform(box[1], box[3])
    pen = ImageDraw.Draw(img)
    kind = rng.integers(5)
    if kind==0: pen.line([(x-r,y),(x-r/3,y+r),(x+r,y-r)], fill=25, width=pen_width)
    elif kind==1:
        pen.line([(x-r,y-r),(x+r,y+r)], fill=25, width=pen_width)
        pen.line([(x-r,y+r),(x+r,y-r)], fill=25, width=pen_width)
    elif kind==2: pen.ellipse((x-r,y-r,x+r,y+r), outline=25, width=pen_width)
    elif kind==3: pen.line([(x-r,y),(x+r,y)], fill=25, width=pen_width)
    else: pen.text((x,y), str(rng.integers(10)), fill=25, font=ImageFont.load_default(2*r), anchor='mm')
    return img

def caption(mask, box, rng):
    img,size = on_paper(mask),int(rng.integers(18, 40))
    above = box[1]>SIDE-box[3]
    y = max(size, box[1]-size*1.6) if above else min(SIDE-size, box[3]+size*1.6)
    text = rng.choice(['Figure 3', 'my digit', 'number three', 'page 12', 'written by hand', 'No. 7'])
    x = np.clip((box[0]+box[2])/2, 120, SIDE-120)
    ImageDraw.Draw(img).text((x,y), str(text), fill=25, font=ImageFont.load_default(size), anchor='mm')
    return img

def photo(mask, rng):
    "A photograph of the page: soft, with grain"
    return noisy(mask.filter(ImageFilter.GaussianBlur(rng.uniform(.5, 2))), None, rng)

def shadow_edge(mask, box, rng):
    "A shadow with a straight edge over a part of the picture"
    d,soft = directions(rng)-rng.uniform(-.4, .5),rng.uniform(.01, .08)
    return lit(photo(mask, rng), 1-rng.uniform(.3, .6)/(1+np.exp(-d/soft)))

def hand_shadow(mask, box, rng):
    "A round shadow that comes in from one side"
    y,x = np.mgrid[-1:1:600j,-1:1:600j]
    a,r = rng.uniform(0, 2*np.pi),rng.uniform(.5, .9)
    d = r-np.hypot((x-1.1*np.cos(a)), (y-1.1*np.sin(a))/rng.uniform(.7, 1.2))
    return lit(photo(mask, rng), 1-rng.uniform(.3, .55)/(1+np.exp(-d/rng.uniform(.02, .1))))

def desk_edge(mask, box, rng):
    "The page ends inside the picture; beyond is the desk, dark or light"
    room = {0: box[0], 1: box[1], 2: SIDE-box[2], 3: SIDE-box[3]}
    side = max(room, key=room.get)
    img = np.asarray(photo(mask, rng)).astype(float)
    y,x = np.mgrid[0:SIDE,0:SIDE]
    far = {0: x, 1: y, 2: SIDE-1-x, 3: SIDE-1-y}[side]
    slope = (y if side%2==0 else x)-300
    desk = far+slope*rng.uniform(-.06, .06)<room[side]*rng.uniform(.2, .7)
    img = np.where(desk, rng.choice([50,90,130,170])+rng.normal(0, 6, img.shape), img)
    return Image.fromarray(img.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1))

KINDS = dict(plain=plain, light_on_dark=light_on_dark, uneven_light=uneven_light, vignette=vignette,
             blurred=blurred, jpeg=jpeg, noisy=noisy, pencil=pencil, pale=pale, dust=dust, ruled=ruled,
             squared=squared, margin=margin, second_mark=second_mark, caption=caption,
             shadow_edge=shadow_edge, hand_shadow=hand_shadow, desk_edge=desk_edge)

def drawings(kind, width, which='tune', labels='37', per=3):
    "Yields (label, name of the skeleton, PIL image): `per` placements of each skeleton, 7 where `per` is 0"
    for label in labels:
        for k,(name,skeleton) in enumerate(SKELETONS[label].items()):
            for i in range(per or len(PLACES)):
                key = f'{kind} {width} {which} {label} {name} {i}'
                rng = np.random.default_rng([*hashlib.sha256(key.encode()).digest()])
                if which!='tune':
                    height = rng.uniform(max(180, 4*width), 520)
                    where = rng.uniform(-25, 25),rng.uniform(-15, 15),height,*rng.uniform(0, SIDE, 2)
                    skeleton_now = jittered(skeleton, rng)
                else:
                    where = list(PLACES[(i+(k if per else 0))%len(PLACES)])
                    where[2] = max(where[2], 4*width)
                    skeleton_now = skeleton
                if kind not in ('plain','light_on_dark','uneven_light','vignette','blurred','jpeg'):
                    where = *where[:2],min(where[2], 380),*np.clip(where[3:], 200, 400)
                mask = ink(place(skeleton_now, *where, width), width)
                yield label,name,KINDS[kind](mask, mask.getbbox(), rng)

def recipe():
    "A digest of what makes a picture of 28 by 28 of an image"
    parts = [inspect.getsource(o) for o in (application._paper, application._contrast, application.find_ink,
                                            application.centre_ink, pictures)]
    here = Path(__file__).read_text(encoding='utf8').partition('def recipe()')[0]
    return hashlib.sha256(''.join([*parts, here]).encode()).hexdigest()[:12]

def seen(folder, kind, width, which, labels='37', per=3):
    "What a model sees of `drawings`: labels, names and pictures (n, 28, 28), black without ink"
    file = folder/f'{recipe()}-{kind}-{width}-{which}-{labels}-{per}.npz'
    if not file.exists():
        rows = []
        for label,name,img in drawings(kind, width, which, labels, per):
            try: rows.append((label,name,application.centre_digit(img).numpy()))
            except ValueError: rows.append((label,name,np.zeros((28,28), np.float32)))
        told,names,x = zip(*rows)
        np.savez_compressed(file, labels=told, names=names, x=np.stack(x).astype(np.float32))
    data = np.load(file)
    return data['labels'],data['names'],torch.from_numpy(data['x'])

def trained(folder, step, seed, labels):
    "The model that the ladder keeps after `step`, on the shipped digits"
    file = folder/f'{step}-{seed}-{labels}.safetensors'
    if not file.exists():
        path = store.install_shipped() if labels=='37' else ten_digits()
        if step=='small CNN': m = application.quick_model(path, seed=seed)
        else:
            digits = Digits.from_folder(path)
            m = application.ladder_model(run_step(step, digits, seed), digits)
        application.save_digit_model(m, file)
    return application.load_digit_model(file)

def doubted(m, x, opinions):
    "For which of `x` (n, 28, 28) `predict_digit` has a note, if `m` has these `opinions` on them"
    taken = opinions[0].argmax(1)
    return ~m.knows(x, taken) | m.contradicted(x, taken) | is_unsure(m.architecture, opinions, taken)

def judged(m, labels, x):
    "Counts of `x`: all, right, right with a note, wrong with a note, silent errors; and where it was wrong"
    opinions,empty = m.opinions(x),x.flatten(1).sum(1)==0
    noted = doubted(m, x, opinions) | empty
    taken = torch.where(noted[:,None], application._product(opinions), opinions[0]).argmax(1)
    right = torch.tensor([m.labels[i]==label for i,label in zip(taken, labels)]) & ~empty
    return [len(x), *[o.sum().item() for o in (right, right&noted, ~right&noted, ~right&~noted)]], ~right

COLUMNS = 'all','right','right, noted','wrong, noted','silent'

def study(models, tasks, folder, sets, labels, per):
    "A row of counts for each of `models` by name and `tasks` (kind, width) over `sets`, and what was wrong"
    rows,wrong = [],Counter()
    for (kind,width),which in itertools.product(tasks, sets):
        told,names,x = seen(folder, kind, width, which, labels, per if kind!='plain' else 0)
        for name,m in models.items():
            counts,bad = judged(m, told, x)
            rows.append([name, f'{kind} {width:02}' if kind=='plain' else kind, *counts])
            wrong.update((name, f'{a} {b}') for a,b in zip(told[bad], names[bad]))
    table = pd.DataFrame(rows, columns=['model','kind',*COLUMNS])
    return table.groupby(['model','kind'], sort=False).sum(), wrong

def words(text): return text.split(',')

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('folder', type=Path)
    p.add_argument('--sets', type=words, default=['judge 7'], metavar='SET,...', help='tune, try, judge 7')
    p.add_argument('--only', type=words, default=list(KINDS), metavar='KIND,...', help=', '.join(KINDS))
    p.add_argument('--widths', type=words, default=WIDTHS, metavar='N,...',
                   help='pens of the kind plain, in 600')
    p.add_argument('--pens', type=words, default=PENS, metavar='N,...', help='pens of all other kinds')
    p.add_argument('--models', type=words, metavar='STEP,...', help='steps of the ladder')
    p.add_argument('--seeds', type=words, default='0,1,2', metavar='N,...', help='of their training')
    p.add_argument('--labels', choices=('37','0123456789'), default='37')
    p.add_argument('--per', type=int, default=2,
                   help=f'drawings of each skeleton, pen and kind but plain, which has {len(PLACES)}')
    args = p.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    steps = args.models or (KEPT if args.labels=='37' else ['small CNN'])
    models = {f'{step} {seed}': trained(args.folder, step, seed, args.labels)
              for step in steps for seed in map(int, args.seeds)}
    tasks = [(kind,int(w)) for kind in args.only for w in (args.widths if kind=='plain' else args.pens)]
    table,wrong = study(models, tasks, args.folder, args.sets, args.labels, args.per)
    table['% right'] = (100*table.right/table['all']).round(1)
    for name in models:
        print(name, table.loc[name].to_string(), sep='\n')
        silent,n = table.loc[name, ['silent','all']].sum()
        often = ', '.join(f'{k[1]} ({n})' for k,n in wrong.most_common() if k[0]==name)
        print(f'{silent} silent errors in {n}; wrong most often: {often[:150]}\n', flush=True)

if __name__=='__main__': main()
