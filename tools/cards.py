"""Make flash cards of the questionnaire and the glossary: a deck for Anki, and the same as a table.

    python tools/cards.py [FOLDER]

Into FOLDER (default: cards) go fastbook_ch4.apkg and fastbook_ch4.csv with the columns deck, front, back and
tags. A question asks for its answer; a word of the glossary for its meaning, from English and from Korean.
Whoever imports a newer deck keeps what Anki knows about each card.
"""
import csv,html,re,sys
from dataclasses import astuple,dataclass
from pathlib import Path

import genanki,nbformat
from markdown_it import MarkdownIt

from docs import glossary_rows,settings

ROOT,CFG = Path(__file__).resolve().parents[1],settings()
COLUMNS = 'deck','front','back','tags'
# Anki knows decks and the form of a card by numbers, which must stay as they are
MODEL,DECKS = 1734980261,{'Questions': 1450632817, 'Words': 1982047733, 'Words, from Korean': 1619325408}
STYLE = '''.card { font-family: sans-serif; font-size: 18px; text-align: left; max-width: 42em; margin: auto }
pre { white-space: pre-wrap; background: #f3f3f3; color: #111; padding: .6em }
.nightMode pre { background: #333; color: #eee }'''

@dataclass
class Card:
    "A card: what is asked, what is answered, both as HTML"
    deck: str
    front: str
    back: str
    tags: str

def page(text):
    "The Markdown `text` of a notebook as HTML, with links that lead to the site, if that has an address"
    text = re.sub(r'\[([^]]*)\]\((\w+)\.ipynb([^)]*)\)',
                  rf'[\1]({CFG["site"]}\2.html\3)' if CFG['public'] else r'\1', text)
    return MarkdownIt().enable('table').render(text).strip()

def cells(name):
    "The Markdown cells of the notebook `name`"
    nb = nbformat.read(ROOT/'nbs'/f'{name}.ipynb', as_version=4)
    return [c.source for c in nb.cells if c.cell_type=='markdown']

def lesson_tags(text): return ' '.join(f'lesson-{int(n)}' for n in re.findall(r'\]\((\d+)_', text))

def questions():
    "A card for each question of the questionnaire"
    for text in cells('questions'):
        m = re.match(r'\*\*(\d+)\.\*\* (.*?)<details><summary>Answer</summary>(.*?)</details>', text, re.S)
        if m: yield Card('Questions', page(m[2]), page(m[3]), f'question-{m[1]} {lesson_tags(m[3])}')

def words():
    "Two cards for each word of the glossary: from English and from Korean"
    for english,korean,meaning,lesson in glossary_rows():
        tags = lesson_tags(lesson)
        yield Card('Words', html.escape(english), page(f'{korean}\n\n{meaning}'), tags)
        yield Card('Words, from Korean', html.escape(korean), page(f'**{english}**\n\n{meaning}'), tags)

def all_cards(): return [*questions(), *words()]

def deck(cards):
    "The Anki package of `cards`"
    template = dict(name='Card', qfmt='{{Front}}', afmt='{{FrontSide}}<hr id="answer">{{Back}}')
    fields = [{'name': 'Front'}, {'name': 'Back'}]
    model = genanki.Model(MODEL, 'fastbook_ch4', fields=fields, templates=[template], css=STYLE)
    decks = {name: genanki.Deck(i, f'Training a digit classifier::{name}') for name,i in DECKS.items()}
    for c in cards:
        tags = c.tags.split()
        key = tags[0] if c.deck=='Questions' else c.front  # a question whose words change stays the same card
        guid = genanki.guid_for('fastbook_ch4', c.deck, key)
        decks[c.deck].add_note(genanki.Note(model=model, fields=[c.front, c.back], tags=tags, guid=guid))
    return genanki.Package([*decks.values()])

def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    cards = all_cards()
    # utf-8-sig, or a spreadsheet shows the Korean words as nonsense
    with open(folder/'fastbook_ch4.csv', 'w', encoding='utf-8-sig', newline='') as f:
        csv.writer(f).writerows([COLUMNS, *map(astuple, cards)])
    deck(cards).write_to_file(folder/'fastbook_ch4.apkg')
    print(f'{len(cards)} cards in {folder}')

if __name__=='__main__': main(Path(*sys.argv[1:2] or [ROOT/'cards']).resolve())
