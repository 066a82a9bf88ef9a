"The ledger of published figures, its page, and what notices when a helper breaks"
import math,re
from collections import Counter
from dataclasses import replace

import pytest, torch
from conftest import ROOT, code
from fastbook_ch4.data import Digits
from fastbook_ch4.ledger import (
    GROUPS, Draw, as_printed, chapter, claim_counts, claim_table, compare_claim, descent, follow_descent,
    mse_claims, read_claims, rmse_claims, table, training)
from fastbook_ch4.optimizer import BasicOptim

LEDGER = read_claims()
KINDS = {'exact': 'same', 'band': 'within', 'draw': 'holds', 'quoted': 'quoted'}
SOURCES = 'whole','start','pages','book','neurons'
BY_ID = {claim.id: claim for claim in LEDGER}


@pytest.fixture(scope='module')
def shipped_digits(shipped): return Digits.from_folder(shipped)

@pytest.fixture(scope='module')
def full_digits(full): return Digits.from_folder(full)

def differing(rows, values): return [o.id for o in rows if compare_claim(o, values[o.id])=='differs']

# The table

def test_ids_are_unique_and_begin_with_their_source():
    assert [i for i,n in Counter(o.id for o in LEDGER).items() if n>1]==[]
    for o in LEDGER:
        assert re.fullmatch(rf'({"|".join(SOURCES)})/\w+', o.id), o.id
        assert o.id.split('/')[0]==o.source.split()[0], o.id

def test_every_row_says_what_it_is():
    for o in LEDGER:
        assert o.kind in KINDS and all((o.source, o.lesson, o.figure, o.printed, o.how)), o.id
        assert (ROOT/'nbs'/f'{o.lesson}.ipynb').exists(), o.id

def test_only_quoted_rows_have_no_group():
    for o in LEDGER: assert (o.group=='')==(o.kind=='quoted'), o.id
    assert {o.group for o in LEDGER if o.group}==set(GROUPS)

def test_bands_hold_what_was_printed():
    for o in LEDGER:
        if o.kind!='band': assert o.low is None is o.high, o.id
        else:
            assert math.isfinite(o.low) and math.isfinite(o.high) and o.low<o.high, o.id
            assert o.low<=float(o.printed)<=o.high or o.note, o.id

def test_draws_name_their_property():
    for o in LEDGER: assert bool(o.property)==(o.kind=='draw'), o.id

def test_quoted_rows_say_why():
    for o in LEDGER: assert o.kind!='quoted' or o.note, o.id

@pytest.mark.parametrize('start, n', [
    ('whole/own_loop_',22), ('pages/own_loop_',22),
    ('whole/basic_optim_',20), ('pages/basic_optim_',20),
    ('whole/sgd_',20), ('book/sgd_',20), ('book/fit_',30),
    ('neurons/line_',10), ('neurons/net_',14), ('whole/lr10_',31),
    ('whole/rmse_slow_',10), ('whole/rmse_fast_',10), ('book/mse_after_',10)])
def test_no_epoch_and_no_step_is_missing(start, n): assert sum(o.id.startswith(start) for o in LEDGER)==n

# Comparing

@pytest.mark.parametrize('value, printed, text', [
    (.43333333, '0.4333', '0.4333'),
    (6., '9.', '6.'),
    (6.5, '9.', '6.5.'),
    (6131, '6265', '6131'),
    (torch.tensor([[1.,2.],[3.,4.]]), '[[0., 0.], [0., 0.]]', '[[1., 2.], [3., 4.]]'),
    ([True,False], 'False, False', 'True, False'),
    (torch.Size([3,28]), '(0, 0)', '(3, 28)'),
    ('10.png, 1.png', '2.png', '10.png, 1.png'),
    ([1,2], '7', '[1, 2]'),
    (True, '1', 'True'),
    (-.00166, '-1.0000e-05', '-1.6600e-03'),
    (float('nan'), '0.12', 'nan')])
def test_as_printed(value, printed, text): assert as_printed(value, printed)==text

def exact(printed='0.9511'): return replace(LEDGER[0], printed=printed, kind='exact', low=None, high=None)
def band(low=.9, high=.96): return replace(exact(), kind='band', low=low, high=high)
DRAW,QUOTED = replace(exact(), kind='draw'),replace(exact(), kind='quoted')

@pytest.mark.parametrize('claim, value, verdict', [
    (exact(), .95114, 'same'),
    (exact(), .95116, 'differs'),
    (exact(), -.9511, 'differs'),
    (exact(), [.9511,.9511], 'differs'),
    (exact(), True, 'differs'),
    (exact(), float('nan'), 'differs'),
    (exact(), 'a post', 'differs'),
    (exact('2, 3, 4'), [2,3,4], 'same'),
    (exact('2, 3, 4'), [2,4,3], 'differs'),
    (exact('(5, 28)'), (28,5), 'differs'),
    (exact('True, 1.'), [True,1.], 'same'),
    (exact('True, 1.'), [False,0.], 'differs'),
    (band(), .9, 'within'),
    (band(), .89999, 'differs'),
    (band(), .97, 'differs'),
    (band(), float('nan'), 'differs'),
    (DRAW, Draw(.1, True), 'holds'),
    (DRAW, Draw(.9511, False), 'differs'),
    (QUOTED, None, 'quoted')])
def test_verdicts(claim, value, verdict): assert compare_claim(claim, value)==verdict

@pytest.mark.parametrize('claim, value', [
    (DRAW, .9511), (exact(), Draw(.9511, True)), (band(0., 1.), Draw(.5, True))])
def test_a_value_that_does_not_go_with_its_kind_is_refused(claim, value):
    with pytest.raises(TypeError, match='does not go with'): compare_claim(claim, value)

def test_a_line_is_shared_only_by_equal_verdicts():
    values = {'whole/sgd_03': .82, 'book/sgd_03': .82, 'whole/four_accuracy': .75, 'pages/four_accuracy': .75}
    limits = BY_ID['book/sgd_03']
    assert claim_table(values)[['whole','pages','book','verdict']].values.tolist()==[
        ['0.7500','','','same'],
        ['','0.5000','','differs'],
        ['0.8183','','0.8335',f'within {limits.low:g} to {limits.high:g}']]

# The groups, on the shipped digits

# The page checks the ids of the slow one
@pytest.mark.parametrize('name', [o for o in GROUPS if o!='resnet_claims'])
def test_a_group_returns_exactly_its_rows(name, shipped_digits):
    values,rows = GROUPS[name](shipped_digits),read_claims(name)
    assert set(values)=={o.id for o in rows}
    for o in rows: assert compare_claim(o, values[o.id]) in (KINDS[o.kind],'differs')

@pytest.mark.parametrize('name', ['gradient_claims','loss_claims','neuron_claims'])
def test_groups_without_chance_agree_on_any_machine(name):
    assert differing(read_claims(name), GROUPS[name]())==[]

@pytest.mark.parametrize('name', ['rmse_claims','mse_claims','module_claims'])
@pytest.mark.parametrize('seed', range(5))
def test_properties_of_a_descent_hold_for_any_draw(name, seed):
    assert differing(read_claims(name), GROUPS[name](seed=seed))==[]

@pytest.mark.parametrize('id, printed', [
    ('whole/rmse_slow_05','174.60'),
    ('whole/rmse_fast_03','61.30'),
    ('whole/rmse_loss','187.7359'),
    ('whole/rmse_gradient','-165.9894, -10.6550, 0.7822'),
    ('book/mse_after_02','1578.4'),
    ('book/params','-0.2338, -0.7164, 1.3550'),
    ('book/mse_gradient','-53195.8594, -3419.7146, -283.8908'),
    ('neurons/line_1000_train','4.4577'),
    ('neurons/line_0001_valid','372.4021'),
    ('neurons/line_bias','-17.0347'),
    ('neurons/untrained_1','-0.9946, -0.7373'),
    ('neurons/untrained_2','3.0147, 6.6819'),
    ('neurons/output_bias','-0.4002'),
    ('neurons/on_ones','1.1982')])
def test_a_misprint_is_noticed(id, printed, monkeypatch):
    rows = [replace(o, printed=printed) if o.id==id else o for o in LEDGER]
    monkeypatch.setattr(table, 'read_claims', lambda group=None: rows)
    values = GROUPS[BY_ID[id].group]()
    assert id in differing([o for o in rows if o.id in values], values)

@pytest.mark.parametrize('seed', (1,2))
def test_the_net_of_the_thermometer_stays_within_its_limits(seed):
    assert differing(read_claims('net_claims'), GROUPS['net_claims'](seed=seed))==[]

def test_a_broken_step_is_noticed(monkeypatch):
    right = descent.apply_step
    def twice_as_far(params, t, targets, lr, **kwargs): return right(params, t, targets, 2*lr, **kwargs)
    monkeypatch.setattr(descent, 'apply_step', twice_as_far)
    for name in ('rmse_claims','mse_claims'): assert len(differing(read_claims(name), GROUPS[name]()))>=10

def test_gradients_that_do_not_add_up_are_noticed(shipped_digits, monkeypatch):
    right = chapter.calc_grad
    def forgetful(xb, yb, model, loss_func):
        for p in model.keywords.values(): p.grad = None
        return right(xb, yb, model, loss_func)
    rows = read_claims('batch_claims')
    before = differing(rows, GROUPS['batch_claims'](shipped_digits))
    monkeypatch.setattr(chapter, 'calc_grad', forgetful)
    after = differing(rows, GROUPS['batch_claims'](shipped_digits))
    assert {'whole/bias_grad_2','whole/bias_grad_3','pages/bias_grad_2'} <= set(after)-set(before)

def test_descent_by_hand():
    "From a = b = c = 0 with all measurements 1: the predictions fall short by 1 everywhere"
    assert follow_descent(1., [0.,0.,-2.], [0.], root=False)==[1.]
    grad = [-2*sum(t**2 for t in range(20))/20, -2*sum(range(20))/20, -2.]
    params = torch.zeros(3, dtype=torch.float64).requires_grad_()
    time = torch.arange(20, dtype=torch.float64)
    params.data -= 1e-5*torch.tensor(grad)
    loss = ((params[0]*time**2 + params[1]*time + params[2] - 1)**2).mean()
    assert follow_descent(1., grad, [1e-5], root=False)==pytest.approx([loss.item()])

# The page

def saved_html(source):
    for s,outputs in code('figures'):
        if source in s: return ''.join(outputs[0]['data']['text/html'])

def saved_tables(stem):
    "The tables of printed and yours that the notebook has saved"
    pages = [''.join(o.get('data', {}).get('text/html', '')) for _,outputs in code(stem) for o in outputs]
    return [page for page in pages if '<th>verdict</th>' in page]

def test_the_page_counts_what_the_table_holds():
    rows = re.findall(r'<th>(exact|band|draw|quoted)</th>(.*?)</tr>', saved_html('\nclaim_counts()'), re.S)
    counts = {kind: [int(o) for o in re.findall(r'<td>(\d+)</td>', cells)] for kind,cells in rows}
    expected = Counter((o.kind, o.source.split()[0]) for o in LEDGER)
    by_source = {kind: [expected[kind,source] for source in SOURCES] for kind in KINDS}
    assert counts=={kind: [*n, sum(n)] for kind,n in by_source.items()}
    assert claim_counts()['all'].sum()==len(LEDGER)

def groups_shown():
    "The groups that each cell of the page shows"
    sources = [source for source,_ in code('figures') if 'show_claims(' in source]
    return [[name for name in GROUPS if re.search(rf'\b{name}\(', source)] for source in sources]

def test_the_page_was_saved_on_the_full_sample():
    shown = saved_tables('figures')
    assert len(shown)==len(groups_shown()) and not any('<b>differs' in page for page in shown)
    (example,) = saved_tables('ledger/table')  # shows what a difference looks like
    assert '<b>differs' in example and '0.3000' in example

def test_every_remark_is_on_the_page():
    def shown(text): return re.sub('`(.*?)`', r'<code>\1</code>', text[:1].upper()+text[1:])
    notes,draws = saved_html('\nclaim_notes(claims)'),saved_html("o.kind=='draw'], 'how')")
    for o in LEDGER:
        assert shown(o.note) in notes, o.id
        if o.kind=='draw': assert shown(o.how) in draws, o.id

def test_every_group_has_its_table():
    assert sorted(sum(groups_shown(), []))==sorted(GROUPS)
    assert groups_shown().count([])==1  # the quoted ones
    for source,_ in code('figures'):
        for name in GROUPS:
            if re.search(rf'\b{name}\(', source): assert 'show_claims(' in source, source

# Every figure, on the full sample

@pytest.mark.full
@pytest.mark.parametrize('name', GROUPS)
def test_published_figures(name, full_digits):
    values = GROUPS[name](full_digits)
    wrong = [BY_ID[id] for id in differing(read_claims(name), values)]
    said = [f'{o.id}: printed {o.printed}, ours {values[o.id]}, limits {o.low} to {o.high}' for o in wrong]
    assert not wrong, '\n'+'\n'.join(said)

@pytest.mark.full
@pytest.mark.parametrize('name', ['own_loop_claims','linear_claims','lr10_claims'])
def test_published_figures_with_another_seed(name, full_digits):
    assert differing(read_claims(name), GROUPS[name](full_digits, seed=1))==[]

class NeverZero(BasicOptim):
    def zero_grad(self): pass

def slower(params, lr): return BasicOptim(params, lr/10)

def shuffled(digits): return digits.dataloaders()

def in_small_batches(digits): return digits.dataloaders(bs=128, shuffle=False)

def labelled_the_other_way(digits):
    x,y = digits.train
    return replace(digits, train=(x,1-y)).dataloaders(shuffle=False)

def compared_with_half(preds, targets): return ((preds>.5)==(targets==1)).float().mean()

@pytest.mark.full
@pytest.mark.parametrize('group, what, broken, least', [
    ('own_loop_claims', 'BasicOptim', slower, 30),
    ('own_loop_claims', 'BasicOptim', NeverZero, 30),
    ('own_loop_claims', '_in_order', labelled_the_other_way, 38),
    ('linear_claims', 'BasicOptim', slower, 30),
    ('linear_claims', '_in_order', shuffled, 90),
    ('linear_claims', '_in_order', in_small_batches, 80),
    ('linear_claims', 'batch_accuracy', compared_with_half, 50),
    ('lr10_claims', '_in_order', shuffled, 20)], ids=lambda o: getattr(o, '__name__', str(o)))
def test_a_broken_helper_leaves_its_limits(group, what, broken, least, full_digits, monkeypatch):
    monkeypatch.setattr(training, what, broken)
    assert len(differing(read_claims(group), GROUPS[group](full_digits)))>=least
