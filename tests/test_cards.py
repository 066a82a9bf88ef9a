"Flash cards: every question and word, and what Anki would import"
import csv,json,re,sqlite3,sys,zipfile

import pytest
from conftest import ROOT

sys.path.append(str(ROOT/'tools'))
import cards

@pytest.fixture(scope='module')
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp('cards')
    cards.main(folder)
    return folder

@pytest.fixture(scope='module')
def rows(made):
    with open(made/'fastbook_ch4.csv', encoding='utf-8-sig', newline='') as f: return list(csv.DictReader(f))

def deck(rows, name): return [r for r in rows if r['deck']==name]

def test_every_question_has_a_card(rows):
    assert [r['tags'].split()[0] for r in deck(rows, 'Questions')]==[f'question-{i}' for i in range(1, 38)]

def test_every_word_has_a_card_from_both_languages(rows):
    glossary = (ROOT/'nbs'/'glossary.ipynb').read_text(encoding='utf8')
    n = glossary.count('.ipynb) |')
    assert n>100
    assert len(deck(rows, 'Words'))==len(deck(rows, 'Words, from Korean'))==n

def test_a_card_is_html_without_links_to_notebooks(rows):
    sides = [r[side] for r in rows for side in ('front','back')]
    prose = [re.sub('<code.*?</code>', '', o, flags=re.S) for o in sides]
    assert all(sides)
    assert not any('.ipynb' in o or '**' in o or '](' in o for o in prose)
    by_word = {r['front']: r for r in deck(rows, 'Words')}
    assert '<p>검증 세트' in by_word['validation set']['back']
    assert by_word['validation set']['tags']=='lesson-1'

def test_the_deck_holds_what_the_table_holds(made, rows, tmp_path):
    with zipfile.ZipFile(made/'fastbook_ch4.apkg') as z: z.extract('collection.anki2', tmp_path)
    db = sqlite3.connect(tmp_path/'collection.anki2')
    notes = [fields.split('\x1f') for fields, in db.execute('select flds from notes')]
    assert sorted(notes)==sorted([r['front'], r['back']] for r in rows)
    names = {d['name'] for d in json.loads(db.execute('select decks from col').fetchone()[0]).values()}
    assert {f'Training a digit classifier::{r["deck"]}' for r in rows}<=names
    db.close()

def test_a_newer_deck_knows_the_cards_of_an_older_one(made, tmp_path):
    "Anki goes by the guid of a note"
    cards.main(tmp_path)
    def guids(folder, where):
        with zipfile.ZipFile(folder/'fastbook_ch4.apkg') as z: z.extract('collection.anki2', where)
        db = sqlite3.connect(where/'collection.anki2')
        found = {o for o, in db.execute('select guid from notes')}
        db.close()
        return found
    assert guids(made, tmp_path/'a')==guids(tmp_path, tmp_path/'b')
