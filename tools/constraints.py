"""Write `constraints.txt`: the versions installed here of all that the project needs, directly or not.

    python tools/constraints.py [FILE]

Run it, by `make constraints`, where all tests have just passed.
"""
import configparser,sys
from importlib.metadata import PackageNotFoundError,distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
HEAD = """# The versions with which all tests passed, written by `make constraints`. To install them on Python
# 3.11.5 or newer: `pip install -c constraints.txt .` or `UV_CONSTRAINT=constraints.txt make install`
"""

def direct():
    "What settings.ini names, for users and for those who work on the project"
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT/'settings.ini', encoding='utf8')
    groups = [v for k,v in parser['DEFAULT'].items() if k.endswith('requirements')]
    return [Requirement(line) for group in groups for line in group.strip().splitlines()]

def needed(requirements):
    "The installed distributions that `requirements` lead to, by name; what is not installed is left out"
    found,todo = {},[(r, '') for r in requirements]
    while todo:
        r,extra = todo.pop()
        name = canonicalize_name(r.name)
        if r.marker and not r.marker.evaluate({'extra': extra}): continue
        if (name, *r.extras) in found: continue
        try: dist = distribution(name)
        except PackageNotFoundError: continue
        found[name, *r.extras] = dist
        todo += [(Requirement(o), e) for o in dist.requires or () for e in (r.extras or [''])]
    return {name: dist for (name,*_),dist in found.items()}

def main(dest=ROOT/'constraints.txt'):
    dists = needed(direct())
    # without a suffix such as +cpu, which other indexes do not have
    lines = [f'{name}=={Version(dist.version).public}\n' for name,dist in sorted(dists.items())]
    Path(dest).write_text(HEAD+''.join(lines), encoding='utf8')
    print(f'{len(lines)} versions in {dest}')

if __name__=='__main__': main(*sys.argv[1:])
