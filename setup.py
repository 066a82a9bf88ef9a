"Hands the metadata of settings.ini to setuptools, and puts the lessons of nbs/ into the wheel"
from configparser import ConfigParser
from pathlib import Path
from setuptools import setup

here = Path(__file__).parent
parser = ConfigParser(interpolation=None)
parser.read(here/'settings.ini', encoding='utf8')
cfg = parser['DEFAULT']
def lines(key): return cfg[key].split('\n')[1:]
url = f"https://github.com/{cfg['user']}/{cfg['repo']}"

setup(
    version=cfg['version'], description=cfg['description'], author=cfg['author'], license=cfg['license'],
    keywords=cfg['keywords'].split(), url=url,
    project_urls={'Repository': url, 'Changelog': f"{url}/blob/{cfg['branch']}/CHANGELOG.md"},
    long_description=(here/'README.md').read_text(encoding='utf8'),
    long_description_content_type='text/markdown',
    classifiers=['Intended Audience :: Education', 'Intended Audience :: Developers',
                 'Programming Language :: Python :: 3',
                 'Topic :: Scientific/Engineering :: Artificial Intelligence'],
    install_requires=lines('requirements'),
    extras_require={'docs': lines('docs_requirements'), 'lab': lines('lab_requirements'),
                    'many': lines('many_requirements'),
                    'book': lines('docs_requirements')+lines('book_requirements'),
                    'dev': lines('docs_requirements')+lines('dev_requirements')},
    entry_points={'console_scripts': lines('console_scripts'),
                  'nbdev': ['fastbook_ch4=fastbook_ch4._modidx:d']},
    packages=['fastbook_ch4', 'fastbook_ch4.plumbing', 'fastbook_ch4.store', 'fastbook_ch4.app',
              'fastbook_ch4.touch', 'fastbook_ch4.ledger', 'fastbook_ch4.cli', 'fastbook_ch4.shipped',
              'fastbook_ch4.lessons'],
    package_dir={'fastbook_ch4.lessons': 'nbs'},
    package_data={'fastbook_ch4.app': ['page.html', 'static/*'],
                  'fastbook_ch4.ledger': ['claims.csv'], 'fastbook_ch4.touch': ['*.js', '*.css', '*.json'],
                  'fastbook_ch4.shipped': ['*'], 'fastbook_ch4.lessons': ['**/*.ipynb']},
)
