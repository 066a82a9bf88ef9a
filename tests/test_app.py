"`ch4 app`: the page in a browser, and what its server refuses"
import base64,http.client,json,os,re,signal,socket,subprocess,sys,threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT
from PIL import Image,ImageDraw
from fastbook_ch4 import app,cli
from test_site import STROKES

pytestmark = pytest.mark.skipif(os.name=='nt', reason='Ctrl-C cannot be sent to a process there')

# Notes every other machine that the server speaks to, and every address that it listens on
WATCH = '''
import os,sys
def watch(event, args):
    if event in ('socket.connect','socket.bind','socket.sendto') and isinstance(args[1], tuple) and args[1][0] not in ('127.0.0.1','::1') \\
       or event=='socket.getaddrinfo' and args[0] not in ('127.0.0.1','localhost',None):
        with open(os.environ['WATCHED'], 'a') as f: f.write(f'{event} {args}\\n')
sys.addaudithook(watch)
from fastbook_ch4.cli import main
sys.exit(main(sys.argv[1:]))
'''

@pytest.fixture(scope='module')
def server(tmp_path_factory):
    "`ch4 app` as a reader starts it, on a free port; it must end quietly by Ctrl-C, also while a page is open"
    folder = tmp_path_factory.mktemp('app')
    env = {**os.environ, 'WATCHED': str(folder/'watched'), 'FASTBOOK_CH4_OFFLINE': '1', 'PYTHONUNBUFFERED': '1'}
    with open(folder/'stderr', 'w') as err:
        p = subprocess.Popen([sys.executable, '-c', WATCH, 'app', '--port', '0'], cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=err, text=True,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    said = []
    while 'Open http' not in ''.join(said[-1:]):
        said.append(p.stdout.readline())
        assert said[-1], (folder/'stderr').read_text()
    address = re.search(r'http://127\.0\.0\.1:\d+', said[-1]).group()
    yield SimpleNamespace(address=address, pid=p.pid, port=int(address.rsplit(':')[-1]), said=''.join(said), folder=folder)
    p.send_signal(signal.SIGINT)
    assert p.wait(15)==0 and (folder/'stderr').read_text()==''

@pytest.fixture(scope='module')
def opened(browser, server):
    "The page, opened once; `opened.trouble` lists what went wrong in it"
    context = browser.new_context(viewport={'width': 1000, 'height': 800}, reduced_motion='reduce')
    p = context.new_page()
    p.trouble = []
    p.on('console', lambda m: m.type in ('error','warning') and p.trouble.append(m.text))
    p.on('pageerror', lambda e: p.trouble.append(str(e)))
    p.on('request', lambda r: r.url.startswith((server.address+'/', 'data:', f'blob:{server.address}/')) or p.trouble.append(f'asked for {r.url}'))
    p.on('response', lambda r: r.ok or p.trouble.append(f'{r.status} for {r.url}'))
    p.goto(server.address)
    p.locator('#pad canvas').wait_for()
    yield p
    context.close()

@pytest.fixture
def page(opened):
    "The page with an empty board; at the end of the test nothing may have gone wrong in it"
    opened.locator('#pad').get_by_role('button', name='Clear').click()
    answer(opened, 'Nothing drawn yet')
    yield opened
    trouble = list(opened.trouble)
    opened.trouble.clear()
    assert not trouble

def draw(page, strokes):
    "Draw lines on the board with the mouse"
    box = page.locator('#pad canvas').bounding_box()
    at = [(box['x']+x*box['width']/280, box['y']+y*box['height']/280) for x,y in strokes]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x,y in at[1:]: page.mouse.move(x, y, steps=8)
    page.mouse.up()

def answer(page, text):
    "Wait until the answer holds the regular expression `text`, then return all of it"
    page.locator('#answer [role=status]', has_text=re.compile(text)).wait_for(timeout=20_000)
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

def drawing(digit, size=280, **options):
    "A picture of a drawn digit"
    im = Image.new(options.get('mode', 'RGB'), (size,size), options.get('paper', 'white'))
    ImageDraw.Draw(im).line([(x*size/280, y*size/280) for x,y in STROKES[digit]], fill=options.get('ink', 'black'), width=size//14, joint='curve')
    return im

def choose(page, name, data): page.locator('#pad input[type=file]').set_input_files({'name': name, 'mimeType': 'image/png', 'buffer': data})

# Using it

@pytest.mark.parametrize('digit', STROKES)
def test_a_drawn_digit_is_read(page, digit):
    "And a second one, drawn after the first was cleared"
    other = '3' if digit=='7' else '7'
    draw(page, STROKES[digit])
    said = read_as(page, digit)
    assert re.search(r'[\d.]+ % sure', said) and f'Runner-up: {other}' in said and 'What the network saw' in said
    page.locator('#pad').get_by_role('button', name='Clear').click()
    answer(page, 'Nothing drawn yet')
    draw(page, STROKES[other])
    read_as(page, other)
    seen = page.locator('#answer img').evaluate('el => [el.naturalWidth, el.naturalHeight, el.alt.length>20]')
    assert seen==[28, 28, True]

def test_the_keyboard_is_enough(page):
    page.keyboard.press('Shift+Tab')  # back from the button that cleared the board
    assert page.evaluate('document.activeElement.getAttribute("aria-label")')=='Drawing area'
    for key in ['ArrowLeft']*7+['Space']+['ArrowRight']*13+['ArrowDown','ArrowLeft','ArrowDown']*6+['Space']: page.keyboard.press(key)
    read_as(page, '7')
    page.keyboard.press('Delete')
    answer(page, 'Nothing drawn yet')
    for name in ('BUTTON','INPUT'):
        page.keyboard.press('Tab')
        assert page.evaluate('document.activeElement.tagName')==name

@pytest.mark.parametrize('digit,options', [('3', {}), ('7', dict(size=900, paper='midnightblue', ink='yellow')), ('3', dict(mode='L', size=64))], ids=['black on white','light on dark','small'])
def test_an_uploaded_picture_is_read(page, digit, options):
    choose(page, 'digit.png', png(drawing(digit, **options)))
    read_as(page, digit)
    other = '3' if digit=='7' else '7'
    draw(page, STROKES[other])  # a stroke begins a new drawing
    read_as(page, other)

NONSENSE = {'text.png': b'not a picture', 'cut.png': png(drawing('3'))[:300], 'blank.png': png(Image.new('RGB', (99,99), 'white')), 'empty.png': b'',
            'large.png': b'x'*(app.MAX_UPLOAD+1), '<b>.svg': b'<svg xmlns="http://www.w3.org/2000/svg"/>'}

@pytest.mark.parametrize('name', NONSENSE)
def test_nonsense_gets_a_reason_and_the_page_goes_on(page, name):
    draw(page, STROKES['7'])
    read_as(page, '7')
    choose(page, name, NONSENSE[name])
    page.locator('#answer .note, #pad .problem:not(:empty)').wait_for()
    said = page.locator('#answer .note, #pad .problem:not(:empty)').inner_text()
    assert 20<len(said)<300 and 'Error' not in said, said
    page.locator('#answer img').wait_for(state='detached')  # no answer stands beside the reason
    draw(page, STROKES['3'])
    read_as(page, '3')
    assert not page.locator('#pad .problem').inner_text()

def test_the_page_is_sound(page):
    "It fits every screen, and axe-core finds no serious barrier in either theme, with and without an answer"
    from axe_playwright_python.sync_playwright import Axe
    for scheme in ('light','dark'):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(300)
        for strokes in (None, STROKES['3']):
            if strokes: draw(page, strokes) or read_as(page, '3')
            violations = Axe().run(page, options={'resultTypes': ['violations']}).response['violations']
            assert not [(v['id'], n['html'][:150]) for v in violations if v['impact'] in ('serious','critical') for n in v['nodes']]
    for width in (320,360,800,1280):
        page.set_viewport_size({'width': width, 'height': 800})
        assert page.evaluate('document.documentElement.scrollWidth')<=width

def test_a_crowded_server_is_named(page):
    "And no older answer stands beside the new drawing"
    draw(page, STROKES['3'])
    read_as(page, '3')
    page.route('**/queue/join*', lambda route: route.fulfill(status=503, body='{"detail": "Queue is full."}', content_type='application/json'))
    draw(page, STROKES['7'])
    toast = page.get_by_test_id('toast-body')
    toast.wait_for()
    assert 'busy' in toast.inner_text() and 'sure' not in answer(page, 'There is no answer')
    page.unroute('**/queue/join*')
    page.locator('#pad').get_by_role('button', name='Clear').click()
    answer(page, 'Nothing drawn yet')
    draw(page, STROKES['7'])
    read_as(page, '7')
    assert {t for t in page.trouble if '503' not in t}==set()
    page.trouble.clear()

# What the server does not do

def test_it_says_that_it_trains_and_speaks_to_nobody(server):
    assert 'No model given (--model), so one is trained from the digits that ship with the package' in server.said
    assert not (server.folder/'watched').exists() or (server.folder/'watched').read_text()==''

def ask(server, method='GET', path='/', body=None, **headers):
    "Status and text of the answer to one request"
    c = http.client.HTTPConnection('127.0.0.1', server.port, timeout=60)
    c.request(method, path, body, {k.replace('_', '-'): v for k,v in headers.items()})
    r = c.getresponse()
    return r.status, r.read().decode(errors='replace')

JOIN = dict(method='POST', path='/gradio_api/queue/join', content_type='application/json')

def join(data, session='s'): return json.dumps(dict(data=[data], fn_index=0, session_hash=session)).encode()

def address(image): return 'data:image/png;base64,'+base64.b64encode(png(image)).decode()

REQUESTS = {
    'by name':                 (200, dict(Host='localhost:1')),
    'a link leads here':       (200, dict(sec_fetch_site='cross-site', sec_fetch_mode='navigate')),
    'strange name':            (403, dict(Host='example.org')),
    'name that begins well':   (403, dict(Host='localhost.example.org')),
    'name behind a user':      (403, dict(Host='127.0.0.1@example.org')),
    'malformed name':          (400, dict(Host='[')),
    'another page reads':      (403, dict(Origin='https://example.org')),
    'another port reads':      (403, dict(Origin='http://127.0.0.1:1')),
    'a file reads':            (403, dict(Origin='null')),
    'another page embeds':     (403, dict(sec_fetch_site='cross-site', sec_fetch_mode='no-cors')),
    'another page sends':      (403, dict(**JOIN, Origin='https://example.org', body=join(''))),
    'a file sends plain text': (403, dict(**{**JOIN, 'content_type': 'text/plain'}, Origin='null', body=join(''))),
    'a file to keep':          (405, dict(method='POST', path='/gradio_api/upload', body=b'x')),
    'a method of no use':      (405, dict(method='DELETE')),
    'foreign documentation':   (404, dict(path='/docs')),
    'no JSON':                 (422, dict(**JOIN, body=b'hello')),
    'too large':               (413, dict(**JOIN, body=b'x'*(app.MAX_UPLOAD*2))),
    'too large in pieces':     (413, dict(**JOIN, body=iter([b'x'*100_000]*80))),
}

@pytest.mark.parametrize('name', REQUESTS)
def test_a_request_is_answered_or_refused(server, name):
    status,request = REQUESTS[name]
    try: assert ask(server, **request)[0]==status
    except (BrokenPipeError, ConnectionResetError): assert status==413, 'the server hung up while the body was on its way'

def ask_to_read(server, data, session):
    "What the page gets for `data`, by the requests that it makes: the answer, or the status that refuses it"
    status,text = ask(server, **JOIN, body=join(data, session))
    if status!=200: return status
    _,events = ask(server, path=f'/gradio_api/queue/data?session_hash={session}')
    done = [json.loads(line[6:]) for line in events.splitlines() if line.startswith('data: {')]
    return next(e['output']['data'][0] for e in done if e['msg']=='process_completed')

@pytest.mark.parametrize('data', [7, ['3'], {'path': '/etc/passwd'}, True, 'hello', 'data:', 'data:image/png;base64,!!', 'data:,x', 'http://127.0.0.1:1/3.png'], ids=str)
def test_what_no_page_sends_is_answered_in_words(server, data):
    assert ask_to_read(server, data, 'odd').startswith('<p class="note">')

def memory(server, what):
    "MB that the server holds (`VmRSS`) or held at most (`VmHWM`), where Linux tells; else 0"
    status = Path(f'/proc/{server.pid}/status')
    return int(re.search(rf'{what}:\s+(\d+) kB', status.read_text())[1])/1000 if status.exists() else 0

def test_200_at_once(server):
    "Each gets an answer or a clear refusal, memory stays within limits, and afterwards all is well"
    digit,before = address(drawing('7')),memory(server, 'VmHWM')
    with ThreadPoolExecutor(200) as pool: got = list(pool.map(lambda k: ask_to_read(server, digit, f'crowd{k}'), range(200)))
    assert {g for g in got if isinstance(g, int)}<={503} and 'class="label">7<' in ask_to_read(server, digit, 'after')
    answers = [g for g in got if isinstance(g, str)]
    assert len(answers)>=8 and all('class="label">7<' in a for a in answers)
    assert memory(server, 'VmHWM')-before<300

@pytest.mark.full
@pytest.mark.skipif(not os.path.exists('/proc/self/status'), reason='needs the figures that Linux gives of a process')
def test_pictures_do_not_pile_up_in_memory(server):
    "200 visitors with the largest pictures, one after another: kept, they would take a gigabyte"
    page = Image.new('RGB', (1200,1200), 'white')
    page.paste(Image.frombytes('RGB', (1120,1120), os.urandom(1120*1120*3)), (40,40))  # noise cannot be compressed
    noise = address(page)
    def visit(k): assert 'class="label"' in ask_to_read(server, noise, f'visitor{k}')
    for k in range(40): visit(k)
    before = memory(server, 'VmRSS')
    for k in range(40,200): visit(k)
    assert memory(server, 'VmRSS')-before<300

# The command

def run(capsys, *args):
    "Exit status and message of `ch4 app` with these arguments"
    return cli.main(['app', *map(str, args)]), capsys.readouterr().err

def test_a_port_in_use_is_named(capsys):
    with socket.create_server(('127.0.0.1',0)) as taken:
        port = taken.getsockname()[1]
        status,said = run(capsys, '--port', port)
    assert status==1 and f'Cannot listen on 127.0.0.1, port {port}' in said and f'ch4 app --port {port+1}' in said

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

def test_without_gradio_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setattr(app.importlib.util, 'find_spec', lambda name: None)
    status,said = run(capsys)
    wanted = re.search(r'\n    (gradio\S+)', (ROOT/'settings.ini').read_text()).group(1)
    assert status==1 and f'pip install "{wanted}"' in said

@pytest.mark.parametrize('host,open_', [('127.0.0.1', False), ('0.0.0.0', True)])
def test_the_network_gets_in_only_when_asked(host, open_, capsys, monkeypatch):
    import uvicorn
    listening = []
    monkeypatch.setattr(app, 'page_server', lambda model: None)
    monkeypatch.setattr(uvicorn.Server, 'run', lambda self, sockets: listening.append((sockets[0].getsockname()[0], self.config.app.hosts)))
    app.serve(lambda: None, host, 0)
    assert listening==[(host, None if open_ else app.HERE)]
    assert ('Warning: everyone who can reach this machine' in capsys.readouterr().out)==open_
