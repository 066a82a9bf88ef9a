"""The server of `ch4 app`: hands out the page, and answers each picture that the page sends.

torch is imported late, with the model, so that a port in use is told at once."""
import asyncio,errno,mimetypes,socket
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse,PlainTextResponse
from starlette.routing import Mount,Route
from starlette.staticfiles import StaticFiles

from .page import MAX_UPLOAD,page_html,read_picture

# names of this machine that nobody else's page can have
HERE = ('127.0.0.1', 'localhost', '[::1]')
CROWD   = 16                                   # pictures held in memory at once
HEADERS = {
    'Content-Security-Policy':
        "default-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'Referrer-Policy': 'same-origin',
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-cache',  # or parts of the page from before an update would stay
}
STATIC  = Path(__file__).parent/'static'
# some Windows machines say text/plain, so it would not run
mimetypes.add_type('text/javascript', '.js')


def _is_foreign(headers):
    "Do the `headers` of a request say that another page has sent it? A link may lead here."
    host,mode = headers.get('host'),headers.get('sec-fetch-mode')
    if 'origin' in headers and headers['origin'].partition('://')[2]!=host: return True
    return headers.get('sec-fetch-site') in ('cross-site','same-site') and mode!='navigate'

async def _guard(request, answer):
    "Refuse what other pages send, and tell the browser what this one may do"
    if not _is_foreign(request.headers): response = await answer(request)
    else: response = PlainTextResponse('Requests from other pages are refused.', 403)
    response.headers.update(HEADERS)
    return response

async def _gone(request, error):
    "Answer somebody who hung up midway"
    return PlainTextResponse('', 400)

def page_server(digit_model, origin, hosts=('*',)):
    "The ASGI application that serves the page of `digit_model` to those who call it by a name in `hosts`"
    page = page_html(digit_model, origin)
    crowd,one = asyncio.Semaphore(CROWD),asyncio.Lock()
    async def home(request): return HTMLResponse(page)
    async def read(request):
        if crowd.locked():
            return PlainTextResponse('Too many pictures at once. Try again in a moment.', 503)
        async with crowd:
            data = await request.body()
            async with one: said = await asyncio.to_thread(read_picture, digit_model, data)
        return HTMLResponse(said)
    return Starlette(
        routes=[Route('/', home), Route('/read', read, methods=['POST'], max_body_size=MAX_UPLOAD),
                Mount('/static', StaticFiles(directory=STATIC))],
        # A name of another's choosing may lead to this machine; its pages would count as ours
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False),
                    Middleware(BaseHTTPMiddleware, dispatch=_guard)],
        exception_handlers={ClientDisconnect: _gone})

def _listen(host, port):
    "A socket that listens at `host` and `port`; `OSError` says what to do if they cannot be had"
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    try: return socket.create_server((host, port), family=family)
    except OSError as e:
        cure = 'an address of this machine with --host.'
        if e.errno in (errno.EADDRINUSE,errno.EACCES):
            cure = f'another port: ch4 app --port {(port+1)%2**16}'
        raise OSError(f'Cannot listen on {host}, port {port} ({e.strerror}). Name {cure}') from None

def serve(make_model, origin, host='127.0.0.1', port=7860):
    "Serve the page of what `make_model()` returns, with its `origin`; `OSError` if it cannot listen"
    name = f'[{host}]' if ':' in host else host  # as it stands in an address
    with _listen(host, port) as sock:
        app = page_server(make_model(), origin, HERE if name in HERE else ('*',))
        if name not in HERE:
            print(f'Warning: everyone who can reach this machine as {host} can use the page, '
                  'without a password and unencrypted.')
        print(f'Open http://{name}:{sock.getsockname()[1]} in a browser. Ctrl-C ends it.', flush=True)
        config = uvicorn.Config(app, log_level='warning', ws='none', timeout_graceful_shutdown=1,
                                limit_concurrency=256)
        try: uvicorn.Server(config).run(sockets=[sock])
        except KeyboardInterrupt: pass  # how a reader ends it
