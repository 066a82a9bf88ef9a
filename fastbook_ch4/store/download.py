"""What fastai offers on the web, fetched within limits of time and size, checked and installed."""
import os,time

from .archive import MAX_TOTAL,install_in
from .catalogue import DATASETS,folder,is_installed
from .files import fastai_folder,lock

# `pooch` would be shorter, but it looks at a server that dribbles only after each 1,024 bytes, asks again
# after a 404, and has no checksum of a first megabyte, which is what fastai publishes

# What counts as no in a variable of the environment; all else counts as yes
NO = '', '0', 'n', 'no', 'f', 'false', 'off'
# How often a download is begun that breaks off, and the seconds between
TRIES,PAUSE = 3,1
# After so many seconds a download must have brought so many bytes a second
PATIENCE,MIN_RATE = 20,10_000


def offline():
    "Whether `FASTBOOK_CH4_OFFLINE` asks not to touch the network"
    return os.environ.get('FASTBOOK_CH4_OFFLINE', '').strip().lower() not in NO

class _BrokenOff(OSError): "A download began and did not end well; another try may"

def _answer(url, timeout):
    "The response of the server at `url`; `_BrokenOff` if it is only busy"
    from urllib.error import HTTPError
    from urllib.request import urlopen
    try: return urlopen(url, timeout=timeout)
    except HTTPError as e:
        e.close()
        error = _BrokenOff if e.code>=500 or e.code==429 else OSError
        raise error(f'the server answers {e.code} {" ".join(str(e.reason).split())}') from None

def _check_progress(got, seconds, most):
    "`OSError` if `got` bytes, sent in so many `seconds`, are more than `most`, or too few for that time"
    if got>most: raise OSError(f'the server sends more than the {most:,} bytes that the file has')
    if seconds>PATIENCE and got<seconds*MIN_RATE:
        raise OSError(f'the server is too slow: {got:,} bytes in {seconds:.0f} seconds')

def _transfer(url, file, timeout, most):
    "Write what `url` sends to `file`; `OSError` if it is silent, slow, cut off or too large"
    from http.client import HTTPException
    from fastprogress.fastprogress import progress_bar
    with _answer(url, timeout) as response, open(file, 'wb') as f:
        start,size = time.monotonic(),int(response.headers.get('Content-Length') or 0)
        if size>most:
            raise OSError(f'the server wants to send {size:,} bytes, '
                          f'but the file has at most {most:,}')
        bar = progress_bar([], total=size or most, leave=False)
        try:
            bar.update(0)
            for chunk in iter(lambda: response.read1(2**16), b''):
                f.write(chunk)
                bar.update(min(f.tell(), bar.total))
                _check_progress(f.tell(), time.monotonic()-start, most)
        except (HTTPException, ConnectionError, TimeoutError) as e:
            raise _BrokenOff(f'the transfer broke off ({e})') from None
        got = f.tell()
        if got<size: raise _BrokenOff(f'the transfer broke off after {got:,} of {size:,} bytes')

def _fetch(url, file, timeout, most):
    "`_transfer`, begun again if it breaks off"
    for left in reversed(range(TRIES)):
        try: return _transfer(url, file, timeout, most)
        except _BrokenOff:
            if not left: raise
            time.sleep(PAUSE)

def download(
    timeout=4,           # Seconds for which the server may be silent
    name='mnist_sample', # One of `DATASETS`
    key='MNIST_SAMPLE'   # Its name in fastai's `URLs`
): # The folder of the data set
    "Download data set `name`, fastai's `URLs.<key>`, check and install it; `OSError` if that fails"
    if offline(): raise OSError('FASTBOOK_CH4_OFFLINE is set')
    from http.client import HTTPException
    import fastai.data
    from fastai.data.external import URLs
    from fastdownload.core import check,checks_module,read_checks
    url,archive = getattr(URLs, key),fastai_folder('archive')/f'{name}.tgz'
    checks,part = checks_module(fastai.data),archive.with_name(f'{archive.name}.part')
    with lock(name) as home:
        if is_installed(name): return folder(name)  # by the process that held the lock
        try:
            archive.parent.mkdir(parents=True, exist_ok=True)
            if not (archive.exists() and check(checks, url, archive)):
                _fetch(url, part, timeout, read_checks(checks).get(url, [MAX_TOTAL])[0])
                if not check(checks, url, part):
                    raise OSError('the downloaded file has the wrong size or checksum '
                                  'and was removed')
                os.replace(part, archive)
            return install_in(home, DATASETS[name], archive)
        except (HTTPException, ValueError) as e: raise OSError(f'the download failed ({e})') from e
        finally: part.unlink(missing_ok=True)
