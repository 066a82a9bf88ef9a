"The ledger of published figures, its page, and what notices when a helper breaks"
import ast,math,re
from collections import Counter
from dataclasses import replace

import pytest, torch
from conftest import ROOT, code
from fastbook_ch4 import figures
from fastbook_ch4.data import Digits
from fastbook_ch4.figures import (GROUPS, Draw, as_printed, compare_figure, figure_counts, figure_table, follow_descent,
                                  mse_figures, read_figures, rmse_figures)
from fastbook_ch4.optimizer import BasicOptim

LEDGER = read_figures()
KINDS = {'exact': 'same', 'band': 'within', 'draw': 'holds', 'quoted': 'quoted'}
BY_ID = {f.id: f for f in LEDGER}


@pytest.fixture(scope='module')
def shipped_digits(shipped): return Digits.from_folder(shipped)

@pytest.fixture(scope='module')
def full_digits(full): return Digits.from_folder(full)

def differing(rows, values): return [f.id for f in rows if compare_figure(f, values[f.id])=='differs']

# The table

def test_ids_are_unique_and_begin_with_their_source():
    assert [i for i,n in Counter(f.id for f in LEDGER).items() if n>1]==[]
    for f in LEDGER: assert re.fullmatch(r'(whole|start|pages|book|neurons)/\w+', f.id) and f.id.split('/')[0]==f.source.split()[0], f.id

def test_every_row_says_what_it_is():
    for f in LEDGER:
        assert f.kind in KINDS and all((f.source, f.lesson, f.figure, f.printed, f.how)), f.id
        assert (ROOT/'nbs'/f'{f.lesson}.ipynb').exists(), f.id

def test_only_quoted_rows_have_no_group():
    for f in LEDGER: assert (f.group=='')==(f.kind=='quoted'), f.id
    assert {f.group for f in LEDGER if f.group}==set(GROUPS)

def test_bands_hold_what_was_printed():
    for f in LEDGER:
        if f.kind!='band': assert f.low is None is f.high, f.id
        else:
            assert math.isfinite(f.low) and math.isfinite(f.high) and f.low<f.high, f.id
            assert f.low<=float(f.printed)<=f.high or f.note, f.id

def test_draws_name_their_property():
    for f in LEDGER: assert bool(f.property)==(f.kind=='draw'), f.id

def test_quoted_rows_say_why():
    for f in LEDGER: assert f.kind!='quoted' or f.note, f.id

@pytest.mark.parametrize('start, n', [('whole/own_loop_',22), ('pages/own_loop_',22), ('whole/basic_optim_',20), ('pages/basic_optim_',20),
    ('whole/sgd_',20), ('book/sgd_',20), ('book/fit_',30), ('neurons/line_',10), ('neurons/net_',14), ('whole/lr10_',31), ('whole/rmse_slow_',10), ('whole/rmse_fast_',10), ('book/mse_after_',10)])
def test_no_epoch_and_no_step_is_missing(start, n): assert sum(f.id.startswith(start) for f in LEDGER)==n

# Comparing

@pytest.mark.parametrize('value, printed, text', [(.43333333,'0.4333','0.4333'), (6.,'9.','6.'), (6.5,'9.','6.5.'), (6131,'6265','6131'),
    (torch.tensor([[1.,2.],[3.,4.]]),'[[0., 0.], [0., 0.]]','[[1., 2.], [3., 4.]]'), ([True,False],'False, False','True, False'),
    (torch.Size([3,28]),'(0, 0)','(3, 28)'), ('10.png, 1.png','2.png','10.png, 1.png'), ([1,2],'7','[1, 2]'), (True,'1','True'),
    (-.00166,'-1.0000e-05','-1.6600e-03'), (float('nan'),'0.12','nan')])
def test_as_printed(value, printed, text): assert as_printed(value, printed)==text

def figure(**kwargs): return replace(LEDGER[0], **dict(dict(printed='0.9511', kind='exact', low=None, high=None), **kwargs))

@pytest.mark.parametrize('fig, value, verdict', [
    (figure(), .95114, 'same'), (figure(), .95116, 'differs'), (figure(), -.9511, 'differs'), (figure(), [.9511,.9511], 'differs'),
    (figure(), True, 'differs'), (figure(), float('nan'), 'differs'), (figure(), 'a post', 'differs'),
    (figure(printed='2, 3, 4'), [2,3,4], 'same'), (figure(printed='2, 3, 4'), [2,4,3], 'differs'), (figure(printed='(5, 28)'), (28,5), 'differs'),
    (figure(printed='True, 1.'), [True,1.], 'same'), (figure(printed='True, 1.'), [False,0.], 'differs'),
    (figure(kind='band', low=.9, high=.96), .9, 'within'), (figure(kind='band', low=.9, high=.96), .89999, 'differs'),
    (figure(kind='band', low=.9, high=.96), .97, 'differs'), (figure(kind='band', low=.9, high=.96), float('nan'), 'differs'),
    (figure(kind='draw'), Draw(.1, True), 'holds'), (figure(kind='draw'), Draw(.9511, False), 'differs'), (figure(kind='quoted'), None, 'quoted')])
def test_verdicts(fig, value, verdict): assert compare_figure(fig, value)==verdict

@pytest.mark.parametrize('fig, value', [(figure(kind='draw'), .9511), (figure(), Draw(.9511, True)), (figure(kind='band', low=0., high=1.), Draw(.5, True))])
def test_a_value_that_does_not_go_with_its_kind_is_refused(fig, value):
    with pytest.raises(TypeError, match='does not go with'): compare_figure(fig, value)

def test_a_line_is_shared_only_by_equal_verdicts():
    table = figure_table({'whole/sgd_03': .82, 'book/sgd_03': .82, 'whole/four_accuracy': .75, 'pages/four_accuracy': .75})
    assert table[['whole','pages','book','verdict']].values.tolist()==[['0.7500','','','same'], ['','0.5000','','differs'],
        ['0.8183','','0.8335',f'within {BY_ID["book/sgd_03"].low:g} to {BY_ID["book/sgd_03"].high:g}']]

# The groups, on the shipped digits

@pytest.mark.parametrize('name', [o for o in GROUPS if o!='resnet_figures'])  # the page checks the ids of the slow one
def test_a_group_returns_exactly_its_rows(name, shipped_digits):
    values,rows = GROUPS[name](shipped_digits),read_figures(name)
    assert set(values)=={f.id for f in rows}
    for f in rows: assert compare_figure(f, values[f.id]) in (KINDS[f.kind],'differs')

@pytest.mark.parametrize('name', ['gradient_figures','loss_figures','neuron_figures'])
def test_groups_without_chance_agree_on_any_machine(name): assert differing(read_figures(name), GROUPS[name]())==[]

@pytest.mark.parametrize('name', ['rmse_figures','mse_figures','module_figures'])
@pytest.mark.parametrize('seed', range(5))
def test_properties_of_a_descent_hold_for_any_draw(name, seed): assert differing(read_figures(name), GROUPS[name](seed=seed))==[]

@pytest.mark.parametrize('id, printed', [('whole/rmse_slow_05','174.60'), ('whole/rmse_fast_03','61.30'), ('whole/rmse_loss','187.7359'),
    ('whole/rmse_gradient','-165.9894, -10.6550, 0.7822'), ('book/mse_after_02','1578.4'), ('book/params','-0.2338, -0.7164, 1.3550'),
    ('book/mse_gradient','-53195.8594, -3419.7146, -283.8908'), ('neurons/line_1000_train','4.4577'), ('neurons/line_0001_valid','372.4021'),
    ('neurons/line_bias','-17.0347'), ('neurons/untrained_1','-0.9946, -0.7373'), ('neurons/untrained_2','3.0147, 6.6819'),
    ('neurons/output_bias','-0.4002'), ('neurons/on_ones','1.1982')])
def test_a_misprint_is_noticed(id, printed, monkeypatch):
    rows = [replace(f, printed=printed) if f.id==id else f for f in LEDGER]
    monkeypatch.setattr(figures, 'read_figures', lambda group=None: rows)
    values = GROUPS[BY_ID[id].group]()
    assert id in differing([f for f in rows if f.id in values], values)

@pytest.mark.parametrize('seed', (1,2))
def test_the_net_of_the_thermometer_stays_within_its_limits(seed):
    assert differing(read_figures('thermometer_figures'), GROUPS['thermometer_figures'](seed=seed))==[]

def test_a_broken_step_is_noticed(monkeypatch):
    right = figures.apply_step
    monkeypatch.setattr(figures, 'apply_step', lambda params,t,targets,lr,**kw: right(params, t, targets, 2*lr, **kw))
    for name in ('rmse_figures','mse_figures'): assert len(differing(read_figures(name), GROUPS[name]()))>=10

def test_gradients_that_do_not_add_up_are_noticed(shipped_digits, monkeypatch):
    right = figures.calc_grad
    def forgetful(xb, yb, model, loss_func):
        for p in model.keywords.values(): p.grad = None
        return right(xb, yb, model, loss_func)
    rows = read_figures('batch_figures')
    before = differing(rows, GROUPS['batch_figures'](shipped_digits))
    monkeypatch.setattr(figures, 'calc_grad', forgetful)
    assert {'whole/bias_grad_2','whole/bias_grad_3','pages/bias_grad_2'} <= set(differing(rows, GROUPS['batch_figures'](shipped_digits)))-set(before)

def test_descent_by_hand():
    "From a = b = c = 0 with all measurements 1: the predictions fall short by 1 everywhere"
    assert follow_descent(1., [0.,0.,-2.], [0.], root=False)==[1.]
    grad = [-2*sum(t**2 for t in range(20))/20, -2*sum(range(20))/20, -2.]
    params = torch.zeros(3, dtype=torch.float64).requires_grad_()
    time = torch.arange(20, dtype=torch.float64)
    loss = lambda: ((params[0]*time**2 + params[1]*time + params[2] - 1)**2).mean()
    params.data -= 1e-5*torch.tensor(grad)
    assert follow_descent(1., grad, [1e-5], root=False)==pytest.approx([loss().item()])

# The page

def saved_html(source):
    for s,outputs in code('figures'):
        if source in s: return ''.join(outputs[0]['data']['text/html'])

def test_the_page_counts_what_the_table_holds():
    rows = re.findall(r'<th>(exact|band|draw|quoted)</th>(.*?)</tr>', saved_html('\nfigure_counts()'), re.S)
    counts = {kind: [int(o) for o in re.findall(r'<td>(\d+)</td>', cells)] for kind,cells in rows}
    expected = Counter((f.kind, f.source.split()[0]) for f in LEDGER)
    assert counts=={k: [*(n := [expected[k,s] for s in ('whole','start','pages','book','neurons')]), sum(n)] for k in KINDS}
    assert figure_counts()['all'].sum()==len(LEDGER)

def test_the_page_was_saved_on_the_full_sample():
    pages = [''.join(o.get('data', {}).get('text/html', '')) for source,outputs in code('figures') for o in outputs if 'figures(' in source]
    shown = [p for p in pages if '<th>verdict</th>' in p]
    differ = [p for p in shown if '<b>differs' in p]
    assert len(shown)==len(GROUPS)+2 and len(differ)==1 and '0.3000' in differ[0]  # one shows what a difference looks like

def test_every_remark_is_on_the_page():
    shown = lambda text: re.sub('`(.*?)`', r'<code>\1</code>', text[:1].upper()+text[1:])
    notes,draws = saved_html('\nfigure_notes(figures)'),saved_html("f.kind=='draw'], 'how')")
    for f in LEDGER:
        assert shown(f.note) in notes, f.id
        if f.kind=='draw': assert shown(f.how) in draws, f.id

def test_a_table_follows_every_group():
    sources = [source for source,_ in code('figures')]
    for source,following in zip(sources, sources[1:]):
        names = [d.name for d in ast.parse(source).body if isinstance(d, ast.FunctionDef)] if source.startswith('#| export') else []
        if set(names)&set(GROUPS): assert f'= {names[0]}(' in following and 'show_figures(' in following

# Every figure, on the full sample

@pytest.mark.full
@pytest.mark.parametrize('name', GROUPS)
def test_published_figures(name, full_digits):
    values,rows = GROUPS[name](full_digits),read_figures(name)
    wrong = [f'{f.id}: printed {f.printed}, ours {values[f.id]}, limits {f.low} to {f.high}' for f in rows if f.id in differing(rows, values)]
    assert not wrong, '\n'+'\n'.join(wrong)

@pytest.mark.full
@pytest.mark.parametrize('name', ['own_loop_figures','linear_figures','lr10_figures'])
def test_published_figures_with_another_seed(name, full_digits):
    assert differing(read_figures(name), GROUPS[name](full_digits, seed=1))==[]

class NeverZero(BasicOptim):
    def zero_grad(self): pass

def slower(params, lr): return BasicOptim(params, lr/10)
def loaders(digits, y=lambda y: y, **kwargs):
    (x,targets),vocab = digits.train,digits.labels[::-1]
    return Digits('', vocab, (x,y(targets)), digits.valid).dataloaders(**kwargs)

@pytest.mark.full
@pytest.mark.parametrize('name, group, what, broken, least', [
    ('a tenth of the learning rate', 'own_loop_figures', 'BasicOptim', slower, 30),
    ('gradients never set to zero', 'own_loop_figures', 'BasicOptim', NeverZero, 30),
    ('labels numbered the other way', 'own_loop_figures', 'in_order', lambda d: loaders(d, lambda y: 1-y, shuffle=False), 38),
    ('a tenth of the learning rate', 'linear_figures', 'BasicOptim', slower, 30),
    ('shuffled batches', 'linear_figures', 'in_order', loaders, 90),
    ('smaller batches', 'linear_figures', 'in_order', lambda d: loaders(d, bs=128, shuffle=False), 80),
    ('logits compared with 0.5', 'linear_figures', 'batch_accuracy', lambda preds,y: ((preds>.5)==(y==1)).float().mean(), 50),
    ('shuffled batches', 'lr10_figures', 'in_order', loaders, 20)], ids=lambda o: o.replace(' ','-') if isinstance(o, str) else '')
def test_a_broken_helper_leaves_its_limits(name, group, what, broken, least, full_digits, monkeypatch):
    monkeypatch.setattr(figures, what, broken)
    assert len(differing(read_figures(group), GROUPS[group](full_digits)))>=least
