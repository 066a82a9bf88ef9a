"""The answers under "Try it": each exercise has one, and the numbers that they tell are computed here"""
import json,re

import pytest
from conftest import ROOT

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


# Lesson 2


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

