"""What lesson 8 says about the hidden layer: four points, and two questions about ten digits"""
import re
from statistics import median

import pytest
from conftest import cells, load_tool

tool = load_tool('hidden_layer')
TEXT = '\n'.join(source for kind,source,_ in cells('08_models') if kind=='markdown')
QUESTIONS = {'odd': 'is it odd?', 'loop': 'has it a loop?'}

def told(ask):
    "What the lesson's table says for the question `ask`: median, lowest, highest and rate for each model"
    row = re.search(rf'^\| {re.escape(QUESTIONS[ask])} .*', TEXT, re.M)[0]
    found = re.findall(r'(0\.\d{3}) \((0\.\d{3}) to (0\.\d{3})\), lr=(\d+)', row)
    return dict(zip(('linear','30'), [tuple(map(float, o)) for o in found], strict=True))

# The four points

@pytest.mark.parametrize('seed', [1,2])
def test_a_line_never_parts_the_four_points(seed): assert tool.right_points(tool.line, seed)<=3

@pytest.mark.parametrize('seed', [1,2])
def test_sixteen_hidden_units_part_them(seed): assert tool.right_points(tool.net_of(16), seed)==4

@pytest.mark.full
def test_more_hidden_units_find_it_oftener():
    said = re.search(r'with 2 hidden units (\d+) of .* with 4 units (\d+), with 16 units all thirty', TEXT)
    two,four,sixteen = [[tool.right_points(tool.net_of(n), seed) for seed in range(30)].count(4)
                        for n in (2,4,16)]
    assert abs(two-int(said[1]))<=4
    assert abs(four-int(said[2]))<=4
    assert sixteen==30

# Two questions about ten digits

@pytest.mark.parametrize('ask', QUESTIONS)
def test_the_table_gives_the_hidden_layer_the_better_number(ask):
    linear,net = told(ask).values()
    assert net[1]>linear[2]+.05
    for middle,low,high,_ in (linear,net): assert low<=middle<=high

@pytest.mark.parametrize('ask', QUESTIONS)
def test_the_hidden_layer_answers_better_with_another_seed(ask):
    digits = tool.asking(tool.ASKS[ask])
    linear = tool.accuracy_on(digits, tool.linear, 1., seed=1, epochs=10)
    assert tool.accuracy_on(digits, tool.simple_net, 2., seed=1, epochs=10)>linear+.04

@pytest.mark.full
@pytest.mark.parametrize('ask', QUESTIONS)
@pytest.mark.parametrize('model', ['linear','30'])
def test_eight_seeds_say_what_the_table_says(ask, model):
    middle,*_,lr = told(ask)[model]
    digits = tool.asking(tool.ASKS[ask])
    got = [tool.accuracy_on(digits, tool.MODELS[model], lr, seed) for seed in range(8)]
    assert abs(median(got)-middle)<.01
