"One catalogue of picture files for all that reads them: a data folder, `ch4 predict` and `ch4 app`"
import io,mimetypes,os,threading

import numpy as np, pytest
from PIL import Image, features
from fastai.data.transforms import get_image_files
from fastbook_ch4 import cli,store
from fastbook_ch4.application import ladder_model, save_digit_model
from fastbook_ch4.app.page import read_picture
from fastbook_ch4.data import Digits, digit_tensors, load_images
from fastbook_ch4.plumbing.images import image_files
from fastbook_ch4.ladder import run_step


def large(digit):
    "A digit of the data, dark on light, as a grey picture of 280x280 pixels"
    return Image.fromarray(255-(digit*255).byte().numpy()).resize((280,280), Image.BICUBIC)

def encode(img, kind='PNG', **options):
    out = io.BytesIO()
    img.save(out, kind, **options)
    return out.getvalue()

def turned(img):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    return encode(img.rotate(90, expand=True), 'JPEG', exif=exif, quality=95)

def see_through(img):
    return Image.merge('LA', (Image.new('L', img.size, 0), Image.eval(img, lambda v: 255-v)))

def scaled(img, dtype, by): return Image.fromarray((np.asarray(img, float)*by).astype(dtype))

def film(img):
    frames = [img.convert('P')]*4
    return encode(frames[0], 'GIF', save_all=True, append_images=frames[1:])

def bomb():
    "A file of a few kB that would be 400 megapixels"
    return encode(Image.new('1', (20_000,20_000)))

# name: (what makes the file of a 280x280 grey digit, what a data folder says, what a prediction says)
READ = None
NOT = 'not a readable image'
OPAQUE = 'transparent parts'
BITS = 'more than 8 bits'
PICTURES = {
    'grey.png':             (encode, READ, READ),
    'colour.png':           (lambda i: encode(i.convert('RGB')), READ, READ),
    'UPPER.PNG':            (encode, READ, READ),
    'photo.jpg':            (lambda i: encode(i, 'JPEG'), READ, READ),
    'progressive.jpeg':     (lambda i: encode(i.convert('RGB'), 'JPEG', progressive=True), READ, READ),
    'print.jpg':            (lambda i: encode(i.convert('CMYK'), 'JPEG'), READ, READ),
    'turned.jpg':           (turned, READ, READ),
    'really a jpeg.png':    (lambda i: encode(i, 'JPEG'), READ, READ),
    'opaque.png':           (lambda i: encode(i.convert('RGBA')), READ, READ),
    'palette.gif':          (lambda i: encode(i.convert('P'), 'GIF'), READ, READ),
    'film.gif':             (film, READ, READ),
    'one bit.png':          (lambda i: encode(i.convert('1')), READ, READ),
    'old.bmp':              (lambda i: encode(i, 'BMP'), READ, READ),
    'scan.tiff':            (lambda i: encode(i, 'TIFF'), READ, READ),
    'turned.tiff':
        (lambda i: encode(i.rotate(90, expand=True), 'TIFF', tiffinfo={0x0112: 6}), READ, READ),
    'new.webp':             (lambda i: encode(i.convert('RGB'), 'WEBP', lossless=True), READ, READ),
    'photo.jfif':           (lambda i: encode(i, 'JPEG'), READ, READ),
    'photo.jpe':            (lambda i: encode(i, 'JPEG'), READ, READ),
    'plain.ppm':            (lambda i: encode(i.convert('RGB'), 'PPM'), READ, READ),
    'plain.pgm':            (lambda i: encode(i, 'PPM'), READ, READ),
    'plain.tga':            (lambda i: encode(i, 'TGA'), READ, READ),
    'new.avif':             (lambda i: encode(i.convert('RGB'), 'AVIF', quality=100), READ, READ),
    'phone.heic':           (lambda i: b'\0\0\0\x18ftypheic\0\0\0\0mif1heic', NOT, 'HEIC'),
    'really a heic.jpg':    (lambda i: b'\0\0\0\x1cftypmif1\0\0\0\0mif1heix', NOT, 'as JPEG or PNG'),
    'lines.svg':            (lambda i: b'<svg xmlns="http://www.w3.org/2000/svg"/>', NOT, 'not an image'),
    'camera.DNG':           (lambda i: b'not for Pillow', NOT, 'not an image'),
    '숫자 셋.png':           (encode, READ, READ),
    'n'*250+'.png':         (encode, READ, READ),
    ' spaces and $5 %s.png': (encode, READ, READ),
    '-x.png':               (encode, READ, READ),
    'two\nlines.png':       (encode, READ, READ),
    'transparent.png':      (lambda i: encode(see_through(i)), OPAQUE, READ),
    'clear palette.gif':    (lambda i: encode(see_through(i).convert('RGBA'), 'GIF'), OPAQUE, None),
    '16 bits.png':          (lambda i: encode(scaled(i, np.uint16, 200)), BITS, READ),
    '32 bits.tiff':         (lambda i: encode(scaled(i, np.int32, 1000), 'TIFF'), BITS, READ),
    'floats.tiff':          (lambda i: encode(scaled(i, np.float32, .01), 'TIFF'), BITS, READ),
    'one pixel.png':        (lambda i: encode(i.resize((1,1))), '1x1 pixels', 'no ink'),
    'a line.png':           (lambda i: encode(i.resize((280,2))), '280x2 pixels', READ),
    'blank.png':            (lambda i: encode(Image.new('L', (280,280), 255)), READ, 'no ink'),
    'bomb.png':             (lambda i: bomb(), NOT, ('cannot be read','20000x20000')),
    'letter.png':           (lambda i: b'dear model', NOT, 'not an image'),
    'page.png':             (lambda i: b'<!doctype html><title>404</title>', NOT, 'not an image'),
    'drawing.png':          (lambda i: b'<svg xmlns="http://www.w3.org/2000/svg"/>', NOT, 'not an image'),
    'empty.png':            (lambda i: b'', NOT, ('not an image','empty')),
    'cut.png':              (lambda i: encode(i)[:200], NOT, 'cannot be read'),
    'cut.jpg':              (lambda i: encode(i, 'JPEG')[:1000], NOT, 'cannot be read'),
    'head only.png':        (lambda i: encode(i)[:8], NOT, ('not an image','cannot be read')),
    'zeros.png':            (lambda i: bytes(1000), NOT, 'not an image'),
}
each = pytest.mark.parametrize('name', PICTURES, ids=lambda name: name.replace('\n', ' ')[:30])

@pytest.fixture(scope='module')
def digits(shipped): return Digits.from_folder(shipped)

@pytest.fixture(scope='module')
def model(digits): return ladder_model(run_step('pixel similarity', digits), digits)

@pytest.fixture
def picture(digits, tmp_path):
    "Function that writes a picture of the catalogue, a real 3, into a folder"
    def write(name, folder=tmp_path):
        if name.endswith('avif') and not features.check('avif'): pytest.skip('this Pillow has no AVIF')
        data = PICTURES[name][0](large(digits.valid[0][0]))
        try: (folder/name).write_bytes(data)
        except OSError: pytest.skip('this system has no such file names')
        return folder/name
    return write

def says(text, words): return any(w in text for w in ((words,) if isinstance(words, str) else words))

@each
def test_in_a_data_folder(picture, tmp_path, name):
    "It counts as one of the pictures, or the error names it"
    words = PICTURES[name][1]
    for split in ('train','valid'):
        for label in '37': (tmp_path/'data'/split/label).mkdir(parents=True)
        picture('grey.png', tmp_path/'data'/split/'7')
    picture('grey.png', tmp_path/'data'/'valid'/'3')
    file = picture(name, tmp_path/'data'/'train'/'3')
    if words is READ:
        x = Digits.from_folder(tmp_path/'data').train[0]
        assert x.shape==(2,64,64) and 0<=x.min() and x.max()<=1
        assert name=='blank.png' or (x[0]-x[1]).abs().mean()<.03, 'another picture than the file holds'
    else:
        with pytest.raises(ValueError) as e: digit_tensors(tmp_path/'data')
        assert says(str(e.value), words) and str(file) in str(e.value)

@each
def test_by_the_command(picture, model, tmp_path, monkeypatch, capsys, name):
    words = PICTURES[name][2]
    picture(name)
    save_digit_model(model, tmp_path/'m')
    monkeypatch.chdir(tmp_path)
    status = cli.main(['predict', '--model', 'm', '--', name])
    out,err = capsys.readouterr()
    if words is READ:
        assert status==0 and err=='' and out.splitlines()[-1].split(': ')[-1][0] in '37'
        if name not in ('a line.png','clear palette.gif'): assert ': 3  ' in out
    else: assert status==1 and says(err, words) and err.startswith('ch4: ') and 'Traceback' not in err

@each
def test_on_the_page(picture, model, name):
    "What the page answers when it gets the file"
    words,data = PICTURES[name][2],picture(name).read_bytes()
    said = read_picture(model, data)
    if words is READ: assert 'class="label">' in said and '% sure' in said.replace(' ', ' ')
    else: assert said.startswith('<p class="note">') and says(said, words)

# Which files are pictures, by their names

def test_no_kind_that_fastai_finds_is_left_out():
    "`get_image_files` asks Python's `mimetypes`; without what this machine adds to it"
    known = [kind for table in mimetypes.MimeTypes(()).types_map for kind in table.items()]
    assert {suffix for suffix,kind in known if kind.startswith('image/')}<=store.IMAGE_SUFFIXES

def test_no_kind_that_pillow_opens_is_left_out():
    kinds = Image.registered_extensions().items()
    images = {suffix for suffix,kind in kinds if Image.MIME.get(kind, '').startswith('image/')}
    assert '.png' in images and images<=store.IMAGE_SUFFIXES

def test_what_fastai_finds_in_a_folder_of_many_kinds(digits, tmp_path):
    kinds = {'png': 'PNG', 'jpg': 'JPEG', 'jpe': 'JPEG', 'jfif': 'JPEG',
             'ppm': 'PPM', 'pgm': 'PPM', 'tif': 'TIFF', 'webp': 'WEBP'}
    for suffix,kind in kinds.items():
        (tmp_path/f'3.{suffix}').write_bytes(encode(large(digits.valid[0][0]), kind))
    assert set(get_image_files(tmp_path))<=set(image_files(tmp_path)) and len(image_files(tmp_path))==8
    assert load_images(tmp_path).shape==(8,64,64)

# What is no file at all

@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='needs pipes with names')
@pytest.mark.parametrize('kind', ['folder','pipe','link to nothing','link to itself'])
def test_what_is_no_file_is_refused_at_once(kind, picture, model, tmp_path, monkeypatch, capsys):
    "Opening a pipe would wait for ever"
    data = tmp_path/'data'
    for split in ('train','valid'):
        for label in '37':
            (data/split/label).mkdir(parents=True)
            picture('grey.png', data/split/label)
    place = data/'train'/'3'/'z.png'
    if kind=='folder': place.mkdir()
    elif kind=='pipe': os.mkfifo(place)
    else: place.symlink_to('nowhere' if kind=='link to nothing' else place)
    done = []
    def look():
        with pytest.raises(ValueError, match='z.png is not a readable image'): digit_tensors(data)
        save_digit_model(model, tmp_path/'m')
        done.append(cli.main(['predict', str(place), '--model', str(tmp_path/'m')]))
    t = threading.Thread(target=look, daemon=True)
    t.start()
    t.join(60)
    assert done==[1] and str(place) in capsys.readouterr().err

def test_files_that_are_no_pictures_do_not_count(picture, tmp_path):
    data = tmp_path/'data'
    for split in ('train','valid'):
        for label in '37':
            (data/split/label).mkdir(parents=True)
            picture('grey.png', data/split/label)
            for name in ('.DS_Store','Thumbs.db','desktop.ini','._grey.png','notes.txt','.hidden.png'):
                (data/split/label/name).write_bytes(b'x')
        (data/split/'.ipynb_checkpoints').mkdir()
        (data/split/'.DS_Store').write_bytes(b'x')
    assert [len(o) for o in digit_tensors(data)]==[2,2,2,2]
