"What the page of `ch4 app` says: what it is for, and what the model makes of a picture"
import base64,html,io
from pathlib import Path
from string import Template

MAX_UPLOAD = 4_000_000  # bytes of one picture


def _percent(prob):
    "`prob` in words that claim neither certainty nor impossibility"
    if prob>.999: return 'more than 99.9 %'
    return 'less than 0.1 %' if prob<.001 else f'{prob:.1%}'.replace('%', ' %')

def page_html(digit_model, origin):
    "The page on which `digit_model`, which in the words of `origin` came from there, reads what is drawn"
    from ..plumbing.images import in_words
    about = f'Draw a {in_words(digit_model.labels, "or")}, or upload a picture of one.'
    model = f'What you draw is read by the model ({digit_model.architecture}) that {origin}.'
    if digit_model.accuracy is not None:
        right = _percent(digit_model.accuracy)
        model += (f' The model was right for {right} of its validation images; '
                  'yours may look different.')
    page = Template((Path(__file__).parent/'page.html').read_text(encoding='utf8'))
    return page.substitute(about=html.escape(about), model=html.escape(model), max_upload=MAX_UPLOAD)

def _png_address(picture):
    "The (h,w) `picture` as a data address, ink dark on white as it was drawn"
    from PIL import Image
    out = io.BytesIO()
    Image.fromarray(((1-picture)*255).round().byte().numpy()).save(out, 'PNG')
    return f'data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}'

def _note_html(note):
    "The `note` that warns of an answer, or stands in its place"
    return f'<p class="note">{html.escape(note)}</p>'

def _answer_html(answer, centred=True):
    "What the page says about `answer`, as `predict_digit` gives it; `centred`: was the ink moved?"
    text,(h,w) = html.escape,answer.picture.shape
    seen = f'What the network saw: {w} × {h} pixels' + (', centred' if centred else '')
    warning = _note_html(answer.note) if answer.note else ''
    return warning + f'''
<p class="label">{text(answer.label)}</p>
<p class="sure">{_percent(answer.prob)} sure</p>
<p>Runner-up: {text(answer.runner_up)}, {_percent(answer.runner_up_prob)}</p>
<figure>
<img src="{_png_address(answer.picture)}" alt="The picture as the network saw it, in large pixels">
<figcaption>{seen}</figcaption>
</figure>'''

def read_picture(digit_model, data):
    "What the page says about the picture `data`, bytes of a file: what `digit_model` reads, or why it cannot"
    from ..application import predict_digit
    if not data: return _note_html('This file is empty. Choose a picture of a digit.')
    try: return _answer_html(predict_digit(digit_model, data), digit_model.centred)
    except (OSError, ValueError) as e: return _note_html(str(e))
