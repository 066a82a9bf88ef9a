"Birds and planes: where the images may come from, and lesson 15 on a machine that has none"
import hashlib,json,pickle,re,subprocess,sys

import numpy as np, pytest, torch
from conftest import ROOT, code
from PIL import Image
from torchvision.datasets import CIFAR10
from fastbook_ch4 import store
from fastbook_ch4.birds import *
from fastbook_ch4.plumbing.fast import fast_resnet_learner
from fastbook_ch4.plumbing.images import colour_images
from fastbook_ch4.training import train_epoch, validate_epoch
from fastai.vision.all import accuracy, set_seed
from torch.nn.functional import cross_entropy

SKY,LEAF = (90,140,250),(90,160,60)

def square(colour, i, size=32): return Image.new('RGB', (size,size), tuple(c+i for c in colour))

def squares(path, n=10, size=32):
    "Blue squares for airplanes, green ones for birds, in the layout of cifar2"
    for split in ('train','test'):
        for label,colour in (('airplane',SKY), ('bird',LEAF)):
            (path/split/label).mkdir(parents=True)
            for i in range(n if split=='train' else n//2):
                square(colour, i%5, size).save(path/split/label/f'{i:03}.png')
    return path

@pytest.fixture
def folder(tmp_path): return squares(tmp_path/'squares')

def few(monkeypatch, name, labels=('airplane','bird'), n=10):
    "Let the store expect so few images of each label"
    counts = {f'{split}/{label}': k for split,k in (('train',n), ('test',n//2)) for label in labels}
    monkeypatch.setitem(store.DATASETS, name, store.DataSet(name, 'squares', counts))

# Where the images come from

def test_a_folder_of_ones_own(folder):
    (train_x,train_y),(test_x,test_y) = birds_and_planes(folder)
    assert train_x.shape==(20,3,32,32) and test_x.shape==(10,3,32,32) and train_x.dtype==torch.uint8
    assert train_y.tolist()==[0]*10+[1]*10 and test_y.tolist()==[0]*5+[1]*5
    assert [tuple(x[:,0,0].tolist()) for x in (train_x[0],test_x[-1])]==[SKY, tuple(c+4 for c in LEAF)]

@pytest.mark.parametrize('name', ['cifar2','cifar10'])
def test_an_installed_set(home, monkeypatch, name):
    few(monkeypatch, name)
    squares(home/'data'/name)
    assert [len(x) for x,y in birds_and_planes()]==[20,10]

@pytest.fixture
def torchvision_copy(home, monkeypatch):
    "A folder of files as torchvision's CIFAR-10 has them, with twenty images of ten classes"
    place = home/'data'/'cifar-10-batches-py'
    place.mkdir(parents=True)
    def write(name, content):
        (place/name).write_bytes(pickle.dumps(content))
        return [name, hashlib.md5((place/name).read_bytes()).hexdigest()]
    labels = [i%10 for i in range(20)]
    pixels = np.repeat(np.array(labels, dtype=np.uint8)[:,None], 3072, axis=1)
    pixels[:,:1024] += 100  # the red channel comes first
    for name in ('train','test'):
        monkeypatch.setattr(CIFAR10, f'{name}_list', [write(name, {'data': pixels, 'labels': labels})])
    file,md5 = write('batches.meta', {'label_names': list(CIFAR10_LABELS)})
    monkeypatch.setattr(CIFAR10, 'meta', {'filename': file, 'key': 'label_names', 'md5': md5})
    return place

def test_torchvisions_copy(torchvision_copy):
    x,y = torchvision_cifar()
    assert x.shape==(20,3,32,32) and y.tolist()==[*range(10)]*2 and x[12,:,5,5].tolist()==[102,2,2]
    (train_x,train_y),_ = birds_and_planes()
    assert train_y.tolist()==[0,1,0,1] and train_x[:,2,0,0].tolist()==[0,2,0,2]

def test_an_altered_copy_is_not_unpickled(torchvision_copy):
    (torchvision_copy/'train').write_bytes(b'cos\nsystem\n(S"touch evil"\ntR.')
    with pytest.raises(FileNotFoundError, match='download=True'): torchvision_cifar()

def test_none_at_all(home):
    with pytest.raises(FileNotFoundError, match=r'FASTBOOK_CH4_OFFLINE.*ch4 data --archive'):
        birds_and_planes()
    assert not (home/'data'/'cifar10').exists()

def pack(folder, archive):
    subprocess.run(['tar', 'czf', archive, '-C', folder.parent, folder.name], check=True)

def test_the_ten_classes_of_an_archive(home, monkeypatch, tmp_path):
    "fastai's archive holds a list of the labels, too"
    few(monkeypatch, 'cifar10', CIFAR10_LABELS)
    path = squares(tmp_path/'cifar10')
    for split,n in (('train',10), ('test',5)):
        for label in set(CIFAR10_LABELS)-{'airplane','bird'}:
            (path/split/label).mkdir()
            for i in range(n): square((9,9,9), i).save(path/split/label/f'{i}.png')
    (path/'labels.txt').write_text('\n'.join(CIFAR10_LABELS))
    pack(path, tmp_path/'cifar10.tgz')
    assert store.install_archive(tmp_path/'cifar10.tgz')=='cifar10'
    assert birds_and_planes()[0][0].shape==(20,3,32,32)

def test_a_download_is_kept_only_if_it_is_complete(home, monkeypatch, tmp_path):
    "From this machine, in place of fastai's address"
    from fastai.data.external import URLs
    few(monkeypatch, 'cifar10')
    monkeypatch.setenv('FASTBOOK_CH4_OFFLINE', '0')
    monkeypatch.setattr(URLs, 'CIFAR', (tmp_path/'cifar10.tgz').as_uri())
    path = squares(tmp_path/'cifar10')
    lost = path/'train'/'bird'/'000.png'
    lost.rename(tmp_path/'lost.png')
    pack(path, tmp_path/'cifar10.tgz')
    with pytest.raises(FileNotFoundError, match='train/bird has 9 images'): birds_and_planes()
    assert not (home/'data'/'cifar10').exists()
    (tmp_path/'lost.png').rename(lost)
    pack(path, tmp_path/'cifar10.tgz')
    (home/'archive'/'cifar10.tgz').unlink()
    assert len(birds_and_planes()[0][0])==20 and store.is_installed('cifar10')

def test_a_label_is_missing(folder):
    for f in (folder/'test'/'bird').iterdir(): f.unlink()
    with pytest.raises(ValueError, match='bird holds no images'): birds_and_planes(folder)
    (folder/'test'/'bird').rmdir()
    with pytest.raises(FileNotFoundError, match='Expected train and test'): birds_and_planes(folder)

def test_an_image_that_is_none(folder):
    (folder/'train'/'bird'/'003.png').write_text('tweet')
    with pytest.raises(ValueError, match='003.png is not a readable image'): birds_and_planes(folder)

@pytest.mark.parametrize('place', ['train/bird/odd.png', 'test/airplane/odd.png'])
def test_an_image_of_another_size(folder, place):
    square(SKY, 0, 16).save(folder/place)
    with pytest.raises(ValueError, match='odd.png is 16x16 pixels but 000.png is 32x32'):
        birds_and_planes(folder)

def test_a_label_of_another_size(folder):
    for f in (folder/'train'/'bird').iterdir(): square(LEAF, 0, 16).save(f)
    with pytest.raises(ValueError, match='32x32.*16x16'): birds_and_planes(folder)

# What is done with them

def test_standardised_images_have_mean_0_and_deviation_1():
    torch.manual_seed(0)
    x = (torch.rand(50,3,8,8)*torch.tensor([255.,100.,20.])[:,None,None]).to(torch.uint8)
    z = standardise(x, *channel_stats(x))
    assert z.mean((0,2,3)).abs().max()<1e-4 and (z.std((0,2,3))-1).abs().max()<1e-4

@pytest.mark.parametrize('right, down', [(2,0), (-3,1), (0,-2), (0,0)])
def test_a_shift_moves_the_inside(right, down):
    x = torch.rand(2,3,9,8)
    moved = shift_images(x, right, down)
    assert moved.shape==x.shape
    assert torch.equal(moved[...,3:-3,3:-3], x.roll((down,right), (-2,-1))[...,3:-3,3:-3])

def test_both_networks_tell_squares_apart(folder):
    "With grain: of even squares, batch normalisation sees two values only, and its averages fit no batch"
    set_seed(0)
    def grainy(x): return (x+60*(2*torch.rand(x.shape)-1)).clamp(0,255).to(torch.uint8)
    train,test = [(grainy(x), y) for x,y in birds_and_planes(folder)]
    stats = channel_stats(train[0])
    rows = [(standardise(x, *stats), y) for x,y in (train,test)]
    net = flat_net(n_hidden=8)
    opt = torch.optim.SGD(net.parameters(), lr=.01)
    batches,new = [list(zip(x.split(4), y.split(4))) for x,y in rows]
    for _ in range(10): train_epoch(net, batches, opt, cross_entropy)
    assert validate_epoch(net, batches, accuracy)==1
    assert validate_epoch(net, new, accuracy)==1
    learn = fast_resnet_learner(colour_dataloaders(train, test, ['airplane','bird'], bs=5), n_in=3)
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(12)
        assert learn.recorder.values[-1][2]==1 and learn.dls.show_batch(max_n=2) is None
        probs,targets = learn.get_preds()
    assert probs[range(10),targets].min()>.5

def test_measuring_leaves_the_mode_alone():
    net = torch.nn.Sequential(torch.nn.Dropout(1.), torch.nn.Identity())
    x = torch.tensor([[0.,1.]]*4)
    assert validate_epoch(net, [(x,torch.ones(4).long())], accuracy)==1
    assert net.training

# The lesson

SHELL = '''
import json,sys
from fastcore.nbio import read_nb
from execnb.shell import CaptureShell
shell,nb = CaptureShell(path='.'),read_nb(sys.argv[1])
cells = [c.source for c in nb.cells if c.cell_type=='code']
rows = []
for cell in cells:
    outs = shell.run(cell)
    text = ''.join(''.join(o.get('text', '')) for o in outs)
    rows.append([cell, text, [o['output_type'] for o in outs]])
print('@@'+json.dumps(rows))
'''

@pytest.mark.full  # `make test` runs the lesson without images once, and fails where a cell does
def test_without_images_nothing_is_run_that_needs_them(home):
    nb = ROOT/'nbs'/'15_birds.ipynb'
    p = subprocess.run([sys.executable, '-c', SHELL, nb], cwd=nb.parent, capture_output=True, text=True)
    outs = json.loads(p.stdout.rpartition('@@')[2])
    def marked(source): return any(line.startswith('#| needs: ') for line in source.splitlines())
    needs,others = [[o for o in outs if marked(o[0])==is_so] for is_so in (True,False)]
    assert len(needs)>20
    for source,text,kinds in needs:
        assert text.startswith('Not run: it needs') and text.count('\n')==1 and kinds==['stream'], source
    assert not any('Not run' in text or 'error' in kinds for _,text,kinds in others)
    assert sum('ch4 data --archive' in text for _,text,_ in others)==1

def test_cells_that_use_the_images_say_so():
    "A cell that names what was made from the images is marked, or only defines a function"
    for source,_ in code('15_birds'):
        if any(word in source for word in ('train_x','test_x','xs,','vs,','class_means','flat_accs','cnn')):
            assert re.search(r'\A#\| export|#\| needs: |def |birds_and_planes\(\)', source), source

def test_cells_can_be_skipped_in_a_notebook_only():
    with pytest.raises(RuntimeError, match='no notebook'): skip_cells(images='none')

# The published figures, where the images are installed

def test_ten_classes_as_published():
    try: x,y = torchvision_cifar()
    except FileNotFoundError: pytest.skip("torchvision's CIFAR-10 is not there")
    stats = [f'{v:.4f}' for s in channel_stats(x) for v in s]
    assert stats==['0.4914','0.4822','0.4465','0.2470','0.2435','0.2616']
    assert (len(x), len(torchvision_cifar(train=False)[0]))==(50_000,10_000)
    assert torch.stack(list(x[:4]), dim=3).shape==(3,32,32,4) and y[99]==1

def test_ten_classes_of_fastai():
    if not store.is_installed('cifar10'): pytest.skip("fastai's CIFAR-10 is not installed")
    x = torch.cat([colour_images(store.folder('cifar10')/'train'/label) for label in CIFAR10_LABELS])
    stats = [f'{v:.4f}' for s in channel_stats(x) for v in s]
    assert stats==['0.4914','0.4822','0.4465','0.2470','0.2435','0.2616']

def test_two_classes_as_published():
    if not store.is_installed('cifar2'):
        pytest.skip('cifar2 is not installed (ch4 data --archive cifar2.tgz)')
    (train_x,train_y),(test_x,test_y) = birds_and_planes(store.folder('cifar2'))
    assert [len(o) for o in (train_x,test_x)]==[10_000,2_000] and train_y.bincount().tolist()==[5000,5000]
    stats = [f'{v:.4f}' for s in channel_stats(train_x) for v in s]
    assert stats==['0.5074','0.5258','0.5064','0.2382','0.2331','0.2663']
