"""The published figures as claims: read, computed again, compared, shown.

Written by hand; the modules are exported from nbs/ledger/. nbs/figures.ipynb shows the whole."""
from . import beyond, chapter, descent, table, training
from .table import *
from .descent import *
from .chapter import *
from .training import *
from .beyond import *

__all__ = ['GROUPS', *table.__all__, *descent.__all__, *chapter.__all__, *training.__all__,
           *beyond.__all__]

GROUPS = {f.__name__: f for f in (
    pixel_claims, distance_claims, baseline_claims, gradient_claims, rmse_claims, mse_claims,
    random_model_claims, loss_claims, batch_claims, own_loop_claims, linear_claims, lr10_claims,
    two_layer_claims, resnet_claims, neuron_claims, module_claims, line_claims, net_claims,
    birds_claims)}
