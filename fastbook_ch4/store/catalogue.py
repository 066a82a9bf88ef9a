"""The data sets there are, what each must consist of, and which are installed."""
import os
from dataclasses import dataclass,field
from pathlib import Path

from .files import data_home

SHIPPED = Path(__file__).parents[1]/'shipped'/'mnist_5k.tgz'
# How the names of pictures end: all that Pillow and Python's `mimetypes`, and so fastai, take for
# images, and what cameras write. One that Pillow does not open is refused by name, not left out
IMAGE_SUFFIXES = frozenset("""
    .apng .arw .avif .avifs .bmp .bw .cr2 .cr3 .dib .dng .gif .heic .heif .hif .icb .icns
    .ico .ief .j2c .j2k .jfif .jp2 .jpc .jpe .jpeg .jpf .jpg .jpx .jxl .mpo .nef .orf .palm
    .pbm .pct .pcx .pfm .pgm .pic .pict .png .pnm .ppm .psd .qoi .raf .ras .rgb .rgba .rw2
    .sgi .svg .tga .tif .tiff .vda .vst .webp .xbm .xpm .xwd""".split())


@dataclass(frozen=True)
class DataSet:
    "What a data set must consist of to count as installed"
    name: str            # Folder under `data_home()`
    about: str           # One line for people
    counts: dict = field(repr=False) # Images expected in each `split/label` folder
    top: str = ''        # Top folder inside the archive, if it is not `name`
    pixels: str = ''     # sha256 over all decoded images in sorted order, if only these will do
    subset: bool = False # Take only the labels in `counts` and leave the archive's others?
    size: tuple = ()     # Width and height of every image, if they must have one

    @property
    def n_images(self): return sum(self.counts.values())


def _counts(**splits):
    return {f'{split}/{label}': n for split,ns in splits.items() for label,n in ns.items()}

_ten = [str(i) for i in range(10)]
_cifar = 'airplane','automobile','bird','cat','deer','dog','frog','horse','ship','truck'
DATASETS = {d.name: d for d in (
    DataSet('mnist_sample', 'every 3 and 7 of MNIST (fastai calls it MNIST_SAMPLE)',
        _counts(train={'3': 6131, '7': 6265}, valid={'3': 1010, '7': 1028}),
        pixels='16799a5e2d68b50ad006c16cf17c15a1f62bc134a9b28544a04801e1635554e3', size=(28,28)),
    DataSet('mnist_png', 'all ten digits of MNIST', _counts(
        training=dict(zip(_ten, (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949))),
        testing=dict(zip(_ten, (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)))),
        size=(28,28)),
    DataSet('cifar2', 'airplanes and birds of CIFAR-10',
        _counts(train={'airplane': 5000, 'bird': 5000}, test={'airplane': 1000, 'bird': 1000}),
        size=(32,32)),
    DataSet('cifar10', 'all ten classes of CIFAR-10 (fastai calls it CIFAR)',
        _counts(train=dict.fromkeys(_cifar, 5000), test=dict.fromkeys(_cifar, 1000)), size=(32,32)),
    DataSet('fastbook_ch4_sample', 'the 3s and 7s that ship with this package',
        _counts(train={'3': 400, '7': 400}, valid={'3': 100, '7': 100}),
        top='mnist_5k', subset=True),
    DataSet('fastbook_ch4_digits', 'all ten digits, as far as they ship with this package',
        _counts(train=dict.fromkeys(_ten, 400), valid=dict.fromkeys(_ten, 100)),
        top='mnist_5k', subset=True),
)}


def folder(
    name # One of `DATASETS`
): # Under `data_home()`
    "Where data set `name` is, or will be, installed"
    return data_home()/DATASETS[name].name

def count_images(
    ds,  # `DataSet`
    root # Folder that holds the folders of its splits
): # {`split/label`: number of images}
    "Number of images in each `split/label` folder of `root`"
    def n(path):
        try: names = [e.name.lower() for e in os.scandir(path) if e.name[0]!='.']
        except OSError: return 0
        return sum(os.path.splitext(name)[1] in IMAGE_SUFFIXES for name in names)
    return {part: n(root/part) for part in ds.counts}

def is_installed(
    name # One of `DATASETS`
): # Are all its images there?
    "Whether data set `name` is there with all its images"
    return count_images(DATASETS[name], folder(name))==DATASETS[name].counts
