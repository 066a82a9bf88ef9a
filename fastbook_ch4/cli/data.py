"""`ch4 data`: which images are installed, and how to get more."""
from fastbook_ch4 import store
from fastbook_ch4.cli.say import place


def add(sub):
    "Add this command to the subparsers `sub`"
    p = sub.add_parser('data', help='show which images are installed, or install more',
                       description='Without options: show which data sets are installed.')
    which = p.add_mutually_exclusive_group()
    which.add_argument('--download', action='store_true',
                       help='download the full MNIST_SAMPLE with fastai')
    which.add_argument('--archive', type=place, metavar='FILE',
                       help='install mnist_sample, mnist_png, cifar2 or cifar10 from a local archive')
    p.set_defaults(run=run)

def full_sample():
    "The folder of the full MNIST_SAMPLE, downloaded if need be"
    if store.is_installed('mnist_sample'): return store.folder('mnist_sample')
    try: return store.download()
    except OSError as e:
        raise OSError(f'The full MNIST_SAMPLE is not installed and was not downloaded: {e}. '
                      'Install it from a file with: ch4 data --archive FILE') from None

def _state(name):
    "What is there of data set `name`"
    if store.is_installed(name): return 'installed'
    return 'incomplete' if store.folder(name).exists() else 'not installed'

def run(args):
    "Install what was asked for, then say what is installed"
    if args.archive:
        name = store.install_archive(args.archive)
        print(f'{name}: {store.DATASETS[name].n_images:,} images installed in {store.folder(name)}')
        return
    if args.download: full_sample()
    print(f'Data folder: {store.data_home()}')
    for name,ds in store.DATASETS.items():
        print(f'  {name:<20}{ds.n_images:>7,} images  {_state(name):<14} {ds.about}')
    if not store.is_installed('mnist_sample'):
        print('Until mnist_sample is installed, lessons and ladder use the digits that ship with '
              'the package.\nGet it:  ch4 data --download   or, from a file you have,   '
              'ch4 data --archive mnist_sample.tgz')
