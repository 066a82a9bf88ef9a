"""Make search_index.js, in which site/search.js searches, from what the renderer found on the pages.

    python tools/search_index.py FOLDER

FOLDER holds the site with its search.json. Each word of the glossary is a part of its own, and site/asked.yml
says where a question leads that learners ask in words which no page uses.
"""
import json,re,sys
from pathlib import Path

import yaml

from docs import ROOT,glossary_rows,read,word_id,write

# How much a page weighs, by the start of its name; what explains comes before what lists
WEIGHTS = {'glossary': 1.4, 'use': 1.4, 'index': 1.2, 'playground': 1.4, 'plumbing/': .5, 'ledger/': .4,
           'figures': .4, 'turns': .4, 'api': .6, 'questions': .7, 'contribute': .6, 'guarantees': .6}
DEFINITION = .8  # a part that is about one name of the package

def weight(part):
    "How much the part of a page counts"
    page = part['href'].partition('.html')[0]
    of_page = next((w for start,w in WEIGHTS.items() if page.startswith(start)), 1.2)
    is_name = re.fullmatch(r'[\w.]*(_|[a-z][A-Z])[\w.]*', part['section'])
    return round(of_page*(DEFINITION if is_name else 1), 2)

def glossary():
    "A part for each word of the glossary"
    for english,korean,meaning,_ in glossary_rows():
        yield dict(href=f'glossary.html#{word_id(english)}', title='Glossary', section=english,
                   text=f'{korean} {meaning}')

def index(parts, asked):
    "The parts to search, those of `parts` with the questions `asked` of each"
    keys = 'href','title','section','text'
    found = [{k: part[k] for k in keys} for part in parts if not part['href'].startswith('glossary.html')]
    found += glossary()
    lost = asked.keys()-{part['href'] for part in found}
    if lost: raise ValueError(f'site/asked.yml leads to {sorted(lost)}, which no page has.')
    for part in found:
        about = ', '.join(asked.get(part['href'], ()))
        yield part | dict(asked=about, weight=weight(part))

def main(folder):
    asked = yaml.safe_load(read(ROOT/'site'/'asked.yml'))
    parts = [*index(json.loads(read(folder/'search.json')), asked)]
    write(folder/'search_index.js', f'loaded("search_index", {json.dumps(parts, ensure_ascii=False)})\n')

if __name__=='__main__': main(Path(sys.argv[1]))
