"""The answers under "Try it": each exercise has one, and the numbers that they tell are computed here"""
import json,re

import pytest,torch
from conftest import ROOT
from fastbook_ch4.baseline import PixelSimilarity, mnist_distance
from fastbook_ch4.data import digit_dataloaders, load_images

LESSONS = sorted(f for f in (ROOT/'nbs').glob('*.ipynb') if f.stem[:2].isdecimal())

def closing(lesson):
    "The exercises of `lesson` and what stands in the folds below them"
    cells = json.loads(lesson.read_text(encoding='utf8'))['cells']
    text = '\n\n'.join(''.join(c['source']) for c in cells if c['cell_type']=='markdown')
    asked = text.partition('## Try it')[2]
    return asked.partition('<details>')[0], asked.partition('<details>')[2]

def numbered(text): return [int(o) for o in re.findall(r'^(\d+)\. ', text, re.M)]

def answer(lesson, n):
    "The text of answer `n` of the lesson whose file begins with `lesson`"
    folds = closing(next(f for f in LESSONS if f.stem.startswith(lesson)))[1]
    return re.search(rf'^{n}\. (.*?)(?=^\d+\. |</details>)', folds, re.M|re.S)[1]

WITH_ANSWERS = [f for f in LESSONS if '<details>' in f.read_text(encoding='utf8').partition('## Try it')[2]]

@pytest.mark.parametrize('lesson', WITH_ANSWERS, ids=[f.stem for f in WITH_ANSWERS])
def test_each_exercise_has_an_answer(lesson):
    asked,answered = closing(lesson)
    assert numbered(asked) and numbered(asked)==numbered(answered)

# Lesson 1

@pytest.mark.full
def test_the_last_seven(full):
    names = sorted(f.name for f in (full/'train'/'7').iterdir())
    assert f'`{names[-1]}`' in answer('01', 1)
    assert max(names, key=lambda name: int(name[:-4]))!=names[-1]

def test_a_row_of_each_picture(shipped):
    threes = load_images(shipped/'train'/'3')
    assert threes[:,14].shape==(400,28) and threes[:,14].equal(torch.stack([o[14] for o in threes]))
    assert '(6131, 28)' in answer('01', 2)

def test_upside_down():
    im = torch.arange(6).view(3,2)
    assert im.flip(0).tolist()==im.numpy()[::-1].tolist()==[[4,5],[2,3],[0,1]]
    with pytest.raises(ValueError) as e: im[::-1]
    assert str(e.value) in answer('01', 3)

def test_batches_of_500(shipped):
    sizes = [len(xb) for xb,yb in digit_dataloaders(shipped, bs=500).train]
    assert sizes==[500,300]
    assert divmod(6131+6265, 500)==(24,396) and '25 batches: 24 of 500' in answer('01', 4)
    assert '396 are left' in answer('01', 4)


# Lesson 2

def similar(path, average):
    "How many validation 3s and 7s are nearest to the `average` of their kind"
    means = {o: average(load_images(path/'train'/o)) for o in '37'}
    first = [PixelSimilarity(means).is_first(load_images(path/'valid'/o)) for o in '37']
    return first[0].sum().item(),(~first[1]).sum().item()

def mean_and_median(path):
    return similar(path, lambda x: x.mean(0)),similar(path, lambda x: x.median(0).values)

@pytest.mark.full
def test_the_nearest_seven(full):
    mean = load_images(full/'train'/'7').mean(0)
    far = mnist_distance(load_images(full/'valid'/'7'), mean)
    said = answer('02', 1)
    assert f'Number {far.argmin()}:' in said and f'{far.min():.4f}' in said

@pytest.mark.full
def test_the_median_picture(full):
    mean,median = mean_and_median(full)
    said = answer('02', 2)
    assert f'{sum(median):,} of 2,038 right instead of {sum(mean):,}' in said
    assert f'{median[0]-mean[0]} more 3s and {mean[1]-median[1]} fewer 7s' in said
    assert sum(median)-sum(mean)==9

def test_the_median_of_the_shipped_digits(shipped):
    mean,median = mean_and_median(shipped)
    assert f'{sum(median)} of 200 instead of {sum(mean)}' in answer('02', 2)

def test_three_threes_minus_two_sevens():
    x = torch.rand(5,28,28)
    assert f'{tuple((x[:3,None]-x[None,:2]).shape)}' in answer('02', 3)


# Lesson 3


# Lesson 4


# Lesson 5


# Lesson 6


# Lesson 7


# Lesson 8


# Lesson 9


# Lesson 10


# Lesson 11


# Lesson 12


# Lesson 13


# Lesson 14


# Lesson 15


# Lesson 16


# Lesson 17

