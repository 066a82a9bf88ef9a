"Neurons, slopes and chords: properties beyond what lesson 12 shows"
import matplotlib.pyplot as plt, pytest, torch, torch.nn.functional as F
from torch import tensor
from fastbook_ch4.neurons import *

X = torch.linspace(-4, 4, 81, dtype=torch.float64)

# One neuron

@pytest.mark.parametrize('n_in', [1,2,784])
def test_a_neuron_is_one_row_of_a_linear_layer(n_in):
    torch.manual_seed(n_in)
    layer,x = torch.nn.Linear(n_in, 3),torch.rand(5, n_in)
    for row in range(3):
        ours = neuron(x, layer.weight[row], layer.bias[row], torch.sigmoid)
        torch.testing.assert_close(ours, torch.sigmoid(layer(x))[:,row])

def test_one_weight_keeps_the_shape(): assert neuron(torch.ones(2,3,4), 2., 1.).shape==(2,3,4)

def test_one_item_gives_one_number(): assert neuron(tensor([1.,2.]), [3.,-1.], .5, F.relu)==1.5

def test_numbers_keep_the_precision_of_the_inputs():
    assert neuron(X, .1, .2).dtype==torch.float64 and torch.equal(neuron(X, .1, .2), torch.tanh(.1*X+.2))

def test_gradients_reach_weight_and_bias():
    w,b = tensor([1.,-1.]).requires_grad_(),tensor([.5]).requires_grad_()
    neuron(torch.ones(4,2), w, b).sum().backward()
    assert (w.grad!=0).all() and (b.grad!=0).all()

# Slopes

@pytest.mark.parametrize('f', [torch.tanh, torch.sigmoid, F.gelu, F.softplus, softmax_share, torch.sin])
def test_slopes_are_what_a_small_move_shows(f):
    torch.testing.assert_close(slopes(f, X), (f(X+1e-6)-f(X-1e-6))/2e-6, rtol=0, atol=1e-7)

def test_slopes_leave_their_places_alone():
    x = torch.ones(2,3, requires_grad=True)
    assert slopes(torch.square, x).shape==(2,3) and x.grad is None

def test_slopes_of_a_mean_removed_are_refused():
    "Like softmax, but its sum is 0 whatever comes in"
    with pytest.raises(ValueError, match='each number on its own'): slopes(lambda x: x-x.mean(), X)

@pytest.mark.parametrize('others', [(0.,), (0.,0.), (1.,-2.,30.)])
def test_softmax_share_is_the_first_of_softmax(others):
    for x in X:
        scores = torch.cat([x[None], X.new_tensor(others)])
        torch.testing.assert_close(softmax_share(x, others), scores.softmax(0)[0])

# The six questions

def line(x): return 3*x-1

BOTH = ['left','right']

@pytest.mark.parametrize('f, nonlinear, kinks, sensitive, saturated, lower, upper', [
    (F.relu,       True,  [0.],     (0.,10.),   ['left'], 0.,   None),
    (F.leaky_relu, True,  [0.],     (-10.,10.), [],       None, None),
    (F.hardtanh,   True,  [-1.,1.], (-1.,1.),   BOTH,     -1.,  1.),
    (torch.tanh,   True,  [],       (-3.3,3.3), BOTH,     -1.,  1.),
    (torch.sign,   True,  [],       None,       BOTH,     -1.,  1.),
    (F.silu,       True,  [],       (-7.1,10.), ['left'], -.28, None),
    (line,         False, [],       (-10.,10.), [],       None, None)],
    ids=['relu','leaky','hardtanh','tanh','sign','silu','line'])
def test_traits(f, nonlinear, kinks, sensitive, saturated, lower, upper):
    assert activation_traits(f)=={'nonlinear': nonlinear, 'kinks at': kinks, 'sensitive': sensitive,
                                  'saturated': saturated, 'lower bound': lower, 'upper bound': upper}

def test_a_larger_limit_narrows_the_sensitive_range():
    narrow,wide = [activation_traits(torch.tanh, limit)['sensitive'] for limit in (.1,.001)]
    assert wide[0]<narrow[0]<0<narrow[1]<wide[1]

def test_the_grey_ground_is_where_the_slope_is_small():
    _,ax = plt.subplots()
    plot_activation(F.hardtanh, 'hardtanh', ax)
    grey = torch.cat([torch.as_tensor(p.vertices[:,0]) for p in ax.collections[0].get_paths()])
    assert ((grey<=-.99) | (grey>=.99)).all() and ax.get_title()=='hardtanh'
    plt.close()

# Chords

@pytest.mark.parametrize('seed', range(8))
def test_squared_errors_of_a_linear_model_are_convex(seed):
    torch.manual_seed(seed)
    x,y = torch.randn(20,3, dtype=torch.float64),torch.randn(20, dtype=torch.float64)
    assert above_chord(lambda w: ((x@w-y)**2).mean(), *10*torch.randn(2,3, dtype=torch.float64))<1e-6

@pytest.mark.parametrize('seed', range(8))
def test_between_two_orders_of_hidden_neurons_lies_a_hill(seed):
    "Exchanging two neurons changes nothing; what lies halfway is another network, if the two differ plainly"
    torch.manual_seed(seed)
    p = torch.randn(2,3, dtype=torch.float64)+tensor([[2.,0.,2.],[-2.,0.,2.]])
    def net(p): return sum(out*neuron(X, w, b) for w,b,out in p)
    def loss(q): return ((net(q)-net(p))**2).mean()
    assert loss(p.flip(0))<1e-20 and above_chord(loss, p, p.flip(0))>1e-4

@pytest.mark.parametrize('f, kinks', [
    (lambda x: 3*x**2, []), (torch.exp, []), (lambda x: torch.sigmoid(10*x), []), (torch.abs, [0.]),
    (lambda x: torch.relu(x-1), [1.])])
def test_a_bend_is_no_kink(f, kinks):
    "However strong the bend is"
    assert activation_traits(f)['kinks at']==kinks
