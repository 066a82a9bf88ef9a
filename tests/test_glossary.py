"The table of the glossary"
import re
from functools import cache

import pytest
from conftest import NOTEBOOKS, ROOT, cells, place

LINES = [line for _,source,_ in cells('glossary') for line in source.splitlines() if line.startswith('|')]
ROWS = [[o.strip() for o in line.strip('|').split('|')] for line in LINES[2:]]
TERMS = [row[0] for row in ROWS]

# The tables of the chapter's jargon section, and what the lessons add, before and after the chapter too
MUST = [' '.join(o.split()) for o in '''
    ReLU, mini-batch, forward pass, loss, gradient, back-propagation, gradient descent, learning
    rate, activation, parameter, rank, pixel, array, tensor, shape, axis, label, target, training
    set, validation set, baseline, L1 distance, RMSE, MSE, broadcasting, metric, accuracy,
    derivative, SGD, weight, bias, logit, sigmoid, batch size, epoch, DataLoader, Dataset,
    DataLoaders, Learner, optimizer, autograd, initialisation, overfitting, linear layer, matrix
    multiplication, nonlinearity, activation function, hidden layer, universal approximation
    theorem, module, Sequential, backward pass, saturation, random seed, convergence, ResNet,
    convolution, transfer learning, fine-tuning, softmax, cross-entropy, confusion matrix, callback,
    recorder, dead ReLU, neuron, tanh, hardtanh, leaky ReLU, convex, vanishing gradient, hook,
    extrapolation, early stopping, augmentation, head, body, frozen, collaborative filtering,
    segmentation, detection, domain mismatch, recourse, feedback loop, measurement bias, aggregation
    bias, representation bias'''.split(',')]

def test_the_table_has_four_columns():
    assert LINES[0]=='| English | Korean | Meaning | Lesson |' and re.fullmatch(r'\|( --- \|){4}', LINES[1])
    assert all(len(row)==4 and all(row) for row in ROWS)

def test_terms_are_sorted_and_unique():
    lower = [t.lower() for t in TERMS]
    assert lower==sorted(set(lower)) and len(TERMS)>=140

@pytest.mark.parametrize('term', MUST)
def test_the_term_is_there(term): assert term in TERMS

@pytest.mark.parametrize('row', ROWS, ids=TERMS)
def test_row(row):
    term,korean,meaning,lesson = row
    assert re.search('[가-힣]', korean) and korean.count('(')==korean.count(')')<=1
    assert meaning[0].isupper() or meaning.startswith('fastai')
    assert meaning.endswith('.') and not re.search(r'[.!?]\s', meaning) and 5<=len(meaning.split())<=25
    number,file = re.fullmatch(r'\[(\d+)\]\((\d\d_\w+\.ipynb)\)', lesson).groups()
    assert int(file[:2])==int(number)
    text = (ROOT/'nbs'/file).read_text(encoding='utf8').lower()
    assert term.lower().rstrip('s') in text, f'{file} does not say {term!r}'

def test_no_korean_term_stands_for_two_words():
    "The first Korean term of each row"
    first = [re.split(r'[(,]', row[1])[0].strip() for row in ROWS]
    assert len(set(first))==len(first), sorted({o for o in first if first.count(o)>1})

# Every word is explained before it is used

# Words that the lessons say in their everyday meaning before they have another
EVERYDAY = {'cancel', 'fit', 'head', 'patience', 'process', 'step', 'unit'}

def prose(source):
    "The text of a cell without code, addresses and tags, and without the line that leads to the next page"
    source = re.sub(r'`[^`]*`|<[^>]*>|(?<=\])\([^)]*\)', '', source)
    return re.sub(r'(?m)^\*\*Next:.*$', '', source)

@cache
def text_of(name): return '\n\n'.join(prose(source) for kind,source,_ in cells(name) if kind=='markdown')

def first_use(term):
    "The lesson that says `term` first, and the paragraph in which it does"
    letters = re.escape(term).replace(r'\ ', r'[\s-]+')
    capital = any(o.isupper() for o in term)  # `Learner` is not a person who learns
    pattern = re.compile(rf'\b{letters}s?\b', 0 if capital else re.I)
    for nb in NOTEBOOKS:
        if not place(nb)[:2].isdecimal(): continue
        for paragraph in re.split(r'\n\s*\n', text_of(place(nb))):
            found = pattern.search(paragraph)
            if found: return int(place(nb)[:2]), paragraph, found
    return None

@pytest.mark.parametrize('row', [o for o in ROWS if o[0] not in EVERYDAY], ids=lambda row: row[0])
def test_the_word_is_explained_where_it_is_first_used(row):
    "In the lesson that the glossary names, or in italics, as new words are set"
    term,*_,lesson = row
    number = int(re.match(r'\[(\d+)\]', lesson)[1])
    used = first_use(term)
    if used is None: return  # only in code
    first,paragraph,found = used
    new_words = [m.span() for m in re.finditer(r'\*[^*\n]+\*', paragraph)]
    assert first>=number or any(a<found.start()<b for a,b in new_words), f'lesson {first}: {paragraph[:200]}'
