"""The page of `ch4 app`: a person draws or uploads a digit and sees what the model makes of it.

Written by hand; torch and Gradio are imported late, so that a missing Gradio or a port in use is told at once."""
import base64,binascii,errno,html,importlib.util,io,os,socket
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

MAX_UPLOAD = 4_000_000  # bytes of one picture
HERE       = ('127.0.0.1', 'localhost', '::1')  # names of this machine that nobody else's page can have
EMPTY      = '<p>Nothing drawn yet.</p>'
FAILED     = '<p class="note">There is no answer: the server is busy or has a problem. Try again.</p>'
POLICY     = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'"  # Gradio compiles templates in the browser


def picture_bytes(value):
    "The file in `value`, a data address from the page, as bytes; `None` if nothing is drawn"
    if value is None or value=='': return None
    if not isinstance(value, str) or not value.startswith('data:'):
        raise ValueError('This is not a picture. Draw a digit, or choose a file with one.')
    try: data = base64.b64decode(value.partition(',')[2], validate=True)
    except binascii.Error: raise ValueError('The picture arrived damaged. Send it again.') from None
    if not data: raise ValueError('This file is empty. Choose a picture of a digit.')
    if len(data)>MAX_UPLOAD: raise ValueError(f'This file is larger than {MAX_UPLOAD//1_000_000} MB. Choose a smaller picture.')
    return data

def _file(kind):
    "The text of `app.html`, `app.js` or `app.css`, which lie beside this file"
    return Path(__file__).with_suffix(f'.{kind}').read_text(encoding='utf8')

def _percent(prob):
    "`prob` in words that claim neither certainty nor impossibility"
    if prob>.999: return 'more than 99.9 %'
    return 'less than 0.1 %' if prob<.001 else f'{prob:.1%}'.replace('%', ' %')

def _png_address(picture):
    "The (h,w) `picture` as a data address, ink dark on white as it was drawn"
    from PIL import Image
    out = io.BytesIO()
    Image.fromarray(((1-picture)*255).round().byte().numpy()).save(out, 'PNG')
    return f'data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}'

def answer_html(answer, centred=True):
    "What the page says about `answer`, as `predict_digit` gives it; `centred`: was the ink moved to the middle?"
    text,(h,w) = html.escape,answer.picture.shape
    return (('' if answer.known else f'<p class="note">{text(answer.note)}</p>') +
            f'<p class="label">{text(answer.label)}</p><p class="sure">{_percent(answer.prob)} sure</p>'
            f'<p>Runner-up: {text(answer.runner_up)}, {_percent(answer.runner_up_prob)}</p>'
            f'<figure><img src="{_png_address(answer.picture)}" width="140" alt="The picture as the network saw it, in large pixels">'
            f'<figcaption>What the network saw: {w} × {h} pixels{", centred" if centred else ""}</figcaption></figure>')

def read_picture(digit_model, value):
    "What the page says about `value`, which it sent: what `digit_model` reads, or in words why it cannot"
    from .application import predict_digit
    try:
        data = picture_bytes(value)
        return EMPTY if data is None else answer_html(predict_digit(digit_model, data), digit_model.centred)
    except (OSError, ValueError) as e: return f'<p class="note">{html.escape(str(e))}</p>'

def digit_page(digit_model):
    "The Gradio page on which `digit_model` reads what is drawn or uploaded"
    import gradio as gr
    *others,last = sorted(digit_model.labels)
    digits = f'Draw a {", ".join(others)} or {last}, or upload a picture of one.'
    model = f'The model ({digit_model.architecture})'
    if digit_model.accuracy is not None: model += f' was right for {_percent(digit_model.accuracy)} of its validation images; yours may look different'
    with gr.Blocks(title='Read a digit', analytics_enabled=False) as page:
        gr.HTML(f'<h1>Read a digit</h1><p>{html.escape(digits)} {html.escape(model)}.</p>')
        with gr.Row():
            with gr.Column(min_width=300):
                pad = gr.HTML('', html_template=_file('html'), js_on_load=_file('js'), max_upload=MAX_UPLOAD, elem_id='pad')
            with gr.Column(min_width=300):
                answer = gr.HTML(EMPTY, html_template='<div role="status">${value}</div>', elem_id='answer')
        # always_last: of the strokes that came in while the model was busy, only the newest state of the board counts
        reading = pad.input(partial(read_picture, digit_model), pad, answer, api_name=False, show_progress='hidden', trigger_mode='always_last')
        reading.failure(None, None, answer, js=f'() => {FAILED!r}', show_progress='hidden')  # or an old answer would stand beside a new drawing
    page.state_session_capacity = 32  # Gradio keeps the last picture of so many visitors in memory; by itself, of 10,000
    return page.queue(max_size=16, default_concurrency_limit=1)

class Guard:
    "Stands before the ASGI `app` and refuses what the page itself never sends: strange names and origins, large bodies, crowds"
    def __init__(self,
        app, # the application behind
        hosts=None, # names in an address that mean this machine; `None`: any
        max_body=MAX_UPLOAD*4//3+10_000, # bytes; base64 makes 4 of 3
        max_posts=16, # bodies held in memory at once
    ):
        self.app,self.hosts,self.max_body,self.max_posts,self.posts = app,hosts,max_body,max_posts,0

    def refusal(self, scope):
        "Status and reason if the head of a request is refused, else `None`"
        head = {k.decode('latin1').lower(): v.decode('latin1') for k,v in scope['headers']}
        host = head.get('host', '')
        try: name,origin = urlsplit(f'//{host}').hostname,urlsplit(head.get('origin', f'//{host}')).netloc
        except ValueError: return 400,'This address is malformed.'
        # A name of another's choosing may lead to this machine; its pages would count as ours
        if self.hosts is not None and name not in self.hosts: return 403,'This page answers to the names of this machine only.'
        foreign = head.get('sec-fetch-site') in ('cross-site','same-site') and head.get('sec-fetch-mode')!='navigate'
        if foreign or origin!=host: return 403,'Requests from other pages are refused.'
        if scope['method'] in ('GET','HEAD'): return None
        # All else that Gradio offers, such as keeping files on this machine, is not needed here
        if scope['method']!='POST' or scope['path']!='/gradio_api/queue/join': return 405,'The page does not need this, so it is refused.'
        if int(head.get('content-length', 0))>self.max_body: return 413,'This is too large.'
        if self.posts>=self.max_posts: return 503,'Too many pictures at once. Try again in a moment.'

    async def __call__(self, scope, receive, send):
        "Pass a request on, or answer it here"
        async def answer(status, text):
            await send({'type': 'http.response.start', 'status': status, 'headers': [(b'content-type', b'text/plain; charset=utf-8')]})
            await send({'type': 'http.response.body', 'body': text.encode()})
        async def send_with_policy(message):
            if message['type']=='http.response.start':
                message['headers'] = [*message.get('headers', []), (b'content-security-policy', POLICY.encode()), (b'referrer-policy', b'same-origin')]
            await send(message)
        if scope['type']=='lifespan': return await self.app(scope, receive, send)
        if scope['type']!='http': return  # the page opens no web socket
        refused = self.refusal(scope)
        if refused: return await answer(*refused)
        if scope['method']!='POST': return await self.app(scope, receive, send_with_policy)
        self.posts += 1
        try:
            body,more = b'',True
            while more:
                message = await receive()
                if message['type']=='http.disconnect': return
                body,more = body+message.get('body', b''),message.get('more_body', False)
                if len(body)>self.max_body: return await answer(413, 'This is too large.')
            waiting = [{'type': 'http.request', 'body': body}]
            async def replay(): return waiting.pop() if waiting else await receive()
            await self.app(scope, replay, send_with_policy)
        finally: self.posts -= 1

def page_server(digit_model):
    "The ASGI application that serves `digit_page`"
    os.environ.update(GRADIO_ANALYTICS_ENABLED='False', GRADIO_RUN_HISTORY='False', HF_HUB_DISABLE_TELEMETRY='1')  # read on import
    import gradio as gr
    from fastapi import FastAPI
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)  # its page of documentation loads scripts from another host
    return gr.mount_gradio_app(app, digit_page(digit_model), '/', footer_links=[], max_file_size=MAX_UPLOAD, ssr_mode=False,
                               mcp_server=False, enable_monitoring=False, pwa=False, css=_file('css'))

def serve(make_model, host='127.0.0.1', port=7860):
    "Serve the page for the model that `make_model()` returns until Ctrl-C; `OSError` if Gradio is missing or the address is not free"
    if importlib.util.find_spec('gradio') is None:
        raise OSError('The page is made with Gradio, which is not installed. Get it with: pip install "gradio>=6.20,<7"')
    try: sock = socket.create_server((host, port), family=socket.AF_INET6 if ':' in host else socket.AF_INET)
    except OSError as e:
        cure = f'Name another port: ch4 app --port {(port+1)%2**16}' if e.errno in (errno.EADDRINUSE,errno.EACCES) else 'Name an address of this machine with --host.'
        raise OSError(f'Cannot listen on {host}, port {port} ({e.strerror}). {cure}') from None
    with sock:
        app = Guard(page_server(make_model()), HERE if host in HERE else None)
        import uvicorn
        if host not in HERE:
            print(f'Warning: everyone who can reach this machine as {host} can use the page, without a password and unencrypted.')
        print(f'Open http://{f"[{host}]" if ":" in host else host}:{sock.getsockname()[1]} in a browser. Ctrl-C ends it.', flush=True)
        config = uvicorn.Config(app, log_level='warning', ws='none', timeout_graceful_shutdown=1, limit_concurrency=256)
        try: uvicorn.Server(config).run(sockets=[sock])
        except KeyboardInterrupt: pass  # how a reader ends it
