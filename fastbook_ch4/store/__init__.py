"""Which data sets are installed, and how they get there.

Written by hand; heavy imports wait inside the functions that need them, so that `ch4 data` answers
at once."""
from .files import cache_file, data_home, write_whole
from .catalogue import DATASETS, IMAGE_SUFFIXES, SHIPPED, DataSet, folder, is_installed
from .archive import install_archive, install_shipped
from .download import download

__all__ = ['DataSet', 'DATASETS', 'SHIPPED', 'IMAGE_SUFFIXES', 'data_home', 'write_whole',
           'cache_file', 'folder', 'is_installed', 'install_archive', 'install_shipped', 'download']
