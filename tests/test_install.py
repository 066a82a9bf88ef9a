"What `make` installs, and how: with uv or pip, and PyTorch as TORCH says; from an index on this machine"
import http.server,os,re,shutil,ssl,subprocess,sys,sysconfig,threading,zipfile
from pathlib import Path
from urllib.parse import quote,unquote

import pytest
from conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform!='linux', reason='only there PyTorch brings libraries for GPUs')
UV = shutil.which('uv', path=os.pathsep.join([sysconfig.get_path('scripts'), os.environ['PATH']]))

def write_wheel(folder, name, version, requires=(), files={}):
    "The smallest wheel that can be installed, with `files` in it, each a path and its text"
    info = f'{name}-{version}.dist-info'
    needs = ''.join(f'Requires-Dist: {r}\n' for r in requires)
    with zipfile.ZipFile(folder/f'{name}-{version}-py3-none-any.whl', 'w') as z:
        z.writestr(f'{info}/METADATA', f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}')
        z.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
        for path,text in files.items():
            item = zipfile.ZipInfo(path)
            item.external_attr = 0o100755<<16  # it may be a command
            z.writestr(item, text)
        z.writestr(f'{info}/RECORD', ''.join(f'{n},,\n' for n in [*z.namelist(), f'{info}/RECORD']))

class Index(http.server.BaseHTTPRequestHandler):
    "PyPI at /pypi, and as a proxy https://download.pytorch.org at /whl; `root` has their folders of wheels"
    protocol_version = 'HTTP/1.1'
    def do_CONNECT(self):
        self.send_response(200)
        self.end_headers()
        self.server.asked.append(self.path)
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile,self.wfile = self.connection.makefile('rb'),self.connection.makefile('wb', 0)
    def do_GET(self):
        *where,name = self.path.strip('/').split('/')
        folder = self.server.root/where[0]
        files = [f.name for f in folder.iterdir()] if folder.is_dir() else []
        wheels = [f for f in files if f.split('-')[0].replace('_', '-')==name]
        if name.endswith('.whl'): body = (folder/unquote(name)).read_bytes()
        else: body = ''.join(f'<a href="/{where[0]}/{quote(w)}">{w}</a>\n' for w in wheels).encode()
        self.send_response(200 if body else 404)
        self.send_header('Content-Type', 'text/html' if wheels else 'application/octet-stream')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if self.command=='GET': self.wfile.write(body)
    do_HEAD = do_GET
    def log_message(self, *args): pass

@pytest.fixture
def index(tmp_path):
    "The server, with its certificate"
    if not shutil.which('openssl'): pytest.skip('openssl makes the certificate of the index')
    key,cert = tmp_path/'key.pem',tmp_path/'cert.pem'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2',
                    '-subj', '/CN=index', '-addext', 'subjectAltName=DNS:download.pytorch.org',
                    '-addext', 'basicConstraints=critical,CA:FALSE', '-keyout', key, '-out', cert],
                   check=True, capture_output=True)
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Index)
    server.root,server.cert = tmp_path/'index',cert
    server.asked = []
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain(cert, key)
    for place in ('pypi','whl'): (server.root/place).mkdir(parents=True)
    write_wheel(server.root/'pypi', 'torch', '2.9', ['nvidia-cublas'], {'torch/__init__.py': ''})
    write_wheel(server.root/'pypi', 'nvidia_cublas', '13')
    write_wheel(server.root/'whl', 'torch', '2.9+cpu', files={'torch/__init__.py': ''})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()

BACKEND = '''
import shutil
def get_requires_for_build_editable(settings=None): return []
def build_editable(folder, settings=None, metadata=None):
    shutil.copy('built/fastbook_ch4-1-py3-none-any.whl', folder)
    return 'fastbook_ch4-1-py3-none-any.whl'
'''
TOML = '''
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "fastbook_ch4"
version = "1"
dependencies = ["torch>=2.4"]
'''
CLI = '''
from importlib.metadata import distributions
found = [f"{d.name} {d.version}" for d in distributions() if d.name in ("torch","nvidia_cublas")]
print('ladder with', *sorted(found))
'''

@pytest.fixture
def make(tmp_path, index):
    "Function that runs our Makefile for a project that needs torch only; returns the status and the output"
    project = tmp_path/'a project'
    (project/'built').mkdir(parents=True)
    shutil.copy(ROOT/'Makefile', project)
    for name in ('settings.ini','setup.py'): (project/name).write_text('')
    (project/'pyproject.toml').write_text(TOML)
    (project/'backend.py').write_text(BACKEND)
    write_wheel(project/'built', 'fastbook_ch4', '1', ['torch>=2.4'], {'fastbook_ch4/cli.py': CLI})
    def run(*args, tools=()):  # these are in the PATH
        path = tmp_path/'bin'
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        for tool in ('sh','make','cat','cksum','tr','ls'): (path/tool).symlink_to(shutil.which(tool))
        for tool in tools: (path/Path(tool).name).symlink_to(tool)
        here = f'http://127.0.0.1:{index.server_port}'
        env = {'PATH': str(path), 'HOME': str(tmp_path), 'LANG': 'C.UTF-8', 'HTTPS_PROXY': here,
               'SSL_CERT_FILE': str(index.cert), 'UV_DEFAULT_INDEX': f'{here}/pypi', 'UV_NO_CONFIG': '1',
               'PIP_INDEX_URL': f'{here}/pypi', 'PIP_CONFIG_FILE': os.devnull}
        cmd = [path/'make', *args, f'PYTHON="{sys.executable}"']  # the folder may have spaces
        p = subprocess.run(cmd, cwd=project, env=env, capture_output=True, text=True)
        return p.returncode, p.stdout+p.stderr
    return run

def is_compiled(folder): return any(folder.rglob('torch/__pycache__/*.pyc'))

@pytest.mark.full
@pytest.mark.skipif(not UV, reason='uv is not installed')
def test_uv_installs_and_torch_comes_as_asked(make, index, tmp_path):
    status,said = make('ladder', 'TORCH=cpu', tools=[UV])
    assert status==0 and 'ladder with torch 2.9+cpu\n' in said, said
    assert is_compiled(tmp_path/'a project'/'.venv')
    assert set(index.asked)=={'download.pytorch.org:443'}
    status,said = make('ladder', tools=[UV])  # the environment remembers
    assert status==0 and 'Installing' not in said and 'ladder with torch 2.9+cpu\n' in said, said
    status,said = make('ladder', 'TORCH=cu126', tools=[UV])
    assert status==2 and '.venv has another PyTorch than TORCH=cu126 asks for' in said and 'VENV=DIR' in said
    status,said = make('ladder', 'VENV=other', 'TORCH=', tools=[UV])
    assert status==0 and 'ladder with nvidia_cublas 13 torch 2.9\n' in said, said

@pytest.mark.full
def test_without_uv_pip_installs(make, tmp_path):
    status,said = make('ladder', 'TORCH=cpu')
    assert status==2 and 'TORCH=cpu could not be installed; it needs uv.' in said
    status,said = make('ladder')
    assert status==0 and 'ladder with nvidia_cublas 13 torch 2.9\n' in said, said
    assert is_compiled(tmp_path/'a project'/'.venv')

@pytest.mark.full
def test_pip_brings_uv_and_takes_over_if_that_fails(make, index):
    fails = '#!/bin/sh\necho asked for: "$@"\nexit 1\n'
    write_wheel(index.root/'pypi', 'uv', '1', files={'uv-1.data/scripts/uv': fails})
    status,said = make('ladder', 'VENV=an other')
    asked = r'asked for: pip install --compile-bytecode --python an other/bin/python -e \.\n'
    assert status==0 and re.search(asked, said), said
    assert 'ladder with nvidia_cublas 13 torch 2.9\n' in said
