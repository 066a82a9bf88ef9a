"Modules and the training loop of the thermometer, where the lesson does not look"
import matplotlib.pyplot as plt, pytest, torch
from torch import nn,tensor
from fastbook_ch4.ledger.table import printed_numbers
from fastbook_ch4.optimizer import BasicOptim
from fastbook_ch4.thermometer import *

T_U,T_C = thermometer_readings()
TRAIN,VALID = hold_out(.1*T_U, T_C, [6,3])

def trained(train=TRAIN, valid=VALID, epochs=5, lr=1e-2, seed=0):
    "A line after `epochs`, and its losses"
    torch.manual_seed(seed)
    line = nn.Linear(1, 1)
    return line, training_loop(line, train, valid, BasicOptim(line.parameters(), lr), epochs)

def hooks(model): return sum(len(m._forward_hooks) for m in model.modules())

# Readings

def test_readings_cannot_be_spoilt_by_an_earlier_cell():
    thermometer_readings()[0].mul_(0)
    assert thermometer_readings()[0].min()>20

@pytest.mark.parametrize('valid', [[0], [10,0], (6,3), range(5), torch.randperm(11)[:2]])
def test_every_row_is_on_one_side(valid):
    (x,y),(vx,vy) = hold_out(T_U, T_C, valid)
    rows = [int(i) for i in valid]
    assert vx.equal(T_U[rows]) and vy.equal(T_C[rows])  # in the order given
    assert sorted(torch.cat([x,vx]).flatten().tolist())==sorted(T_U.flatten().tolist())
    assert len(x)==len(y)==11-len(valid)

# Hooks

def test_no_hook_is_left_behind():
    net = tanh_net(3)
    layer_outputs(net, torch.ones(2,1))
    assert hooks(net)==0

def test_no_hook_is_left_behind_by_a_failure():
    net = tanh_net(3)
    with pytest.raises(RuntimeError): layer_outputs(net, torch.ones(2,5))
    assert hooks(net)==0

def test_the_parts_of_a_part_count_as_one():
    net = nn.Sequential(tanh_net(3), nn.Tanh())
    outputs = layer_outputs(net, torch.ones(2,1))
    assert list(outputs)==['0','1'] and outputs['1'].equal(net(torch.ones(2,1)))

def test_a_part_that_works_in_place_does_not_spoil_what_came_before():
    net = nn.Sequential(nn.Linear(1, 4), nn.ReLU(inplace=True))
    nn.init.constant_(net[0].bias, -2.)
    outputs = layer_outputs(net, torch.ones(9,1))
    assert outputs['0'].equal(net[0](torch.ones(9,1))) and outputs['0'].min()<0<=outputs['1'].min()

def test_a_hook_of_the_readers_own_stays():
    net,seen = tanh_net(3),[]
    net.hidden_linear.register_forward_hook(lambda *_: seen.append(1))
    layer_outputs(net, torch.ones(2,1))
    assert hooks(net)==1==len(seen)

# Training

def test_validation_readings_do_not_train():
    one,_ = trained(valid=VALID)
    other,_ = trained(valid=(VALID[0]*100, VALID[1]))
    assert one.weight.equal(other.weight) and one.bias.equal(other.bias)

def test_a_gradient_left_from_before_does_not_count():
    _,expected = trained()
    torch.manual_seed(0)
    line = nn.Linear(1, 1)
    (1000*line(torch.ones(1))).sum().backward()
    assert training_loop(line, TRAIN, VALID, BasicOptim(line.parameters(), 1e-2), 5)==expected

def test_validation_in_evaluation_mode_and_training_in_training_mode():
    class Line(nn.Linear):
        def forward(self, x):
            modes.append((len(x), self.training))
            return super().forward(x)
    modes,line = [],Line(1, 1)
    training_loop(line, TRAIN, VALID, BasicOptim(line.parameters(), 1e-2), 2)
    assert modes==[(2,False),(9,True)]*2

def test_targets_without_the_last_axis():
    _,expected = trained()
    _,losses = trained(train=(TRAIN[0],TRAIN[1][:,0]), valid=(VALID[0],VALID[1][:,0]))
    assert losses==expected

def test_an_optimizer_of_pytorch_does_the_same():
    torch.manual_seed(0)
    line = nn.Linear(1, 1)
    losses = training_loop(line, TRAIN, VALID, torch.optim.SGD(line.parameters(), lr=1e-2), 50)
    assert torch.allclose(tensor(losses), tensor(trained(epochs=50)[1]), rtol=1e-4)

def test_training_twice_goes_on_where_it_stopped():
    _,expected = trained(epochs=6)
    line,first = trained(epochs=3)
    assert first + training_loop(line, TRAIN, VALID, BasicOptim(line.parameters(), 1e-2), 3)==expected

@pytest.mark.parametrize('lr, fine', [(.03,True), (.04,False)])
def test_the_limit_of_the_learning_rate(lr, fine):
    "2 divided by the steepest curvature of the loss, 0.0355 for the nine readings"
    if fine: assert trained(epochs=500, lr=lr)[1][-1][0]<30
    else:
        with pytest.raises(ValueError, match='smaller learning rate'): trained(epochs=500, lr=lr)

# Drawing

def test_one_figure_is_drawn_and_the_model_is_left_alone():
    plt.close('all')
    ax,line = plt.subplots()[1],nn.Linear(1, 1)
    show_fit({str(i): line for i in range(4)}, TRAIN, VALID, low=0, high=212, ax=ax)
    assert plt.get_fignums()==[ax.figure.number] and line.weight.grad is None
    assert len(ax.lines)==4 and ax.lines[0].get_xdata()[-1]==212
    plt.close('all')

# A step between two printed figures

def test_the_printed_answers_do_not_make_the_printed_loss():
    answers = [printed_numbers(f'neurons/net_at_{o}')[0] for o in (3,28)]
    loss = ((tensor(answers)[:,None]-VALID[1])**2).mean()
    assert f'{loss:.2f}'=='12.57' and printed_numbers('neurons/net_5000_valid')[0]==16.453
