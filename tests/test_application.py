"Models on disk, real pictures, honest answers: what the lesson does not show"
import io,json,os,pickle

import numpy as np, pytest, torch
from PIL import Image, ImageDraw
from safetensors.torch import load,save
from fastbook_ch4 import cli
from fastbook_ch4.application import *
from fastbook_ch4.plumbing.model_file import FORMAT
from fastbook_ch4.plumbing.pictures import other_digits
from fastbook_ch4.ladder import run_step
from fastbook_ch4.data import Digits


@pytest.fixture(scope='module')
def digits(shipped): return Digits.from_folder(shipped)

@pytest.fixture(scope='module')
def means(digits):
    "Pixel similarity, the model that is trained at once"
    return ladder_model(run_step('pixel similarity', digits), digits)

@pytest.fixture
def file(means, tmp_path):
    save_digit_model(means, tmp_path/'m.safetensors')
    return tmp_path/'m.safetensors'

def large(digit, paper=255):
    img = Image.fromarray((digit*255).byte().numpy()).resize((280,280), Image.BICUBIC)
    return Image.eval(img, lambda v: abs(paper-v))

def draw(*strokes, width=14):
    img = Image.new('L', (280,280), 255)
    for points in strokes: ImageDraw.Draw(img).line(points, fill=0, width=width, joint='curve')
    return img

THREE = [(90,60),(190,60),(135,130),(180,150),(195,190),(170,225),(130,235),(85,215)]
SEVEN = [(70,60),(210,60),(120,240)]
EIGHT = [[(140+r*np.sin(t),y-r*np.cos(t)) for t in np.linspace(0, 6.3, 30)] for y,r in ((90,45),(190,55))]

def test_it_answers_in_evaluation_mode(means):
    "Also after more training with the same module"
    module = torch.nn.Sequential(torch.nn.Linear(784,1), torch.nn.BatchNorm1d(1), torch.nn.Dropout(.5))
    m = DigitModel(module, ['7','3'], 'linear', means.familiar)
    x = means.familiar.seen[:20]
    before = m.probs(x)
    module.train()
    assert torch.equal(m.probs(x), before) and module[1].num_batches_tracked==0

# On disk

@pytest.mark.parametrize('architecture', ARCHITECTURES)
@pytest.mark.parametrize('size', [(28,28), (14,12)])
def test_same_answers_after_loading(architecture, size, tmp_path):
    torch.manual_seed(0)
    x = torch.rand(6, *size)
    module = ARCHITECTURES[architecture](*size)
    if architecture=='pixel similarity': module.means.copy_(x[:2])
    before = DigitModel(module, ['no','yes'], architecture, Familiar(x, x[:0]), .75, centred=False)
    save_digit_model(before, tmp_path/'m')
    state = torch.get_rng_state()
    after = load_digit_model(tmp_path/'m')
    assert torch.equal(torch.get_rng_state(), state), 'loading draws no random numbers'
    assert torch.equal(after.probs(x), before.probs(x)) and (after.probs(x).sum(1)-1).abs().max()<1e-6
    assert (after.labels,after.architecture,after.size)==(['no','yes'],architecture,size)
    assert (after.accuracy,after.centred)==(.75,False)

@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
def test_a_model_saved_on_a_gpu_loads_on_the_cpu(means, tmp_path):
    gpu = DigitModel(ARCHITECTURES['resnet18'](28,28).cuda(), ['7','3'], 'resnet18', means.familiar)
    save_digit_model(gpu, tmp_path/'m')
    cpu = load_digit_model(tmp_path/'m')
    assert {p.device.type for p in cpu.model.parameters()}=={'cpu'}
    assert torch.allclose(cpu.probs(means.familiar.seen[:9]), gpu.probs(means.familiar.seen[:9]), atol=1e-3)

SLOW = [pytest.param(o, marks=pytest.mark.full) for o in ('BasicOptim','SGD','two-layer net','resnet18')]

@pytest.mark.parametrize('step', ['pixel similarity','own loop',*SLOW])
def test_labels_stay_with_their_outputs(digits, step, tmp_path):
    "A known 3 and a known 7, and the accuracy of the ladder, for every kind of model"
    rung = run_step(step, digits)
    save_digit_model(ladder_model(rung, digits), tmp_path/'m')
    m = load_digit_model(tmp_path/'m')
    assert torch.allclose(m.probs(digits.valid[0])[:,m.labels.index('3')], rung.probs, atol=1e-4)
    assert [predict_digit(m, large(digits.valid[0][i])).label for i in (0,-1)]==['3','7']

def test_saving_is_atomic(means, file, monkeypatch):
    before = file.read_bytes()
    def no(*_): raise OSError('the disk is full')
    monkeypatch.setattr(os, 'replace', no)
    with pytest.raises(OSError, match='full'): save_digit_model(means, file)
    assert file.read_bytes()==before and os.listdir(file.parent)==[file.name]

class Bomb:
    def __init__(self, mark): self.mark = mark
    def __reduce__(self): return open, (str(self.mark),'w')

def test_nothing_is_unpickled(tmp_path):
    bomb,mark = tmp_path/'m.safetensors',tmp_path/'exploded'
    for data in (pickle.dumps(Bomb(mark)), torch.save(Bomb(mark), bomb)):
        if data: bomb.write_bytes(data)
        with pytest.raises(ValueError, match='not a safetensors file'): load_digit_model(bomb)
    assert not mark.exists()

@pytest.mark.parametrize('keep', [0, 7, 100, .5, -1])
def test_a_truncated_file_is_refused(file, keep):
    data = file.read_bytes()
    file.write_bytes(data[:int(keep*len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(ValueError, match='not a safetensors file, or not all of one'): load_digit_model(file)

def test_an_oversized_file_is_refused(file):
    os.truncate(file, 2**27+1)
    with pytest.raises(ValueError, match='too large'): load_digit_model(file)

def test_there_must_be_a_file(tmp_path):
    for place in (tmp_path,tmp_path/'none'):
        with pytest.raises(FileNotFoundError, match='no file'): load_digit_model(place)

def other(about, **new): return {**about, **new}

@pytest.mark.parametrize('change, words', [
    (lambda a,t: (None,t), 'not written by'),
    (lambda a,t: ('{',t), 'damaged'),
    (lambda a,t: ('[]',t), 'damaged'),
    (lambda a,t: (other(a, architecture='transformer'),t), "damaged.*transformer"),
    (lambda a,t: (other(a, architecture='linear'),t), 'damaged.*Missing key'),
    (lambda a,t: (other(a, labels='37'),t), 'damaged.*Two labels'),
    (lambda a,t: (other(a, labels=['3','3']),t), 'damaged.*Two labels'),
    (lambda a,t: (other(a, labels=['3']),t), 'damaged.*Two labels'),
    (lambda a,t: (other(a, accuracy=97),t), 'damaged.*Accuracy'),
    (lambda a,t: ({k: v for k,v in a.items() if k!='centred'},t), 'damaged.*centred'),
    (lambda a,t: (a,{k: v for k,v in t.items() if k!='seen'}), 'damaged.*seen'),
    (lambda a,t: (a,{k: v for k,v in t.items() if k!='model.means'}), 'damaged.*means'),
    (lambda a,t: (a,{**t, 'model.extra': torch.zeros(3)}), 'damaged.*extra'),
    (lambda a,t: (a,{**t, 'model.means': torch.zeros(2,20,20)}), 'damaged.*size mismatch'),
    (lambda a,t: (a,{**t, 'model.means': torch.full((2,28,28), torch.nan)}), 'damaged.*not finite'),
    (lambda a,t: (a,{**t, 'seen': torch.zeros(1,28,28)}), 'damaged.*At least two'),
    (lambda a,t: (a,{**t, 'seen': torch.zeros(2,1000,1000)}), 'damaged.*1000')])
def test_a_foreign_file_is_refused(file, change, words):
    from safetensors import safe_open
    with safe_open(file, 'pt') as f: about = json.loads(f.metadata()[FORMAT])
    about,tensors = change(about, load(file.read_bytes()))
    text = about if isinstance(about, str) else json.dumps(about)
    file.write_bytes(save(tensors, {'format': 'pt'} if about is None else {FORMAT: text}))
    with pytest.raises(ValueError, match=words) as e: load_digit_model(file)
    assert str(file) in str(e.value) and '\n' not in str(e.value)

# Real pictures

def test_mnist_is_centred_already():
    "All ten digits, also framed anew, shifted and dark on light"
    x = other_digits([], 20)
    framed = np.zeros((200,60,50))
    framed[:,5:33,20:48] = x
    for pictures in (x.numpy(), framed, .9-.6*framed):
        centred = torch.stack([centre_ink(find_ink(o)) for o in pictures])
        off = (centred-x/x.amax((1,2), keepdim=True)).abs().mean((1,2))
        assert (off<.002).float().mean()>.97  # the others begin with a line as faint as grain

def sideways(img):
    exif = Image.Exif()
    exif[0x0112] = 6  # a camera held upright: turn by 270 degrees to see it
    out = io.BytesIO()
    img.rotate(90, expand=True).save(out, 'JPEG', exif=exif, quality=95)
    return out.getvalue()

def negative(img): return Image.eval(img, lambda v: 255-v)
def transparent(img, ink): return Image.merge('LA', (Image.new('L', img.size, ink), negative(img)))

AS = {'grey': lambda i: i, 'light on dark': negative,
      '16 bits': lambda i: Image.fromarray(np.asarray(i).astype(np.uint16)*200),
      'floats': lambda i: Image.fromarray(np.asarray(i).astype(np.float32)/100),
      'black on nothing': lambda i: transparent(i, 0), 'white on nothing': lambda i: transparent(i, 255),
      'sideways': sideways,
      **{mode: (lambda i, mode=mode: i.convert(mode)) for mode in ('1','P','RGB','RGBA','CMYK','YCbCr')}}

@pytest.mark.parametrize('kind', AS)
def test_every_mode_gives_the_same_picture(digits, means, kind):
    for i,label in ((0,'3'), (-1,'7')):
        img = large(digits.valid[0][i])
        a = predict_digit(means, AS[kind](img))
        assert a.label==label and a.known and a.note==''
        assert (a.picture-centre_digit(img)).abs().mean()<.04

def test_drawings(means):
    answers = [predict_digit(means, draw(*strokes)) for strokes in ([THREE],[SEVEN],EIGHT)]
    assert [(a.label,a.known) for a in answers[:2]]==[('3',True),('7',True)]
    assert not answers[2].known and answers[2].note.startswith('This does not look like 3 or 7. ')
    for a in answers:
        assert a.prob>=a.runner_up_prob and abs(a.prob+a.runner_up_prob-1)<1e-6
        assert {a.label,a.runner_up}=={'3','7'}
        assert a.picture.shape==(28,28) and a.picture.min()==0 and a.picture.max()==1

def test_pictures_that_cannot_be_used(tmp_path):
    huge,text = tmp_path/'huge.png',tmp_path/'letter.png'
    Image.new('1', (10_000,6_000)).save(huge)
    text.write_text('dear model')
    blank,grain = Image.new('RGB', (300,200), 'orange'),Image.effect_noise((300,200), 8)
    cut = io.BytesIO()
    draw(THREE).save(cut, 'PNG')
    for image,words in (
        (huge,'10000x6000'), (text,'not an image'), (tmp_path,'cannot be read'),
        (tmp_path/'none.png','no such file'), (b'','not an image'), (cut.getvalue()[:500],'cannot be read'),
        (blank,'no ink'), (grain,'no ink'), (Image.new('L', (1,1)),'no ink')):
        with pytest.raises(ValueError, match=words): centre_digit(image)
    with pytest.raises(TypeError, match='not ndarray'): centre_digit(np.zeros((28,28)))

def test_a_model_for_other_pictures_takes_them_as_they_are(make_folder):
    path = make_folder(labels=('noise','stripes'), size=(30,20), n=4)
    for split in ('train','valid'):
        for f in (path/split/'stripes').iterdir(): Image.linear_gradient('L').resize((30,20)).save(f)
    other = Digits.from_folder(path)
    m = ladder_model(run_step('pixel similarity', other), other)
    f = path/'valid'/'stripes'/'0.png'
    a = predict_digit(m, f)
    assert not m.centred and m.size==(20,30) and a.label=='stripes' and a.known
    assert torch.equal(a.picture, other.valid[0][-1])
    large = Image.open(f).resize((300,200))
    with pytest.raises(ValueError, match='30x20 pixels, not 64x43'): predict_digit(m, large)

# The command

def test_predict_answers_for_all_files_it_can_read(ch4, file, digits, tmp_path):
    large(digits.valid[0][0]).save(tmp_path/'a.png')
    draw(*EIGHT).convert('RGB').save(tmp_path/'b.jpg')
    (tmp_path/'c.png').write_text('dear model')
    p = ch4('predict', 'a.png', 'c.png', 'none.png', 'b.jpg', '--model', file.name, cwd=tmp_path)
    lines,errors = p.stdout.splitlines(),p.stderr.splitlines()
    assert p.returncode==1 and len(lines)==3 and len(errors)==2, p.stdout+p.stderr
    assert 'pixel similarity for 3 or 7' in lines[0] and file.name in lines[0]
    assert lines[1].startswith('a.png: 3  ') and lines[1].endswith('%')
    assert lines[2].startswith('b.jpg: ') and 'This does not look like 3 or 7. ' in lines[2]
    assert errors[0].startswith('ch4: c.png: ') and errors[1]=='ch4: none.png: There is no such file.'

@pytest.fixture
def here(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    large(digits.valid[0][-1]).save('a.png')
    return tmp_path

def test_predict_uses_the_model_of_the_ladder(here, file, capsys):
    (here/'runs'/'ladder').mkdir(parents=True)
    file.rename(here/'runs'/'ladder'/'digits.safetensors')
    assert not cli.main(['predict','a.png'])
    about,answer = capsys.readouterr().out.splitlines()
    assert 'pixel similarity' in about and 'runs/ladder/digits.safetensors' in about
    assert answer.startswith('a.png: 7')

@pytest.mark.full
def test_predict_trains_a_small_model_if_there_is_none(here, capsys):
    assert not cli.main(['predict','a.png'])
    about,answer = capsys.readouterr().out.splitlines()
    assert 'small_cnn' in about and 'trained just now' in about and answer.startswith('a.png: 7')
    assert [f.name for f in here.iterdir()]==['a.png']

def test_predict_refuses_a_bad_model(here, capsys):
    for name in ('none','a.png'):
        assert cli.main(['predict','a.png','--model',name])==1
        out,err = capsys.readouterr()
        assert out=='' and err.startswith('ch4: ') and name in err

def test_the_ladder_saves_its_best_model(here, shipped, capsys):
    assert not cli.main(['ladder','--data',str(shipped),'--steps','pixel,own','--out','out'])
    said,best = capsys.readouterr().out,load_digit_model('out/digits.safetensors')
    rows = [line.split() for line in said.splitlines() if ' of 200 ' in line][-2:]
    assert best.accuracy==max(float(r[-1]) for r in rows)
    assert best.architecture in ('pixel similarity','linear')
    assert 'digits.safetensors is the best model' in said
