"A download from a server that misbehaves ends in time and keeps nothing wrong; what ships stands in"
import hashlib,threading,time
from http.server import BaseHTTPRequestHandler,ThreadingHTTPServer

import pytest
from fastbook_ch4 import store
from fastbook_ch4.data import mnist_sample
from fastai.data.external import URLs
from test_data import png,write_tar

class Handler(BaseHTTPRequestHandler):
    "Answers as `server.act` says, which gets this handler and the number of the request"
    def do_GET(self):
        self.server.requests += 1
        try: self.server.act(self, self.server.requests)
        except OSError: pass  # the other side hung up
    def log_message(self, *args): pass
    def answer(self, body=b'', status=200, length=None, **headers):
        self.send_response(status)
        headers = {k.replace('_', '-'): v for k,v in headers.items()}
        if length is not False: headers['Content-Length'] = str(len(body) if length is None else length)
        for k,v in headers.items(): self.send_header(k, v)
        self.end_headers()
        self.wfile.write(body)

@pytest.fixture
def good(monkeypatch, tmp_path):
    "An archive of four images that counts as MNIST_SAMPLE, known to fastai's list of checksums"
    parts = [f'{s}/{d}' for s in ('train','valid') for d in '37']
    ds = store.DataSet('mnist_sample', 'one each', dict.fromkeys(parts, 1))
    monkeypatch.setitem(store.DATASETS, 'mnist_sample', ds)
    members = {f'mnist_sample/{part}/1.png': png() for part in parts}
    body = write_tar(tmp_path/'a.tgz', members).read_bytes()
    stats = len(body),hashlib.md5(body[:2**20]).hexdigest()
    monkeypatch.setattr('fastdownload.core.read_checks', lambda module: {URLs.MNIST_SAMPLE: stats})
    return body

@pytest.fixture
def server(home, monkeypatch):
    "Stands where fastai's archive is; no test waits between two tries"
    srv = ThreadingHTTPServer(('127.0.0.1',0), Handler)
    srv.requests,srv.daemon_threads = 0,True
    threading.Thread(target=srv.serve_forever, args=(.05,), daemon=True).start()
    address = f'http://127.0.0.1:{srv.server_port}/mnist_sample.tgz'
    monkeypatch.setattr(URLs, 'MNIST_SAMPLE', address)
    monkeypatch.setenv('FASTBOOK_CH4_OFFLINE', '0')
    monkeypatch.setitem(store.download.__globals__, 'PAUSE', 0)
    yield srv
    srv.shutdown()
    srv.server_close()

def kept(home): return [p.name for p in (home/'archive').iterdir()]

def test_download_installs(server, home, good):
    server.act = lambda h,n: h.answer(good)
    assert mnist_sample()==home/'data'/'mnist_sample' and store.is_installed('mnist_sample')
    assert kept(home)==['mnist_sample.tgz']
    assert (home/'archive'/'mnist_sample.tgz').read_bytes()==good
    assert mnist_sample()==home/'data'/'mnist_sample' and server.requests==1

def test_an_archive_that_is_there_is_not_fetched_again(server, home, good):
    (home/'archive').mkdir(parents=True)
    (home/'archive'/'mnist_sample.tgz').write_bytes(good)
    assert store.download()==home/'data'/'mnist_sample' and server.requests==0

def status(code, **headers):
    "Answer with a status and nothing of the file"
    def act(h, good): h.answer(b'no', code, **headers)
    return act

def broken_off(h, good): h.answer(good[:100], length=len(good))

ONCE = {
    'broken off': broken_off,
    'busy':       status(503),
    'too many':   status(429),
    'broken':     status(500),
}

@pytest.mark.parametrize('trouble', ONCE)
def test_a_passing_trouble_is_tried_again(server, home, good, trouble):
    server.act = lambda h,n: ONCE[trouble](h, good) if n<3 else h.answer(good)
    assert mnist_sample()==home/'data'/'mnist_sample'
    assert server.requests==3 and kept(home)==['mnist_sample.tgz']

def dribble(h, good):
    h.answer(good[:1], length=len(good))
    for byte in good[1:700]:
        time.sleep(.02)
        h.wfile.write(bytes([byte]))

def endless(h, good):
    h.answer(good, length=False)
    for _ in range(2000): h.wfile.write(bytes(10_000))

def pieces(h, good):
    h.send_response(200)
    h.send_header('Transfer-Encoding', 'chunked')
    h.end_headers()
    h.wfile.write(b'5\r\nhello\r\nnonsense')

def altered(h, good):
    last = b'x' if good[-1:]!=b'x' else b'y'
    h.answer(good[:-1]+last)

def shorter(h, good): h.answer(good[:100])

def hotel(h, good): h.answer(b'<html>Welcome to this hotel')

def longer(h, good): h.answer(good, length=10**12)

def silent(h, good): time.sleep(2)

def silent_halfway(h, good):
    h.answer(good[:100], length=len(good))
    h.wfile.flush()
    time.sleep(1)

def hang_up(h, good): h.connection.close()

def no_http(h, good): h.wfile.write(b'220 welcome to FTP\r\n')

FOR_GOOD = {
    # name: (what the server does, how often it is asked, what is said)
    'missing':             (status(404), 1, 'answers 404'),
    'forbidden':           (status(403), 1, 'answers 403'),
    'broken for good':     (status(500), 3, 'answers 500'),
    'broken off for good': (broken_off, 3, 'broke off after 100 of'),
    'cut in its pieces':   (pieces, 3, 'broke off'),
    'altered':             (altered, 1, 'checksum'),
    'shorter, as it says': (shorter, 1, 'wrong size'),
    'a page to log in':    (hotel, 1, 'wrong size'),
    'longer than it is':   (longer, 1, 'wants to send 1,000,000,000,000 bytes'),
    'endless':             (endless, 1, 'sends more than'),
    'dribbling':           (dribble, 1, 'too slow'),
    'silent':              (silent, 1, 'timed out'),
    'silent halfway':      (silent_halfway, 3, 'timed out'),
    'hangs up':            (hang_up, 1, ''),
    'speaks no HTTP':      (no_http, 1, ''),
    'a loop':              (status(302, Location='/mnist_sample.tgz'), None, 'redirect'),
    'leads to a file':     (status(302, Location='file:///etc/hostname'), 1, ''),
}

@pytest.fixture
def impatient(monkeypatch):
    "The limits of time, so short that a test can wait for them"
    monkeypatch.setitem(store.download.__globals__, 'PATIENCE', .4)
    monkeypatch.setattr(store.download, '__defaults__', (.3, *store.download.__defaults__[1:]))

@pytest.mark.parametrize('kind', FOR_GOOD)
def test_the_shipped_digits_stand_in(server, home, good, kind, request, capsys):
    act,times,words = FOR_GOOD[kind]
    if words in ('too slow','timed out'): request.getfixturevalue('impatient')
    server.act = lambda h,n: act(h, good)
    start = time.monotonic()
    assert mnist_sample()==home/'data'/'fastbook_ch4_sample'
    said = [line for line in capsys.readouterr().out.splitlines() if 'Using the' in line]
    assert len(said)==1 and 'ship with fastbook_ch4' in said[0] and words in said[0], said
    assert times in (None, server.requests) and server.requests<15
    assert kept(home)==[] and time.monotonic()-start<15, 'nothing of it is kept, and it ends'

def test_two_at_once_download_once(server, home, good):
    def slowly(h, n):
        h.answer(good[:100], length=len(good))
        time.sleep(.3)
        h.wfile.write(good[100:])
    server.act = slowly
    got = []
    both = [threading.Thread(target=lambda: got.append(store.download())) for _ in range(2)]
    for t in both: t.start()
    for t in both: t.join()
    assert got==[home/'data'/'mnist_sample']*2
    assert server.requests==1 and kept(home)==['mnist_sample.tgz']
