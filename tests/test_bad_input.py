"Wrong input is refused with an error that says what was wrong; nothing is answered in silence"
import math
from unicodedata import normalize

import matplotlib.pyplot as plt, pytest, torch
from PIL import Image
from fastai.metrics import accuracy
from fastcore.all import L
from torch import nn,tensor
from fastbook_ch4.application import *
from fastbook_ch4.baseline import *
from fastbook_ch4.birds import *
from fastbook_ch4.data import *
from fastbook_ch4.descent import *
from fastbook_ch4.multiclass import *
from fastbook_ch4.ladder import *
from fastbook_ch4.plumbing.steps import *
from fastbook_ch4.learner import *
from fastbook_ch4.loss import *
from fastbook_ch4.models import *
from fastbook_ch4.neurons import *
from fastbook_ch4.optimizer import *
from fastbook_ch4.thermometer import *
from fastbook_ch4.training import *
from fastbook_ch4.vision import *
from fastbook_ch4.plumbing.checks import (check_bytes, check_classes, check_pixels, check_probs,
                                          check_targets, check_tensors, pair_up)
from fastbook_ch4.plumbing.images import colour_images, folder_notes, grey_image, image_files, open_image
from fastbook_ch4.plumbing.loops import epochs_for
from fastbook_ch4.plumbing.mistakes import show_mistakes
from fastbook_ch4.plumbing.plots import show_preds
from fastbook_ch4.plumbing.pictures import grey_levels, open_picture, other_digits
from fastbook_ch4.plumbing.steps import *

ONES,ZEROS = torch.ones(4,28,28),torch.zeros(4,1)
BYTES = torch.zeros(4,3,8,8, dtype=torch.uint8)
READINGS = torch.ones(4,1),torch.zeros(4,1)

MEANS = {'3': ONES[0], '7': ONES[0]}
CLASSES,PICTURES = tensor([0,1,0,1]),ONES[:,None]
FAMILIAR = Familiar(ONES, ONES[:0])

def one_distance(images, mean): return (images-mean).abs().mean()

def nan_distances(images, mean): return (images-mean).sum((1,2))*math.nan

def digit_model(n_out): return DigitModel(nn.Linear(784,n_out), ['7','3'], 'linear', FAMILIAR)

def explode():
    "Ten plain degrees where tens of degrees are due"
    line,(t_u,t_c) = nn.Linear(1, 1),thermometer_readings()
    training_loop(line, *hold_out(t_u, t_c, [6,3]), BasicOptim(line.parameters(), 1e-2), 100)

CASES = {
    # name: (call, what the message must say), and the error if it is no `ValueError`
    'loss: (N,1) against (M,)':
        (lambda: mnist_loss(ZEROS, torch.zeros(3)), r'\(4, 1\) predictions .* \(3,\) targets'),
    'loss: (N,2)': (lambda: mnist_loss(torch.zeros(4,2), torch.zeros(4)), r'\(4, 2\) predictions'),
    'loss: (N,2) against (N,1)':
        (lambda: mnist_loss(torch.zeros(4,2), ZEROS), r'\(4, 2\) predictions'),
    'loss: (1,1) against (N,1)':
        (lambda: mnist_loss(torch.zeros(1,1), ZEROS), r'\(1, 1\) predictions'),
    'loss: targets 3 and 7': (lambda: mnist_loss(torch.zeros(2), tensor([3,7])), 'one is 3'),
    'loss: target 0.5': (lambda: mnist_loss(torch.zeros(2), tensor([1.,.5])), 'one is 0.5'),
    'loss: target NaN': (lambda: mnist_loss(torch.zeros(1), tensor([math.nan])), 'one is nan'),
    'loss: empty batch': (lambda: mnist_loss(torch.zeros(0,1), torch.zeros(0,1)), 'empty'),
    'loss: unknown reduction':
        (lambda: mnist_loss(ZEROS, ZEROS, reduction='average'), "'mean', 'sum' or 'none'"),
    'accuracy: (N,1) against (M,)':
        (lambda: batch_accuracy(ZEROS, torch.zeros(3)), r'\(4, 1\) predictions'),
    'accuracy: (N,2)':
        (lambda: batch_accuracy(torch.zeros(4,2), torch.zeros(4)), r'\(4, 2\) predictions'),
    'accuracy: targets 3 and 7':
        (lambda: batch_accuracy(torch.zeros(2), tensor([3,7])), 'one is 3'),
    'accuracy: empty batch': (lambda: batch_accuracy(torch.zeros(0), torch.zeros(0)), 'empty'),
    'accuracy: NaN predictions':
        (lambda: batch_accuracy(torch.full((4,1), math.nan), ZEROS), 'NaN'),
    'loss: on two devices':
        (lambda: mnist_loss(ZEROS.to('meta'), ZEROS), 'on meta, targets on cpu'),
    'accuracy: on two devices':
        (lambda: batch_accuracy(ZEROS.to('meta'), ZEROS), r'\.to\(device\)'),
    'loss: one-hot targets':
        (lambda: mnist_loss(torch.zeros(4,2), torch.eye(2)[[0,1,0,1]]), 'one per image'),
    'accuracy: one-hot targets':
        (lambda: batch_accuracy(torch.eye(10), torch.eye(10).flip(0)), 'one per image'),
    'loss: lists': (lambda: mnist_loss([0.,1.], [0,1]), 'torch.as_tensor', TypeError),
    'mse: integers': (lambda: mse(tensor([1,2]), tensor([1,3])), r'preds\.float', TypeError),
    'distance: an array':
        (lambda: mnist_distance(ONES.numpy(), ONES.numpy()), 'not ndarray', TypeError),
    'distance: on two devices': (lambda: mnist_distance(ONES, ONES.to('meta')), 'cpu and meta'),
    'classifier: forgotten means':
        (lambda: PixelSimilarity({'3': ONES, '7': ONES}), r'not \(4, 28, 28\)'),
    'classifier: one distance':
        (lambda: PixelSimilarity(MEANS, one_distance).predict(ONES), 'one number per image'),
    'classifier: NaN distances': (lambda: PixelSimilarity(MEANS, nan_distances).predict(ONES), 'NaN'),
    'linear1: a bias per image':
        (lambda: linear1(torch.ones(4,3), torch.ones(3,1), torch.ones(4)), 'do not go together'),
    'linear1: pictures, not rows':
        (lambda: linear1(ONES, torch.ones(784,1), torch.ones(1)), r'flatten\(1\)'),
    'calc_grad: accuracy':
        (lambda: calc_grad(torch.ones(2,3), torch.ones(2,1), nn.Linear(3,1), batch_accuracy),
         'Accuracy has no gradient'),
    'calc_grad: a loss per item':
        (lambda: calc_grad(torch.ones(2,3), torch.ones(2,1), nn.Linear(3,1), lambda p,t: p-t),
         'one number'),
    'apply_step: no gradient':
        (lambda: apply_step(torch.ones(3), torch.ones(4), torch.zeros(4), .1),
         'require a gradient'),
    'BasicOptim: calculated':
        (lambda: BasicOptim([torch.ones(3).requires_grad_()*.01], .1), r'requires_grad_\(\) last'),
    'loaders: a set of labels':
        (lambda: Digits('', {'3','7'}, (ONES,ZEROS), (ONES,ZEROS)).dataloaders(),
         'in the order of the targets'),
    'loaders: twice the same label':
        (lambda: Digits('', ['3','3'], (ONES,ZEROS), (ONES,ZEROS)).dataloaders(), 'two labels'),
    'ladder: lr below 0': (lambda: own_loop(None, lr=-1.), 'positive finite'),
    'ladder: a step by another name': (lambda: run_step('sgd', None), "no step 'sgd'"),
    'mistakes: more probabilities':
        (lambda: show_mistakes(ONES[:2], tensor([.9]*4), tensor([1,1,1,0]), ['7','3']),
         '2 images and 4'),
    'mistakes: two columns':
        (lambda: most_wrong(tensor([.9,.2,.8,.1]), tensor([[1,0],[1,0]])), 'do not pair up'),
    'validate: NaN':
        (lambda: validate_epoch(nn.Identity(), [(torch.full((3,2), math.nan), CLASSES[:3])], accuracy),
         'NaN'),
    'slopes: a running sum': (lambda: slopes(lambda x: x.cumsum(0), torch.ones(4)), 'on its own'),
    'slopes: log of -1': (lambda: slopes(torch.log, tensor([-1.])), 'NaN'),
    'colour loaders: targets 7 and 8':
        (lambda: colour_dataloaders((BYTES,CLASSES+7), (BYTES,CLASSES), ['a','b']), 'from 7 to 8'),
    'colour loaders: fewer targets':
        (lambda: colour_dataloaders((BYTES,CLASSES[:2]), (BYTES,CLASSES), ['a','b']),
         '4 images and 2 targets'),
    'channel stats: channels last':
        (lambda: channel_stats(BYTES.permute(0,2,3,1)), r'permute\(0,3,1,2\)'),
    'standardise: means in a column':
        (lambda: standardise(BYTES, torch.ones(3,1,1), torch.ones(3,1,1)), '3 channels'),
    'familiar: pixels to 255': (lambda: Familiar(ONES*255, ONES[:0]), 'from 255 to 255'),
    'familiar: two sizes': (lambda: Familiar(ONES, torch.ones(2,20,20)), 'of one size'),
    'digit model: pictures of 14x56':
        (lambda: digit_model(1).probs(torch.ones(1,14,56)), r'\(n, 28, 28\)'),
    'digit model: numbers as labels':
        (lambda: DigitModel(nn.Linear(784,1), [7,3], 'linear', None), 'Two labels'),
    'save: another architecture':
        (lambda: save_digit_model(digit_model(2), 'nowhere'), 'could not be loaded'),
    'other digits: none left': (lambda: other_digits(range(10)), 'No picture is left'),
    'mse: (N,1) against (M,)': (lambda: mse(ZEROS, torch.zeros(3)), r'\(4, 1\)'),
    'mse: empty': (lambda: mse(torch.zeros(0), torch.zeros(0)), 'empty'),
    'rmse: (N,) against (M,)': (lambda: rmse_loss(torch.zeros(4), torch.zeros(3)), r'\(4,\)'),
    'distance: integer pixels':
        (lambda: mnist_distance(ONES.int(), ONES), r'x\.float\(\)/255', TypeError),
    'distance: pixels to 255': (lambda: mnist_distance(ONES*255, ONES), 'from 255 to 255'),
    'distance: NaN pixels': (lambda: mnist_distance(ONES*math.nan, ONES), 'nan'),
    'distance: other size': (lambda: mnist_distance(ONES, ONES[:,1:]), r'\(4, 27, 28\)'),
    'distance: 4 against 3 images': (lambda: mnist_distance(ONES, ONES[:3]), r'\(3, 28, 28\)'),
    'distance: flattened': (lambda: mnist_distance(ONES[0], ONES[0].flatten()), r'\(784,\)'),
    'distance: no image': (lambda: mnist_distance(ONES[:0], ONES[0]), 'no pixels'),
    'mean digit: one image': (lambda: mean_digit(ONES[0]), r'\(n, height, width\)'),
    'mean digit: no image': (lambda: mean_digit(ONES[:0]), 'no pixels'),
    'mean digit: integers': (lambda: mean_digit(ONES.int()), 'floats', TypeError),
    'classifier: three means':
        (lambda: PixelSimilarity({'1': ONES[0], '2': ONES[0], '3': ONES[0]}), 'Two mean images'),
    'quadratic: two parameters': (lambda: quadratic(ZEROS, tensor([1.,2.])), '3 parameters'),
    'linear1: integer pixels':
        (lambda: linear1(torch.ones(2,784).int(), torch.ones(784,1), torch.ones(1)),
         r'xb\.float\(\)/255', TypeError),
    'train_epoch: no batch': (lambda: train_epoch(None, [], None, None), 'no batch'),
    'validate_epoch: no batch': (lambda: validate_epoch(None, []), 'no batch'),
    'train_model: no epoch': (lambda: train_model(None, None, None, 0), 'at least 1 epoch'),
    'BasicOptim: no parameters': (lambda: BasicOptim([], .1), 'no parameters'),
    'BasicOptim: empty group': (lambda: BasicOptim([[]], .1), 'no parameters'),
    'BasicOptim: used-up generator': (lambda: BasicOptim(iter(()), .1), 'no parameters'),
    'BasicOptim: a module': (lambda: BasicOptim(nn.Linear(2,1), .1), 'model.parameters', TypeError),
    'BasicOptim: named parameters':
        (lambda: BasicOptim(nn.Linear(2,1).named_parameters(), .1), 'named_parameters', TypeError),
    'BasicOptim: dicts':
        (lambda: BasicOptim([{'params': [ZEROS]}], .1), 'lists of tensors', TypeError),
    'BasicOptim: lr 0': (lambda: BasicOptim([ZEROS], 0), 'positive finite'),
    'BasicOptim: lr negative': (lambda: BasicOptim([ZEROS], -.1), 'positive finite'),
    'BasicOptim: lr infinite': (lambda: BasicOptim([ZEROS], math.inf), 'positive finite'),
    'BasicOptim: lr NaN': (lambda: BasicOptim([ZEROS], math.nan), 'positive finite'),
    'BasicOptim: lr text': (lambda: BasicOptim([ZEROS], '0.1'), "'0.1'"),
    'BasicOptim: lr set later':
        (lambda: BasicOptim([ZEROS], .1).set_hypers(lr=-1.), 'positive finite'),
    'BasicOptim: weight decay': (lambda: BasicOptim([ZEROS], .1, wd=.01), 'no weight decay'),
    'BasicOptim: decay set later':
        (lambda: BasicOptim([ZEROS], .1).set_hypers(wd=.01), 'no weight decay'),
    'apply_step: lr 0':
        (lambda: apply_step(torch.ones(3).requires_grad_(), ZEROS, ZEROS, lr=0), 'positive finite'),
    'saturation: NaN': (lambda: saturation(ZEROS*math.nan), 'NaN'),
    'probabilities: logits': (lambda: most_wrong(tensor([.3,5.]), tensor([1,1])), 'sigmoid'),
    'probabilities: NaN': (lambda: most_wrong(tensor([.3,math.nan]), tensor([1,1])), 'NaN'),
    'probabilities: two columns': (lambda: decode_targets(torch.ones(3,2)), r'\(3, 2\)'),
    'balanced accuracy: 3 and 7': (lambda: balanced_accuracy(tensor([.9,.2]), tensor([3,7])), 'one is 3'),
    'balanced accuracy: one class': (lambda: balanced_accuracy(tensor([.9,.2]), tensor([1,1])), 'same'),
    'loaders: fewer targets':
        (lambda: Digits('', ['7','3'], (ONES,ZEROS[:3]), (ONES,ZEROS)).dataloaders(),
         '4 images need targets'),
    'loaders: targets 3 and 7':
        (lambda: Digits('', ['7','3'], (ONES,ZEROS+7), (ONES,ZEROS)).dataloaders(), '0 or 1'),
    'loaders: other size in valid':
        (lambda: Digits('', ['7','3'], (ONES,ZEROS), (ONES[:,1:],ZEROS)).dataloaders(), 'one size'),
    'loaders: flattened':
        (lambda: Digits('', ['7','3'], (ONES.flatten(1),ZEROS), (ONES.flatten(1),ZEROS)).dataloaders(),
         r'\(n, h, w\)'),
    'loaders: one label':
        (lambda: Digits('', '73', (ONES,ZEROS), (ONES,ZEROS)).dataloaders(), 'two labels'),
    'saturation: nothing': (lambda: saturation(torch.zeros(0)), 'no logits'),
    'epochs_for: no batch': (lambda: epochs_for(0, 10), 'at least 1'),
    'ladder: unknown step': (lambda: run_ladder(None, ['forest']), 'forest'),
    'ladder: no step': (lambda: run_ladder(None, []), 'at least one'),
    'neuron: integers': (lambda: neuron(tensor([1,2]), 1., 0.), r'x\.float\(\)', TypeError),
    'neuron: two inputs, 3 weights':
        (lambda: neuron(torch.ones(4,2), torch.ones(3), 0.),
         r'\(4, 2\) do not go with weights of shape \(3,\)'),
    'neuron: a column of weights':
        (lambda: neuron(torch.ones(4,2), torch.ones(2,1), 0.), r'as \(n_in,\)'),
    'neuron: a number, 2 weights':
        (lambda: neuron(tensor(1.), torch.ones(2), 0.), r'shape \(\) do not go'),
    'neuron: two biases': (lambda: neuron(torch.ones(2), 1., torch.zeros(2)), 'one bias, not 2'),
    'slopes: integers': (lambda: slopes(torch.tanh, tensor([1,2])), r'x\.float\(\)', TypeError),
    'slopes: no place': (lambda: slopes(torch.tanh, torch.zeros(0)), 'no place'),
    'slopes: softmax over the places':
        (lambda: slopes(lambda x: x.softmax(0), torch.ones(4)), 'softmax_share'),
    'slopes: a sum': (lambda: slopes(torch.sum, torch.ones(4)), 'each number on its own'),
    'slopes: a comparison': (lambda: slopes(lambda x: (x>0).float(), torch.ones(4)), 'no gradient'),
    'softmax: one score': (lambda: softmax_share(torch.ones(2), []), 'always 1'),
    'traits: logarithm': (lambda: activation_traits(torch.log), 'NaN'),
    'traits: softmax': (lambda: activation_traits(lambda x: x.softmax(0)), 'softmax_share'),
    'chord: other shape':
        (lambda: above_chord(torch.sum, torch.ones(2), torch.ones(3)), r'\(2,\) and \(3,\)'),
    'chord: two places':
        (lambda: above_chord(torch.sum, torch.ones(2), torch.ones(2), n=2), 'not 2 places'),
    'chord: a loss per item':
        (lambda: above_chord(torch.square, torch.ones(2), torch.zeros(2)), r'not of shape \(2,\)'),
    'chord: infinite loss': (lambda: above_chord(torch.log, tensor(0.), tensor(1.)), 'closer'),
    'tanh_net: no hidden unit': (lambda: tanh_net(0), 'at least 1 hidden unit, not 0'),
    'layer_outputs: a single layer': (lambda: layer_outputs(nn.Linear(1,1), ONES), 'no parts'),
    'hold_out: 4 against 3':
        (lambda: hold_out(torch.ones(4,1), torch.ones(3,1), [0]),
         '4 inputs do not pair up with 3 targets'),
    'hold_out: nothing': (lambda: hold_out(*READINGS, []), 'some rows, but not all'),
    'hold_out: everything': (lambda: hold_out(*READINGS, range(4)), 'not all'),
    'hold_out: the same row twice':
        (lambda: hold_out(*READINGS, [1,1]), r'different numbers from 0 to 3, not by \[1, 1\]'),
    'hold_out: no such row': (lambda: hold_out(*READINGS, [4]), 'from 0 to 3'),
    'hold_out: a row from the end': (lambda: hold_out(*READINGS, [-1]), 'from 0 to 3'),
    'training_loop: no epoch':
        (lambda: training_loop(None, READINGS, READINGS, None, 0), 'at least 1 epoch'),
    'training_loop: (N,1) and (M,1)':
        (lambda: training_loop(nn.Linear(1,1), READINGS, (READINGS[0],torch.zeros(3,1)), None, 1),
         r'\(4, 1\) predictions'),
    'training_loop: no reading':
        (lambda: training_loop(nn.Linear(1,1), READINGS, [torch.ones(0,1)]*2, None, 1), 'empty'),
    'training_loop: too large steps': (explode, 'smaller learning rate'),
    'pick classes: a cow':
        (lambda: pick_classes(BYTES, torch.zeros(4).long(), ('bird','cow')), 'cow'),
    'pick classes: twice the same':
        (lambda: pick_classes(BYTES, torch.zeros(4).long(), ('bird','bird')), 'once'),
    'pick classes: fewer targets':
        (lambda: pick_classes(BYTES, torch.zeros(3).long()), '4 images and 3 targets'),
    'channel stats: floats':
        (lambda: channel_stats(BYTES.float()), 'bytes from 0 to 255', TypeError),
    'channel stats: one image': (lambda: channel_stats(BYTES[0]), r'\(3, 8, 8\)'),
    'channel stats: no image': (lambda: channel_stats(BYTES[:0]), r'\(0, 3, 8, 8\)'),
    'standardise: one grey':
        (lambda: standardise(BYTES, *channel_stats(BYTES)), 'must be positive'),
    'standardise: floats':
        (lambda: standardise(BYTES.float(), torch.ones(3), torch.ones(3)),
         'bytes from 0 to 255', TypeError),
    'standardise: two channels':
        (lambda: standardise(BYTES, torch.ones(2), torch.ones(2)), '3 channels'),
    'shift: beyond the picture':
        (lambda: shift_images(ONES, 28, 0), '28x28 pixels cannot be moved by 28 and 0'),
    'colour loaders: bs 0':
        (lambda: colour_dataloaders((BYTES,CLASSES), (BYTES,CLASSES), ['a','b'], bs=0), 'bs=0'),
    'skip cells: no notebook': (lambda: skip_cells(images='none'), 'no notebook', RuntimeError),
    'CIFAR-10 of torchvision':
        (lambda: torchvision_cifar(root='/nowhere'), 'download=True', FileNotFoundError),
    'birds: no such folder':
        (lambda: birds_and_planes('/nowhere'), 'Expected train and test', FileNotFoundError),
    'few of each: too many': (lambda: few_of_each(tensor([0,0,1]), 2), 'rarest occurs 1 times'),
    'few of each: none': (lambda: few_of_each(tensor([0,0,1]), 0), 'Cannot draw 0'),
    'few of each: no targets': (lambda: few_of_each(tensor([]), 1), 'occurs 0 times'),
    'class loaders: unknown target':
        (lambda: class_dataloaders((PICTURES,tensor([0,1,2,3])), (PICTURES,tensor([0,1,2,2])), 'abc'),
         'from 0 to 2'),
    'class loaders: fewer targets':
        (lambda: class_dataloaders((PICTURES,CLASSES[:2]), (PICTURES,CLASSES), '37'), 'do not fit'),
    'class loaders: float targets':
        (lambda: class_dataloaders(*[(PICTURES,torch.zeros(4))]*2, '37'), 'integers'),
    'class loaders: pixels to 255':
        (lambda: class_dataloaders((PICTURES*255,CLASSES), (PICTURES,CLASSES), '37'), 'from 255 to 255'),
    'take_body: no body': (lambda: take_body(nn.Linear(2,1), nn.Linear(2,1)), 'there is none'),
    'open picture: an array': (lambda: open_picture(ONES[0].numpy()), 'not ndarray', TypeError),
    'open picture: no file': (lambda: open_picture('nowhere.png'), 'no such file'),
    'open picture: a letter': (lambda: open_picture(b'dear model'), 'not an image'),
    'open picture: 60 megapixels':
        (lambda: open_picture(Image.new('1', (10_000,6_000))), '10000x6000'),
    'centre digit: blank paper':
        (lambda: centre_digit(Image.new('RGB', (300,200), 'orange')), 'no ink'),
    'find ink: NaN': (lambda: find_ink((ONES[0]*math.nan).numpy()), 'no ink'),
    'familiar: one picture': (lambda: Familiar(ONES[:1], ONES[:0]), 'two pictures'),
    'digit model: architecture':
        (lambda: DigitModel(nn.Linear(784,1), ['7','3'], 'forest', None), 'forest'),
    'digit model: labels as text':
        (lambda: DigitModel(nn.Linear(784,1), '73', 'linear', None), 'Two labels'),
    'digit model: three labels':
        (lambda: DigitModel(nn.Linear(784,1), ['7','3','1'], 'linear', FAMILIAR).probs(ONES),
         '2 outputs for 3 labels'),
    'digit model: accuracy 97':
        (lambda: DigitModel(nn.Linear(784,1), ['7','3'], 'linear', None, 97.), '0..1, not 97'),
    'load: no file': (lambda: load_digit_model('nowhere'), 'no file nowhere', FileNotFoundError),
    'classifier: a list of means':
        (lambda: PixelSimilarity([ONES[0],ONES[0]]), 'label: image', TypeError),
    'digit model: one label twice':
        (lambda: DigitModel(None, ['\u00e9','e\u0301'], 'linear', None), 'Two labels'),
    'softmax: a number': (lambda: softmax_share(torch.ones(2), 1.), 'a list'),
    'open image: an array': (lambda: open_image(ONES[0].numpy()), 'not ndarray', TypeError),
    'open image: a tensor': (lambda: grey_image(ONES[0]), 'not Tensor', TypeError),
    'grey levels: an array': (lambda: grey_levels(ONES[0].numpy()), r'Image\.fromarray', TypeError),
    'find ink: many pictures': (lambda: find_ink(ONES), r'\(4, 28, 28\)'),
    'centre ink: a row': (lambda: centre_ink([0.,1.]), r'\(2,\)'),
}

@pytest.mark.parametrize('name', CASES)
def test_refused(name):
    call,message,error = (*CASES[name], ValueError)[:3]
    with pytest.raises(error, match=message): call()

# Other things than tensors

P,TARGETS = torch.full((4,), .2),CLASSES
MODEL = digit_model(1)
TAKES_TENSORS = {
    'Digits: images':
        lambda o: Digits('', ['7','3'], (o,ZEROS), (ONES,ZEROS)).dataloaders(),
    'Digits: targets':
        lambda o: Digits('', ['7','3'], (ONES,ZEROS), (ONES,o)).dataloaders(),
    'class_dataloaders: images':
        lambda o: class_dataloaders((o,tensor([0])), (ONES,tensor([0])), '37'),
    'class_dataloaders: targets': lambda o: class_dataloaders((PICTURES,o), (PICTURES,o), '37'),
    'check_tensors':              lambda o: check_tensors(P, o),
    'check_pixels':               lambda o: check_pixels(o),
    'mean_digit':                 lambda o: mean_digit(o),
    'mnist_distance, first':      lambda o: mnist_distance(o, ONES),
    'mnist_distance, second':     lambda o: mnist_distance(ONES, o),
    'PixelSimilarity':            lambda o: PixelSimilarity({'3': ONES[0], '7': o}),
    'PixelSimilarity.predict':    lambda o: PixelSimilarity(MEANS).predict(o),
    'pair_up, predictions':       lambda o: pair_up(o, P),
    'pair_up, targets':           lambda o: pair_up(P, o),
    'mse':                        lambda o: mse(o, P),
    'rmse_loss':                  lambda o: rmse_loss(P, o),
    'apply_step':                 lambda o: apply_step(o, P, P, .1),
    'check_targets':              lambda o: check_targets(o),
    'mnist_loss, predictions':    lambda o: mnist_loss(o, TARGETS),
    'mnist_loss, targets':        lambda o: mnist_loss(P, o),
    'check_probs':                lambda o: check_probs(o),
    'decode_targets':             lambda o: decode_targets(o),
    'batch_accuracy':             lambda o: batch_accuracy(o, TARGETS),
    'linear1, inputs':            lambda o: linear1(o, torch.ones(3,1), 0.),
    'linear1, weights':           lambda o: linear1(torch.ones(2,3), o, 0.),
    'saturation':                 lambda o: saturation(o),
    'most_wrong, probabilities':  lambda o: most_wrong(o, TARGETS),
    'most_wrong, targets':        lambda o: most_wrong(P, o),
    'show_mistakes, images':      lambda o: show_mistakes(o, P, TARGETS, ['7','3']),
    'show_mistakes, probabilities': lambda o: show_mistakes(ONES, o, TARGETS, ['7','3']),
    'show_mistakes, targets':     lambda o: show_mistakes(ONES, P, o, ['7','3']),
    'MeanImages':                 lambda o: MeanImages(o),
    'MeanImages, inputs':         lambda o: MeanImages(ONES[:2])(o),
    'balanced_accuracy':          lambda o: balanced_accuracy(P, o),
    'neuron':                     lambda o: neuron(o, 1., 0.),
    'slopes':                     lambda o: slopes(torch.tanh, o),
    'softmax_share':              lambda o: softmax_share(o),
    'above_chord':                lambda o: above_chord(torch.sum, P, o),
    'hold_out, inputs':           lambda o: hold_out(o, P, [0]),
    'hold_out, targets':          lambda o: hold_out(P, o, [0]),
    'pick_classes, images':       lambda o: pick_classes(o, TARGETS),
    'pick_classes, targets':      lambda o: pick_classes(ONES, o),
    'check_bytes':                lambda o: check_bytes(o),
    'channel_stats':              lambda o: channel_stats(o),
    'standardise, images':        lambda o: standardise(o, P[:3], P[:3]),
    'standardise, means':         lambda o: standardise(BYTES, o, P[:3]),
    'standardise, deviations':    lambda o: standardise(BYTES, P[:3], o),
    'check_classes, images':      lambda o: check_classes(o, TARGETS),
    'check_classes, targets':     lambda o: check_classes(ONES, o),
    'shift_images':               lambda o: shift_images(o, 1, 0),
    'few_of_each':                lambda o: few_of_each(o, 1),
    'Familiar, seen':             lambda o: Familiar(o, ONES),
    'Familiar, others':           lambda o: Familiar(ONES, o),
    'Familiar, pictures':         lambda o: FAMILIAR(o),
    'DigitModel.probs':           lambda o: MODEL.probs(o),
}
NO_TENSOR = {
    # name: (what is passed, what the message says to write instead)
    'a list of tensors':  (list(ONES), r'not list: torch\.stack\(\.\.\.\)'),
    'an L of tensors':    (L(*ONES), r'not L: torch\.stack'),
    'a list of numbers':  ([0.,1.,0.,1.], r'not list: torch\.as_tensor\(\.\.\.\)'),
    'an empty list':      ([], r'not list: torch\.as_tensor'),
    'an array':           (ONES.numpy(), r'not ndarray: torch\.as_tensor'),
    'a PIL image':
        (Image.new('L', (28,28)), r'not Image: torch\.as_tensor\(np\.array\(\.\.\.\)\)'),
    'None':               (None, 'not NoneType'),
    'a number':           (2., r'not float: torch\.as_tensor'),
}

@pytest.mark.parametrize('call', TAKES_TENSORS)
@pytest.mark.parametrize('kind', NO_TENSOR)
def test_what_is_no_tensor_is_refused_with_a_cure(call, kind):
    wrong,message = NO_TENSOR[kind]
    with pytest.raises(TypeError, match=f'Pass a tensor, {message}'): TAKES_TENSORS[call](wrong)

@pytest.mark.parametrize('kind', [o for o in NO_TENSOR if o!='a number'])
def test_a_quadratic_of_what_is_no_tensor(kind):
    with pytest.raises(TypeError, match='Pass a tensor'): quadratic(NO_TENSOR[kind][0], torch.ones(3))

def test_a_quadratic_of_a_plain_number():
    assert quadratic(2., [1,2,3])==11

def test_what_is_drawn_may_be_lists_as_in_matplotlib():
    ax = plt.subplots()[1]
    show_preds([0,1], [2.,3.], P[:2].numpy(), ax)
    assert ax.collections[0].get_offsets().tolist()==[[0,2],[1,3]]
    ax = plt.subplots()[1]
    show_fit({'itself': lambda x: x}, ([1.],[2.]), ([3.],[4.]), ax=ax)
    assert [o.get_offsets().tolist() for o in ax.collections]==[[[10,2]],[[30,4]]]
    plt.close('all')

def test_a_refused_step_changes_nothing():
    params = torch.ones(3).requires_grad_()
    with pytest.raises(ValueError): apply_step(params, ZEROS, ZEROS, lr=-1)
    assert params.tolist()==[1,1,1] and params.grad is None

def test_a_refused_rate_leaves_the_old_one():
    opt = BasicOptim([torch.ones(1)], .1)
    for wrong in (dict(lr=-1.), dict(wd=.5)):
        with pytest.raises(ValueError): opt.set_hypers(**wrong)
    assert dict(opt.hypers[0])=={'lr': .1, 'mom': 0., 'wd': 0.}

def test_descent_stays_at_an_exact_fit():
    "The root has an infinite slope at 0; that must not turn the parameters into NaN"
    params,t = torch.zeros(3).requires_grad_(),torch.arange(5.)
    zeros = torch.zeros(5)
    losses = [apply_step(params, t, zeros, lr=.1, loss_func=rmse_loss)[1].item() for _ in range(3)]
    assert params.tolist()==[0,0,0] and max(losses)<1e-9

def test_a_gradient_left_over_does_not_count():
    t,y = torch.arange(5.),torch.zeros(5)
    params = torch.ones(3).requires_grad_()
    fresh = params.detach().clone().requires_grad_()
    mse(quadratic(t, params), y).backward()
    for p in (params,fresh): apply_step(p, t, y, lr=1e-4)
    assert torch.equal(params, fresh)

# Folders

def test_no_train(make_folder):
    with pytest.raises(ValueError, match="no folder 'train'"): digit_tensors(make_folder()/'valid'/'cat')

def test_missing_folder(tmp_path):
    with pytest.raises(ValueError, match="no folder 'train'"): digit_dataloaders(tmp_path/'nowhere')

def test_a_single_label(make_folder):
    with pytest.raises(ValueError, match=r'1 labels \(cat\). At least two'):
        digit_tensors(make_folder(labels=('cat',)))

def test_other_labels_in_valid(make_folder):
    path = make_folder()
    (path/'valid'/'dog').rename(path/'valid'/'hen')
    with pytest.raises(ValueError, match='hen'): digit_tensors(path)

def test_empty_label(make_folder):
    path = make_folder()
    for f in (path/'valid'/'dog').iterdir(): f.unlink()
    with pytest.raises(ValueError, match=r'valid.dog holds no images'): digit_tensors(path)

def test_text_file_named_png(make_folder):
    path = make_folder()
    (path/'train'/'cat'/'letter.png').write_text('dear cat')
    for read in (digit_tensors, lambda p: image_dataloaders(p).one_batch()):
        with pytest.raises(ValueError, match='letter.png is not a readable image'): read(path)

def test_truncated_image(make_folder):
    path = make_folder()
    good = (path/'train'/'cat'/'0.png').read_bytes()
    (path/'train'/'cat'/'0.png').write_bytes(good[:len(good)//2])
    with pytest.raises(ValueError, match='0.png is not a readable image'): digit_tensors(path)

def test_mixed_sizes_in_a_label(make_folder):
    path = make_folder()
    Image.new('L', (20,28)).save(path/'train'/'cat'/'odd.png')
    with pytest.raises(ValueError, match='odd.png is 20x28'): digit_tensors(path)

def test_other_size_in_another_label(make_folder):
    path = make_folder()
    for f in (path/'valid'/'dog').iterdir(): Image.new('L', (20,20)).save(f)
    with pytest.raises(ValueError, match=r'\(20, 20\) and of \(28, 28\)'): digit_tensors(path)

def test_too_small(make_folder):
    with pytest.raises(ValueError, match='7x9 pixels'): digit_tensors(make_folder(size=(7,9)))

def test_sixteen_bits(make_folder):
    with pytest.raises(ValueError, match='more than 8 bits'): digit_tensors(make_folder(mode='I;16'))

@pytest.mark.parametrize('loaders', [digit_dataloaders, image_dataloaders])
def test_no_batch_size(make_folder, loaders):
    with pytest.raises(ValueError, match='bs=0'): loaders(make_folder(), bs=0)

@pytest.mark.parametrize('loaders', [digit_dataloaders, image_dataloaders])
def test_valid_of_another_size(make_folder, loaders):
    path = make_folder()
    for f in (path/'valid').glob('*/*.png'): Image.new('L', (20,20)).save(f)
    with pytest.raises(ValueError, match='all one size'): loaders(str(path))

def test_transparent_pictures(make_folder):
    "Black ink on a transparent page would be read as a black page"
    path = make_folder(mode='RGBA')
    assert digit_tensors(path)[0].shape==(4,784)  # opaque: nothing is lost
    Image.new('RGBA', (28,28), (0,0,0,0)).save(path/'train'/'cat'/'0.png')
    with pytest.raises(ValueError, match='0.png has transparent parts'): digit_tensors(path)

def test_pictures_are_turned_upright(tmp_path):
    picture = Image.new('L', (30,20))
    exif = picture.getexif()
    exif[0x0112] = 6  # the camera was held upright
    picture.save(tmp_path/'photo.jpg', exif=exif)
    assert grey_image(tmp_path/'photo.jpg').size==(20,30)

def test_too_narrow_after_scaling(tmp_path):
    Image.new('L', (1000,10)).save(tmp_path/'line.png')
    with pytest.raises(ValueError, match='1000x10'): grey_image(tmp_path/'line.png')

@pytest.mark.parametrize('size, shape', [
    ((8,8),(8,8)), ((64,64),(64,64)), ((20,30),(30,20)), ((128,128),(64,64)), ((200,100),(32,64))])
def test_sizes_that_work(make_folder, size, shape):
    assert Digits.from_folder(make_folder(size=size)).train[0].shape==(4,*shape)

def test_hidden_files_do_not_count(make_folder):
    path = make_folder()
    (path/'train'/'.cache').mkdir()
    (path/'train'/'cat'/'.DS_Store').write_bytes(b'x')
    (path/'train'/'cat'/'._0.png').write_bytes(b'x')
    assert len(digit_tensors(path)[0])==4

# Every caller of what lists the files of a folder

READERS = {'digit_tensors': digit_tensors,
           'image_dataloaders': image_dataloaders,
           'folder_notes': folder_notes,
           'labelled_images': lambda path: labelled_images(path, ['cat','dog']),
           'colour_images': lambda path: colour_images(path/'train'/'cat')}
readers = pytest.mark.parametrize('read', READERS.values(), ids=READERS)

@readers
def test_pictures_in_a_folder_inside(make_folder, read):
    "They would be left out without a word"
    path = make_folder()
    (path/'train'/'cat'/'more').mkdir()
    Image.new('L', (28,28)).save(path/'train'/'cat'/'more'/'2.png')
    with pytest.raises(ValueError, match="train.cat holds the folder 'more'"): read(path)

@readers
def test_a_kind_that_pillow_does_not_know(make_folder, read):
    path = make_folder()
    (path/'train'/'cat'/'photo.HEIC').write_bytes(b'\0\0\0\x18ftypheic')
    with pytest.raises(ValueError, match='photo.HEIC is not a readable image .*Save it as PNG'): read(path)

def test_a_folder_that_comes_later_is_noticed(make_folder):
    "Also where the decoded pictures are kept"
    path = make_folder()
    load_images(path/'train'/'cat')
    (path/'train'/'cat'/'more').mkdir()
    with pytest.raises(ValueError, match="'more'"): load_images(path/'train'/'cat')

# Labels that look the same

@pytest.fixture
def spell(make_folder):
    "Function that writes pictures of 강아지 and café, in one spelling in `train` and another in `valid`"
    def write(train, valid):
        path = make_folder()
        for split,form in (('train',train), ('valid',valid)):
            (path/split/'cat').rename(path/split/normalize(form, '강아지'))
            (path/split/'dog').rename(path/split/normalize(form, 'caf\u00e9'))
        return path
    return write

LABELS = ['caf\u00e9','강아지']  # NFC

@pytest.mark.parametrize('train, valid', [('NFC','NFC'), ('NFC','NFD'), ('NFD','NFC'), ('NFD','NFD')])
def test_labels_that_look_the_same_are_the_same(spell, train, valid):
    "As in an archive that was packed on a Mac"
    path = spell(train, valid)
    assert Digits.from_folder(path).vocab==LABELS[::-1] and folder_notes(path)==[]
    images,rows = image_dataloaders(path),digit_tensors(path)
    assert list(images.vocab)==LABELS and len(images.train.one_batch()[1])==4
    assert [y.tolist() for y in (rows[1],rows[3])]==[[[1],[1],[0],[0]]]*2
    for form in ('NFC','NFD'):
        (x,y),_ = labelled_images(path, [normalize(form, o) for o in LABELS])
        assert torch.equal(x[:,0].flatten(1), rows[0]) and y.tolist()==[0,0,1,1]
    assert list(digit_dataloaders(path).vocab)==LABELS[::-1]

@pytest.mark.parametrize('split', ['train','valid'])
def test_two_labels_that_look_the_same(spell, split):
    path = spell('NFC', 'NFC')
    try: (path/split/normalize('NFD', '강아지')).mkdir()
    except FileExistsError: pytest.skip('this system takes both for one name')
    with pytest.raises(ValueError, match="look like '강아지'"): Digits.from_folder(path)

def test_file_names_are_in_one_order_however_they_are_spelt(tmp_path):
    "강 comes after 漢 if it is one character, and before it if it is three"
    for form in ('NFC','NFD'):
        (tmp_path/form).mkdir()
        for name in ('강','漢','한'):
            Image.new('L', (28,28)).save(tmp_path/form/normalize(form, f'{name}.png'))
        assert [normalize('NFC', f.stem) for f in image_files(tmp_path/form)]==['漢','강','한']

# Prediction

@pytest.mark.parametrize('image, error, message', [
    (torch.ones(28,28).int(), TypeError, 'floats'),
    (torch.full((28,28), 255.), ValueError, 'to 255'),
    (torch.ones(20,20), ValueError, r'\(20, 20\)'),
    (torch.ones(14,56), ValueError, r'\(14, 56\)'),
    ('3.png', ValueError, 'not a readable image')])
def test_predict_refuses(few, image, error, message):
    learn = digit_learner(digit_dataloaders(few), nn.Linear(784,1))
    with pytest.raises(error, match=message): learn.predict(image)
