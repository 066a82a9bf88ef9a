"""The playground: its gradients beside PyTorch's, its trainings beside those of our own loop, and the page.

The page is opened from a folder here, as an offline class has it; tests/test_site.py sees it on the site."""
import re
from io import BytesIO

import numpy as np, pytest, torch
from conftest import ROOT, load_tool
from PIL import Image
from torch import nn
from fastbook_ch4.data import digit_tensors, digit_dataloaders
from fastbook_ch4.loss import batch_accuracy, mnist_loss
from fastbook_ch4.models import simple_net
from fastbook_ch4.optimizer import BasicOptim
from fastbook_ch4.training import calc_grad, train_model

SITE,PACKAGE = ROOT/'site',ROOT/'fastbook_ch4'
SHARED = [PACKAGE/'app'/'static'/'pad.js', PACKAGE/'touch'/'widgets.js']
SCRIPTS = [*SHARED, SITE/'train.js', SITE/'playground.js']


# The digits

@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    "A folder with the page, as far as it matters here, and the digits"
    folder = tmp_path_factory.mktemp('playground')
    load_tool('digit_sheet').write_sheet(folder)
    css = (PACKAGE/'touch'/'widgets.css').read_text()+(SITE/'styles.css').read_text()
    scripts = [(folder/'digits.js').read_text(), *(f.read_text(encoding='utf8') for f in SCRIPTS)]
    body = ''.join(f'<script>{text}</script>' for text in scripts)
    start = "<script>WIDGETS['playground-widget'](document.querySelector('#playground-widget'))</script>"
    stuck = '<a href="?rate=10&amp;order=file">stuck</a>'
    html = (f'<!doctype html><meta charset="utf-8"><title>Playground</title><style>{css}</style>'
            '<meta name="viewport" content="width=device-width">'
            f'<main><div id="playground-widget">Needs JavaScript</div>{stuck}</main>{body}{start}')
    (folder/'playground.html').write_text(html, encoding='utf8')
    return folder

def test_the_sheet_shows_the_digits_that_the_lessons_load(folder, shipped):
    "In the same order and pixel by pixel"
    whole = np.asarray(Image.open(folder/'digits.png'))
    rows,cols = whole.shape[0]//28,whole.shape[1]//28
    images = whole.reshape(rows,28,cols,28).swapaxes(1,2).reshape(-1,784)
    train_x,_,valid_x,_ = digit_tensors(shipped)
    assert (images==(torch.cat([train_x,valid_x])*255).round().byte().numpy()).all()

def test_the_script_holds_the_same_picture(folder):
    import base64
    script = (folder/'digits.js').read_text()
    png = base64.b64decode(re.search("base64,([^']+)'", script)[1])
    assert png==(folder/'digits.png').read_bytes()
    assert int(re.search(r'ink: (\d+)', script)[1])==np.asarray(Image.open(BytesIO(png))).sum()

def test_authors_and_licence_stand_beside_the_digits_and_in_them(folder):
    inside = Image.open(folder/'digits.png').info
    for text in ((folder/'digits.png.license').read_text(), (folder/'digits.js').read_text(), str(inside)):
        assert 'LeCun' in text and 'creativecommons.org/licenses/by-sa/3.0' in text

def test_there_is_one_pad_and_one_plot():
    "For the site, its playground, notebooks and the page of `ch4 app`"
    files = [f for folder in (PACKAGE,SITE) for f in folder.rglob('*') if f.suffix in ('.js','.html','.py')]
    text = ''.join(f.read_text(encoding='utf8') for f in files)
    for name in ('drawingPad','drawingBoard','toDigit','plot'):
        assert text.count(f'function {name}(')==1, name

# The training, without a page

@pytest.fixture(scope='module')
def js(browser, folder):
    "Function that runs JavaScript with `t`, what `training` returns, and with `images` and `isThree`"
    page = browser.new_page()
    page.goto((folder/'playground.html').as_uri())
    page.evaluate('''async () => {
        window.t = training(() => {})
        const {bytes} = await loadDigits()
        const row = i => Float32Array.from(bytes.subarray(784*i, 784*i + 784), v => v / 255)
        Object.assign(window, {images: range(1000).map(row), isThree: IS_THREE})
    }''')
    yield page.evaluate
    page.close()

def modules():
    "For each model of the page the same in PyTorch"
    conv = nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(1152, 1)
    return {'linear': nn.Sequential(nn.Linear(784, 1)), 'net': simple_net(),
            'conv': nn.Sequential(nn.Unflatten(1, (1,28,28)), *conv)}

def as_ours(layer, weight):
    "The `weight` of `layer` in the order of the page: inputs before outputs"
    if isinstance(layer, nn.Conv2d): return weight.permute(1, 2, 3, 0)
    places = weight.unflatten(1, (8,144)).transpose(1, 2).flatten(1) if weight.shape[1]==1152 else weight
    return places.T

def flat(module, of=lambda p: p):
    "What `of` makes of each parameter of `module`, in the order of the page"
    layers = [o for o in module if hasattr(o, 'weight')]
    return torch.cat([part.flatten() for o in layers for part in (as_ours(o, of(o.weight)), of(o.bias))])

@torch.no_grad()
def fill(module, numbers):
    "Put the `numbers` of the page into `module`"
    start = 0
    for layer in (o for o in module if hasattr(o, 'weight')):
        for p in (layer.weight, layer.bias):
            places = torch.arange(p.numel()).view(p.shape)
            if p is layer.weight: places = as_ours(layer, places)
            p.view(-1)[places.flatten()] = numbers[start:start+p.numel()].to(p.dtype)
            start += p.numel()
    assert start==len(numbers)

def test_the_numbers_of_the_page_and_of_a_module_have_one_order():
    for name,module in modules().items():
        numbers = torch.arange(sum(p.numel() for p in module.parameters())).float()
        fill(module, numbers)
        assert (flat(module)==numbers).all(), name

@pytest.mark.parametrize('name', modules())
def test_gradients_are_those_of_pytorch(js, shipped, name):
    "To 1e-5 of the largest, for a batch of both digits and for numbers that are not those of the start"
    batch = [*range(8), *range(400, 409)]
    loss,params,grads = js('''([name, batch]) => {
        const model = t.build(name, 3)
        model.params.forEach((v, i) => { model.params[i] = v*1.5 - .001 })
        return [t.calcGrad(model, images, isThree, batch), [...model.params], [...model.grads]]
    }''', [name, batch])
    module = modules()[name].double()
    fill(module, torch.tensor(params, dtype=torch.float64))
    x,y,_,_ = digit_tensors(shipped)
    last = module[:-1](x[batch].double())  # pixels, or units that are on or off
    assert .1<(last==0).double().mean()<.9
    ours = calc_grad(x[batch].double(), y[batch], module, mnist_loss)
    theirs,grads = flat(module, lambda p: p.grad),torch.tensor(grads, dtype=torch.float64)
    assert theirs.abs().max()>1e-3 and abs(loss-ours)<1e-6
    assert (grads-theirs).abs().max()<1e-5*theirs.abs().max()

RUN = '''([name, seed, epochs, how]) => {
    const run = t.trainer(name, seed, images, isThree), start = [...run.model.params]
    while (run.epochs < epochs) run.step(how)
    return {start, end: [...run.model.params], ...run.measure()}
}'''

def run(js, name, epochs, seed=1, rate=.1, batch=64, shuffled=True):
    "What the page's training gives: numbers at the start and the end, and what it measures"
    return js(RUN, [name, seed, epochs, dict(rate=rate, batch=batch, shuffled=shuffled)])

def correct(module, dls, epochs, lr=.1):
    "How many of the 200 held-out digits `module` gets right, trained by our own loop"
    return round(200*train_model(module, dls, BasicOptim(module.parameters(), lr), epochs)[-1])

@pytest.mark.parametrize('name', modules())
def test_from_the_same_numbers_in_the_same_order_both_go_the_same_way(js, shipped, name):
    r,module = run(js, name, 2, shuffled=False),modules()[name]
    fill(module, torch.tensor(r['start']))
    _,_,x,y = digit_tensors(shipped)
    before = flat(module).clone().detach()
    assert abs(correct(module, digit_dataloaders(shipped, 64, shuffle=False), 2)-r['correct'])<=1
    moved = (flat(module)-before).abs().max()
    assert moved>.01 and (flat(module)-torch.tensor(r['end'])).abs().max()<1e-3*moved
    assert abs(mnist_loss(module(x), y).item()-r['loss'])<1e-3
    assert abs(200*batch_accuracy(module(x), y).item()-r['correct'])<=1

def middle(values): return sorted(values)[len(values)//2]

@pytest.mark.parametrize('name,epochs,lr', [('linear',10,1.), ('net',3,.3), ('conv',3,.3)])
def test_shuffled_it_ends_where_our_own_loop_ends(js, shipped, name, epochs, lr):
    "Within two digits of 200, in the middle of five starts"
    theirs,dls = [],digit_dataloaders(shipped, 64)
    for seed in range(5):
        torch.manual_seed(seed)
        theirs.append(correct(modules()[name], dls, epochs, lr))
    ours = [run(js, name, epochs, seed, lr)['correct'] for seed in range(1, 6)]
    assert abs(middle(ours)-middle(theirs))<=2 and middle(ours)>=185

@pytest.mark.full
@pytest.mark.parametrize('step,name,epochs,lr', [('SGD','linear',245,1.), ('two-layer net','net',490,.1)])
def test_it_ends_where_the_ladder_ends(js, trained, step, name, epochs, lr):
    ours = [run(js, name, epochs, seed, lr, 256)['correct'] for seed in range(1, 4)]
    assert abs(middle(ours)-trained(step, 0).correct)<=2

def test_the_same_start_gives_the_same_run_and_another_another(js):
    first,again,other = (run(js, 'linear', 1, seed)['end'] for seed in (5,5,6))
    assert first==again!=other

def test_a_batch_of_any_size_sees_every_digit_once(js):
    "The last batch is what is left"
    sizes = js('''() => [1, 8, 64, 256, 800].map(batch => {
        const run = t.trainer('linear', 0, images, isThree), places = []
        while (run.epochs < 1) { run.step({rate: .1, batch, shuffled: true}); places.push(run.epochs) }
        return [places.length, places.at(-1)]
    })''')
    assert sizes==[[800,1], [100,1], [13,1], [4,1], [1,1]]

def test_a_large_step_in_file_order_gets_every_start_stuck(js):
    for seed in range(8):
        r = run(js, 'linear', 1, seed, rate=10, shuffled=False)
        assert r['correct']==100 and r['saturated']==len(r['wrong'])==100

def test_what_the_page_says_of_luck(js):
    "Shuffled, one of the first 24 starts is stuck: start 0, whose first batch holds 45 3s"
    ends = [run(js, 'linear', 2, seed, rate=10)['correct'] for seed in range(24)]
    assert ends[0]==100 and min(ends[1:])>150
    first = js('''() => {
        const seen = new Set(), spy = new Proxy(isThree, {get: (o, i) => (seen.add(+i), o[i])})
        t.trainer('linear', 0, images, spy).step({rate: 10, batch: 64, shuffled: true})
        return [...seen]
    }''')
    assert len(first)==64 and sum(i<400 for i in first)==45
    page = (SITE/'playground.md').read_text(encoding='utf8')
    assert 'hold 45 3s among its 64 digits' in page and 'first 24 starts it is the only one' in page

STARTS = range(1, 9)

@pytest.mark.full
@pytest.mark.parametrize('name,epochs,rate,batch,loss,least,most', [
    ('linear', 50,  .01,  64, .08,  193, 195),
    ('linear', 50, 3.,    64, .027, 193, 195),
    ('linear',  5,  .03,   8, .057, 193, 195),
    ('linear', 50,  .03,   8, .033, 193, 195),
    ('linear', 10, 1.,   800, .062, 193, 195),
    ('linear', 10, 1.,     8, .027, 195, 195),
    ('linear', 30, 1.,    64, None, 195, 195),
    ('net',    30, 1.,    64, None, 195, 195),
    ('conv',   30, 1.,    64, None, 194, 196)])
def test_what_the_page_answers(js, name, epochs, rate, batch, loss, least, most):
    "A digit more or less may come of another way to compute"
    runs = [run(js, name, epochs, seed, rate, batch) for seed in STARTS]
    assert all(least-1<=r['correct']<=most+1 for r in runs)
    if loss: assert [r['loss'] for r in runs]==pytest.approx([loss]*8, abs=.04*loss+.001)

def test_a_few_batches_are_enough(js):
    "Of 64, with a learning rate of 0.1: for 180 of 200 it takes one to six"
    counts = js('''starts => starts.map(seed => {
        const run = t.trainer('linear', seed, images, isThree)
        let n = 0
        while (run.measure().correct < 180) { run.step({rate: .1, batch: 64, shuffled: true}); n++ }
        return n
    })''', [*STARTS])
    assert (min(counts), max(counts))==(1,6)

# The page

@pytest.fixture
def visit(browser, folder):
    """Function that opens the page; `page.trouble` lists what went wrong, and a test fails with it.

    `query` is the end of the address, `before` a script that runs first; a browser context gets the rest."""
    pages = []
    def open_page(query='', before='', **options):
        context = browser.new_context(**{'viewport': {'width': 1000, 'height': 900}, **options})
        page = context.new_page()
        page.trouble = []
        page.on('console', lambda m: m.type in ('error','warning') and page.trouble.append(m.text))
        page.on('pageerror', lambda e: page.trouble.append(str(e)))
        if before: page.add_init_script(before)
        page.goto((folder/'playground.html').as_uri()+query)
        pages.append(page)
        return page
    yield open_page
    trouble = [t for page in pages for t in page.trouble]
    for page in pages: page.context.close()
    assert not trouble

def said(page, text=''):
    "Wait until the page says the regular expression `text`; returns all that it says about the run"
    page.locator('.said', has_text=re.compile(text)).wait_for()
    return page.locator('.said').inner_text()

def press(page, name): page.get_by_role('button', name=name, exact=True).click()

def stop(page):
    "Stop the training, and wait until its end is shown"
    press(page, 'Stop')
    page.get_by_role('button', name='Go on').wait_for()
    page.evaluate('new Promise(shown => requestAnimationFrame(() => requestAnimationFrame(shown)))')

def answer(page): return page.locator('.answer').inner_text()

def test_it_trains_stops_goes_on_and_starts_again(visit):
    page = visit()
    assert 'of 200 held-out digits right, by chance' in said(page, 'Not trained')
    press(page, 'Train')
    said(page, r'Epoch [1-9]')
    stop(page)
    stopped = said(page)
    page.wait_for_timeout(300)
    assert said(page)==stopped and int(re.search(r'(\d+) of 200', stopped)[1])>180
    press(page, 'Go on')
    page.wait_for_function('t => document.querySelector(".said").textContent!=t', arg=stopped)
    press(page, 'Start again')
    said(page, 'Not trained')
    page.get_by_role('button', name='Train').wait_for()
    assert 'grey: run before' in page.locator('.plots').inner_text()

def test_one_batch_is_one_step(visit):
    page = visit('?batch=256')
    said(page, 'Not trained')
    for epoch in ('0.3','0.6','1.0','1'):
        press(page, 'One batch')
        said(page, f'Epoch {re.escape(epoch)}:')

def test_the_stuck_run_is_made_and_unmade(visit):
    page = visit()
    said(page, 'Not trained')
    page.get_by_text('stuck').click()
    assert page.locator('select').nth(1).input_value()=='10'
    assert page.evaluate('document.activeElement.textContent')=='Train'
    said(page, 'Not trained')
    press(page, 'Train')
    said(page, 'Epoch [1-9].*: 100 of 200 .*100 are saturated')
    page.get_by_label('Learning rate').select_option('0.1')
    page.get_by_label('Order').select_option('shuffled')
    page.wait_for_timeout(400)
    stop(page)
    assert ': 100 of 200' in said(page), 'no choice brings it back'
    press(page, 'Show a 7')
    assert answer(page).startswith('3, more than 99.9 %')
    press(page, 'Start again')
    said(page, 'Not trained')
    press(page, 'Train')
    said(page, r'Epoch [2-9].*: 19\d of 200')
    stop(page)
    assert answer(page).startswith('7, ')

@pytest.mark.parametrize('model', ['net','conv'])
def test_other_models_train_and_read(visit, model):
    page = visit(f'?model={model}&rate=0.3&seed=7')
    said(page, 'Not trained')
    press(page, 'Train')
    said(page, 'Epoch [2-9]')
    stop(page)
    for digit in '37':
        press(page, f'Show a {digit}')
        assert answer(page).startswith(f'{digit}, ')
    assert page.locator(f'figure.{model} canvas').evaluate('c => c.width')>100

PAINTED = '''canvases => canvases.map(c => {
    const {data} = c.getContext('2d').getImageData(0, 0, c.width, c.height)
    return c.hidden ? 0 : data.filter((v, i) => i % 4 === 3 && v).length
})'''

def test_the_digits_still_wrong_are_shown(visit):
    page = visit('?rate=10&order=file')
    said(page, 'Not trained')
    press(page, 'One batch')
    said(page, 'Epoch 0.1: 100 of 200')
    captions = page.locator('.pictures figure:not(.linear) figcaption').all_inner_texts()
    assert captions==['0 of 100 3s still taken for 7.', '100 of 100 7s still taken for 3. The worst 20:']
    assert page.locator('.pictures figure:not(.linear) canvas').evaluate_all(PAINTED)==[0, 20*784]

def test_the_address_chooses_and_nonsense_is_named(visit):
    page = visit('?model=net&rate=banana&batch=8&order=file&seed=12345&other=1')
    said(page, 'Not trained')
    fields = page.locator('.choices :is(select, input)').evaluate_all('els => els.map(e => e.value)')
    assert fields==['net','0.1','8','file','1']
    assert page.locator('.note').inner_text()=='There is no rate=banana and no seed=12345 to choose here.'

def test_a_start_that_is_no_number_gives_way_to_the_usual_one(visit):
    page = visit()
    said(page, 'Not trained')
    for wrong in ('','1000','-1','2.5'):
        page.get_by_label('Start').fill(wrong)
        page.get_by_label('Start').blur()
        assert page.get_by_label('Start').input_value()=='1'

def test_what_is_chosen_stands_in_the_address(visit, folder):
    "Where a page has an address of its own"
    page = visit()
    page.route('http://play.test/**', lambda route: route.fulfill(path=folder/'playground.html'))
    page.goto('http://play.test/playground.html?rate=3')
    said(page, 'Not trained')
    page.get_by_role('combobox', name='Model').select_option('conv')
    page.get_by_label('Start').fill('42')
    page.get_by_label('Start').blur()
    said(page, 'Not trained')
    assert page.url.endswith('?model=conv&rate=3&batch=64&order=shuffled&seed=42')
    page.reload()
    said(page, 'Not trained')
    assert page.get_by_label('Start').input_value()=='42'

NO_WORKER = {
    'there is none': 'delete window.Worker',
    'it is refused': 'window.Worker = class { constructor() { throw Error("refused") } }',
    'it fails later': '''window.Worker = class {
        constructor() { setTimeout(() => this.onerror(new Event("error")), 50) }
        postMessage() {} }'''}

@pytest.mark.parametrize('why', NO_WORKER)
def test_without_a_worker_the_page_trains_itself(visit, why):
    page = visit(before=NO_WORKER[why])
    said(page, 'Not trained')
    press(page, 'Train')
    said(page, r'Epoch [1-9].*: 19\d of 200')
    stop(page)

def test_a_browser_that_falsifies_pictures_is_named(visit):
    page = visit(before='''const get = CanvasRenderingContext2D.prototype.getImageData
        CanvasRenderingContext2D.prototype.getImageData = function (...at) {
            const seen = get.apply(this, at)
            seen.data[0] ^= 1
            return seen
        }''')
    assert 'Allow this page to read them' in said(page, 'could not be read')
    assert page.get_by_role('button', name='Train').is_disabled()

# For everybody

CHANGES = '''what => {
    Object.assign(window, {changes: 0, began: Date.now()})
    new MutationObserver(() => changes++).observe(document.querySelector(what), {childList: true})
}'''

def test_a_screen_reader_is_told_now_and_then(visit):
    page = visit()
    said(page, 'Not trained')
    spoken = page.locator('p[role=status].visually-hidden')
    assert 'Not trained' in spoken.inner_text()
    page.evaluate(CHANGES, 'p[role=status].visually-hidden')
    press(page, 'Train')
    said(page, r'Epoch [5-9]')
    assert page.locator('.answer').get_attribute('aria-live')=='off'
    changes,seconds = page.evaluate('[changes, (Date.now()-began)/1000]')
    assert 1<=changes<=2+seconds/5
    stop(page)
    assert re.search(r'Epoch .* of 200', spoken.inner_text())
    assert page.locator('.answer').get_attribute('aria-live')=='polite'

def test_who_wants_less_motion_sees_a_picture_a_second(visit):
    page = visit(reduced_motion='reduce')
    said(page, 'Not trained')
    page.evaluate(CHANGES, '.plots')
    press(page, 'Train')
    page.wait_for_timeout(1500)
    changes,seconds = page.evaluate('[changes, (Date.now()-began)/1000]')
    assert 1<=changes<=2+seconds
    stop(page)
    said(page, 'Epoch [1-9]')

def test_the_keyboard_is_enough(visit):
    page = visit()
    said(page, 'Not trained')
    page.get_by_label('Start').focus()
    page.keyboard.press('Enter')  # in a form, which must not be sent
    page.keyboard.press('Tab')
    page.keyboard.press('Enter')
    said(page, 'Epoch [1-9]')
    page.keyboard.press('Space')
    page.get_by_role('button', name='Go on').wait_for()
    assert page.evaluate('document.activeElement.textContent')=='Go on'

@pytest.mark.parametrize('model', ['linear','net','conv'])
def test_it_fits_a_phone(visit, model):
    page = visit(f'?model={model}', viewport={'width': 360, 'height': 700})
    said(page, 'Not trained')
    press(page, 'One batch')
    said(page, 'Epoch')
    assert page.evaluate('document.documentElement.scrollWidth')<=360
