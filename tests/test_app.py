"`ch4 app`: the page in a browser, and what its server refuses"
import http.client,os,re,signal,socket,subprocess,sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT
from PIL import Image,ImageDraw
from fastbook_ch4 import cli
from fastbook_ch4.app import server as app
from fastbook_ch4.application import save_digit_model
from fastbook_ch4.cli.ladder import LADDER,MODEL
from test_site import STROKES

pytestmark = pytest.mark.skipif(os.name=='nt', reason='Ctrl-C cannot be sent to a process there')

# Notes every other machine that the server speaks to, and every address that it listens on
WATCH = '''
import os,sys
def watch(event, args):
    spoken = event in ('socket.connect','socket.bind','socket.sendto') and isinstance(args[1], tuple)
    if spoken and args[1][0] not in ('127.0.0.1','::1') \\
       or event=='socket.getaddrinfo' and args[0] not in ('127.0.0.1','localhost',None):
        with open(os.environ['WATCHED'], 'a') as f: f.write(f'{event} {args}\\n')
sys.addaudithook(watch)
from fastbook_ch4.cli import main
sys.exit(main(sys.argv[1:]))
'''

@contextmanager
def started(folder):
    "`ch4 app` where the terminal knows ASCII only; it must end quietly by Ctrl-C, also while a page is open"
    env = {**os.environ, 'WATCHED': str(folder/'watched'), 'FASTBOOK_CH4_OFFLINE': '1',
           'PYTHONUNBUFFERED': '1', 'PYTHONIOENCODING': 'ascii', 'PYTHONPATH': str(ROOT)}
    with open(folder/'stderr', 'w') as err:
        p = subprocess.Popen([sys.executable, '-c', WATCH, 'app', '--port', '0'], cwd=folder, env=env,
                             stdout=subprocess.PIPE, stderr=err, text=True,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    said = []
    while 'Open http' not in ''.join(said[-1:]):
        said.append(p.stdout.readline())
        assert said[-1], (folder/'stderr').read_text()
    address = re.search(r'http://127\.0\.0\.1:\d+', said[-1]).group()
    yield SimpleNamespace(address=address, port=int(address.rsplit(':')[-1]), pid=p.pid,
                          said=''.join(said), folder=folder)
    p.send_signal(signal.SIGINT)
    assert p.wait(15)==0 and (folder/'stderr').read_text()==''

@pytest.fixture(scope='module')
def server(tmp_path_factory, quick):
    "`ch4 app` with a model of ten digits, where a ladder would have left it"
    folder = tmp_path_factory.mktemp('app')
    (folder/LADDER).mkdir(parents=True)
    save_digit_model(quick, folder/LADDER/MODEL)
    with started(folder) as s: yield s

@pytest.fixture(scope='module')
def opened(browser, server):
    "The page, opened once; `opened.trouble` lists what went wrong in it"
    context = browser.new_context(viewport={'width': 1000, 'height': 800}, reduced_motion='reduce')
    p = context.new_page()
    p.trouble = []
    p.on('console', lambda m: m.type in ('error','warning') and p.trouble.append(m.text))
    p.on('pageerror', lambda e: p.trouble.append(str(e)))
    ours = (server.address+'/', 'data:')
    p.on('request', lambda r: r.url.startswith(ours) or p.trouble.append(f'asked for {r.url}'))
    p.on('response', lambda r: r.ok or p.trouble.append(f'{r.status} for {r.url}'))
    p.goto(server.address)
    p.locator('canvas').wait_for()
    yield p
    context.close()

@pytest.fixture
def page(opened):
    "The page with an empty board; at the end of the test nothing may have gone wrong in it"
    opened.get_by_role('button', name='Clear').click()
    answer(opened, 'Nothing drawn yet')
    yield opened
    trouble = list(opened.trouble)
    opened.trouble.clear()
    assert not trouble

def draw(page, strokes):
    "Draw lines on the board with the mouse"
    box = page.locator('canvas').bounding_box()
    at = [(box['x']+x*box['width']/280, box['y']+y*box['height']/280) for x,y in strokes]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x,y in at[1:]: page.mouse.move(x, y, steps=8)
    page.mouse.up()

def answer(page, text):
    "Wait until the answer holds the regular expression `text`, then return all of it"
    page.locator('#answer[role=status]', has_text=re.compile(text)).wait_for(timeout=20_000)
    return page.locator('#answer').inner_text()

def read_as(page, digit):
    "Wait until the page has read `digit`, then return all that it says; a doubt may stand above"
    page.locator('#answer .label', has_text=re.compile(f'^{digit}$')).wait_for(timeout=20_000)
    return page.locator('#answer').inner_text()

def png(image):
    "`image` as the bytes of a PNG file"
    out = BytesIO()
    image.save(out, 'PNG')
    return out.getvalue()

def drawing(digit, size=280, mode='RGB', paper='white', ink='black'):
    "A picture of a drawn digit"
    im = Image.new(mode, (size,size), paper)
    points = [(x*size/280, y*size/280) for x,y in STROKES[digit]]
    ImageDraw.Draw(im).line(points, fill=ink, width=size//14, joint='curve')
    return im

def choose(page, name, data):
    "Choose the file that is called `name` and holds `data`"
    page.locator('input[type=file]').set_input_files({'name': name, 'mimeType': 'image/png', 'buffer': data})

# Using it

@pytest.mark.parametrize('digit', STROKES)
def test_a_drawn_digit_is_read(page, digit):
    "And a second one, drawn after the first was cleared"
    other = '3' if digit=='7' else '7'
    draw(page, STROKES[digit])
    said = read_as(page, digit)
    assert re.search(r'[\d.]+ % sure', said) and re.search(r'Runner-up: \d', said)
    assert 'What the network saw' in said
    page.get_by_role('button', name='Clear').click()
    answer(page, 'Nothing drawn yet')
    draw(page, STROKES[other])
    read_as(page, other)
    seen = page.locator('#answer img').evaluate('el => [el.naturalWidth, el.naturalHeight, el.alt.length>20]')
    assert seen==[28, 28, True]

def test_the_keyboard_is_enough(page):
    page.keyboard.press('Shift+Tab')  # back from the button that cleared the board
    assert page.evaluate('document.activeElement.getAttribute("aria-label")')=='Drawing area'
    seven = ['Space']+['ArrowRight']*13+['ArrowDown','ArrowLeft','ArrowDown']*6+['Space']
    for key in ['ArrowLeft']*7+seven: page.keyboard.press(key)
    read_as(page, '7')
    page.keyboard.press('Delete')
    answer(page, 'Nothing drawn yet')
    for name in ('BUTTON','INPUT'):
        page.keyboard.press('Tab')
        assert page.evaluate('document.activeElement.tagName')==name

UPLOADS = {'black on white': ('3', {}), 'small': ('3', dict(mode='L', size=64)),
           'light on dark': ('7', dict(size=900, paper='midnightblue', ink='yellow'))}

@pytest.mark.parametrize('name', UPLOADS)
def test_an_uploaded_picture_is_read(page, name):
    "And shown on the board"
    digit,options = UPLOADS[name]
    sheet = 'document.querySelector("canvas").toDataURL()'
    empty = page.evaluate(sheet)
    choose(page, 'digit.png', png(drawing(digit, **options)))
    read_as(page, digit)
    page.wait_for_function(f'empty => {sheet}!=empty', arg=empty)
    other = '3' if digit=='7' else '7'
    draw(page, STROKES[other])  # a stroke begins a new drawing
    read_as(page, other)

def test_a_photograph_of_a_phone_is_made_smaller(page):
    "Before it is sent; 12 megapixels, and more bytes than the server takes"
    data = png(drawing('3', size=3500))+bytes(app.MAX_UPLOAD)  # what follows the picture is not looked at
    choose(page, 'photo.png', data)
    read_as(page, '3')
    size = page.evaluate("""async () => {
      const canvas = Object.assign(document.createElement('canvas'), {width: 3000, height: 1500})
      const {width, height} = await createImageBitmap(await shrunk(canvas))
      return [width, height]
    }""")
    assert size==[1000,500]

NONSENSE = {'text.png': b'not a picture', 'cut.png': png(drawing('3'))[:300], 'empty.png': b'',
            'blank.png': png(Image.new('RGB', (99,99), 'white')), 'large.png': b'x'*(app.MAX_UPLOAD+1),
            '<b>.svg': b'<svg xmlns="http://www.w3.org/2000/svg"/>'}

@pytest.mark.parametrize('name', NONSENSE)
def test_nonsense_gets_a_reason_and_the_page_goes_on(page, name):
    draw(page, STROKES['7'])
    read_as(page, '7')
    choose(page, name, NONSENSE[name])
    page.locator('#answer .note').wait_for()
    said = page.locator('#answer').inner_text()
    assert 20<len(said)<300 and 'Error' not in said, said
    assert not page.locator('#answer img').count(), 'no answer stands beside the reason'
    draw(page, STROKES['3'])
    read_as(page, '3')
    assert page.locator('input[type=file]').input_value()==''  # so the same file can be chosen again

def test_the_page_is_sound(page):
    "It fits every screen, and axe-core finds no serious barrier in either theme, with and without an answer"
    from axe_playwright_python.sync_playwright import Axe
    for scheme in ('light','dark'):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(300)
        for strokes in (None, STROKES['3']):
            if strokes:
                draw(page, strokes)
                read_as(page, '3')
            violations = Axe().run(page, options={'resultTypes': ['violations']}).response['violations']
            serious = [v for v in violations if v['impact'] in ('serious','critical')]
            assert not [(v['id'], n['html'][:150]) for v in serious for n in v['nodes']]
    for width in (320,360,800,1280):
        page.set_viewport_size({'width': width, 'height': 800})
        assert page.evaluate('document.documentElement.scrollWidth')<=width

def test_a_phone_shows_board_and_answer_at_once(page):
    page.set_viewport_size({'width': 360, 'height': 640})
    draw(page, STROKES['7'])
    read_as(page, '7')
    board,sure = (page.locator(o).bounding_box() for o in ('canvas','#answer .sure'))
    page.set_viewport_size({'width': 1000, 'height': 800})
    assert 0<=board['y'] and sure['y']+sure['height']<=640

def test_a_crowded_server_is_named(page):
    "And no older answer stands beside the new drawing"
    draw(page, STROKES['3'])
    read_as(page, '3')
    page.route('**/read', lambda route: route.fulfill(status=503, body='Too many'))
    draw(page, STROKES['7'])
    said = answer(page, 'There is no answer')
    assert 'busy' in said and 'sure' not in said
    page.unroute('**/read')
    page.get_by_role('button', name='Clear').click()
    answer(page, 'Nothing drawn yet')
    draw(page, STROKES['7'])
    read_as(page, '7')
    assert {t for t in page.trouble if '503' not in t}==set()
    page.trouble.clear()

def test_only_the_newest_drawing_is_answered(page):
    "What was asked before is given up, and neither shown late nor called a failure"
    page.route('**/read', lambda route: None)
    with page.expect_request('**/read'): draw(page, STROKES['3'])
    with page.expect_event('requestfailed'): page.get_by_role('button', name='Clear').click()
    page.unroute('**/read')
    page.wait_for_timeout(300)
    answer(page, 'Nothing drawn yet')
    draw(page, STROKES['7'])
    read_as(page, '7')

# What the server does not do

@pytest.mark.full
def test_it_says_that_it_trains_where_there_is_no_model(tmp_path):
    with started(tmp_path) as s:
        assert 'trained just now on the shipped digits' in s.said and '8 or 9' in s.said
        assert ask(s)[0]==200

def test_it_says_what_it_uses_and_speaks_to_nobody(server):
    assert f'from {LADDER/MODEL}' in server.said and '8 or 9' in server.said
    assert not (server.folder/'watched').exists() or (server.folder/'watched').read_text()==''

def ask(server, method='GET', path='/', body=None, **headers):
    "Status and text of the answer to one request"
    c = http.client.HTTPConnection('127.0.0.1', server.port, timeout=60)
    c.request(method, path, body, {k.replace('_', '-'): v for k,v in headers.items()})
    r = c.getresponse()
    return r.status, r.read().decode(errors='replace')

def send(data, **headers): return dict(method='POST', path='/read', body=data, **headers)

THREE = png(drawing('3'))
REQUESTS = {
    'by name':                 (200, dict(Host='localhost:1')),
    'by its newer address':    (200, dict(Host='[::1]:1')),
    'a link leads here':       (200, dict(sec_fetch_site='cross-site', sec_fetch_mode='navigate')),
    'strange name':            (400, dict(Host='example.org')),
    'name that begins well':   (400, dict(Host='localhost.example.org')),
    'name behind a user':      (400, dict(Host='127.0.0.1@example.org')),
    'malformed name':          (400, dict(Host='[')),
    'another page reads':      (403, dict(Origin='https://example.org')),
    'another port reads':      (403, dict(Origin='http://127.0.0.1:1')),
    'a file reads':            (403, dict(Origin='null')),
    'a malformed page reads':  (403, dict(Origin='http://[')),
    'another page embeds':     (403, dict(sec_fetch_site='cross-site', sec_fetch_mode='no-cors')),
    'another page sends':      (403, send(THREE, Origin='https://example.org')),
    'a file sends plain text': (403, send(THREE, Origin='null', content_type='text/plain')),
    'a file to keep':          (405, dict(method='POST', path='/static/page.js', body=b'x')),
    'a page to keep':          (405, dict(method='POST', body=b'x')),
    'a method of no use':      (405, dict(method='DELETE')),
    'an answer to nothing':    (405, dict(path='/read')),
    'foreign documentation':   (404, dict(path='/docs')),
    'a file outside':          (404, dict(path='/static/../server.py')),
    'a file outside, hidden':  (404, dict(path='/static/%2e%2e/server.py')),
    'too large':               (413, send(b'x'*(app.MAX_UPLOAD*2))),
    'too large in pieces':     (413, send(iter([b'x'*100_000]*80))),
}

@pytest.mark.parametrize('name', REQUESTS)
def test_a_request_is_answered_or_refused(server, name):
    status,request = REQUESTS[name]
    try: assert ask(server, **request)[0]==status
    except (BrokenPipeError, ConnectionResetError):
        assert status==413, 'the server hung up while the body was on its way'

@pytest.mark.parametrize('path', ['/','/static/pad.js'])
def test_the_browser_is_told_to_load_nothing_from_elsewhere(server, path):
    "Nor code that a page is talked into: no part of the policy says `unsafe`"
    c = http.client.HTTPConnection('127.0.0.1', server.port, timeout=60)
    c.request('GET', path)
    policy = c.getresponse().headers['Content-Security-Policy']
    assert policy.startswith("default-src 'self'; ") and 'unsafe' not in policy

def test_one_who_hangs_up_midway_is_let_go(server):
    "Quietly: at the end nothing may stand in `stderr`"
    for _ in range(app.CROWD+1):
        with socket.create_connection(('127.0.0.1', server.port)) as s:
            s.sendall(b'POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx')
    assert 'class="label">3<' in ask_to_read(server, THREE)

def ask_to_read(server, data):
    "What the page gets for `data`: the answer, or the status that refuses it"
    status,text = ask(server, **send(data))
    return text if status==200 else status

NO_PICTURES = [b'', b'hello', b'\0'*999, b'{"path": "/etc/passwd"}', b'data:image/png;base64,!!',
               b'http://127.0.0.1:1/3.png', b'<svg xmlns="http://www.w3.org/2000/svg"/>']

@pytest.mark.parametrize('data', NO_PICTURES, ids=lambda data: str(data[:20]))
def test_what_is_no_picture_is_answered_in_words(server, data):
    assert ask_to_read(server, data).startswith('<p class="note">')

def memory(server, what):
    "MB that the server holds (`VmRSS`) or held at most (`VmHWM`), where Linux tells; else 0"
    status = Path(f'/proc/{server.pid}/status')
    return int(re.search(rf'{what}:\s+(\d+) kB', status.read_text())[1])/1000 if status.exists() else 0

def test_200_at_once(server):
    "Each gets an answer or a clear refusal, memory stays within limits, and afterwards all is well"
    digit,before = png(drawing('7')),memory(server, 'VmHWM')
    with ThreadPoolExecutor(200) as pool: got = list(pool.map(ask_to_read, [server]*200, [digit]*200))
    assert {g for g in got if isinstance(g, int)}<={503} and 'class="label">7<' in ask_to_read(server, digit)
    answers = [g for g in got if isinstance(g, str)]
    assert len(answers)>=8 and all('class="label">7<' in a for a in answers)
    assert memory(server, 'VmHWM')-before<300

@pytest.mark.full
@pytest.mark.skipif(not os.path.exists('/proc/self/status'), reason='needs what Linux tells of a process')
def test_pictures_do_not_pile_up_in_memory(server):
    "200 of the largest pictures, one after another: kept, they would take a gigabyte"
    page = Image.new('RGB', (1200,1200), 'white')
    grain = Image.frombytes('RGB', (1120,1120), os.urandom(1120*1120*3))  # noise cannot be compressed
    page.paste(grain, (40,40))
    noise = png(page)
    def visit(): assert 'class="label"' in ask_to_read(server, noise)
    for _ in range(40): visit()
    before = memory(server, 'VmRSS')
    for _ in range(160): visit()
    assert memory(server, 'VmRSS')-before<300

# The command

def run(capsys, *args):
    "Exit status and message of `ch4 app` with these arguments"
    return cli.main(['app', *map(str, args)]), capsys.readouterr().err

def test_a_port_in_use_is_named(capsys):
    with socket.create_server(('127.0.0.1',0)) as taken:
        port = taken.getsockname()[1]
        status,said = run(capsys, '--port', port)
    assert status==1 and f'Cannot listen on 127.0.0.1, port {port}' in said
    assert f'ch4 app --port {port+1}' in said and said.count('\n')==1

def test_an_address_of_another_machine_is_named(capsys):
    status,said = run(capsys, '--host', '192.0.2.1', '--port', 0)
    assert status==1 and 'Cannot listen on 192.0.2.1' in said

@pytest.mark.parametrize('port', ['-1','65536','7.5','x'])
def test_a_port_is_a_number_of_16_bits(capsys, port):
    with pytest.raises(SystemExit): run(capsys, f'--port={port}')
    assert 'is not between 0 and 65535' in capsys.readouterr().err

def test_a_file_that_is_no_model_is_named(capsys, tmp_path):
    (tmp_path/'model').write_text('hello')
    status,said = run(capsys, '--port', 0, '--model', tmp_path/'model')
    assert status==1 and str(tmp_path/'model') in said

@pytest.mark.parametrize('host,hosts', [('127.0.0.1', app.HERE), ('0.0.0.0', ('*',))])
def test_the_network_gets_in_only_when_asked(host, hosts, capsys, monkeypatch):
    import uvicorn
    listening = []
    monkeypatch.setattr(app, 'page_server', lambda model, origin, hosts: hosts)
    monkeypatch.setattr(uvicorn, 'Config', lambda hosts, **options: hosts)
    monkeypatch.setattr(uvicorn, 'Server', lambda hosts: SimpleNamespace(
        run=lambda sockets: listening.append((sockets[0].getsockname()[0], hosts))))
    app.serve(lambda: None, '', host, 0)
    assert listening==[(host, hosts)]
    assert ('Warning: everyone who can reach this machine' in capsys.readouterr().out)==(host=='0.0.0.0')
