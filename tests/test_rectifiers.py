"""Rectifiers that keep little: exact, and as lean as they say."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import gradcheck
from torch.autograd.graph import saved_tensors_hooks

from ecgpipe.backbones._rectifiers import LeakyReLU, rectify_and_add
from ecgpipe.backbones.conv_transformer import Block


@pytest.fixture
def maps():
    """Two maps, of which the first crosses zero."""
    torch.manual_seed(0)
    return [torch.randn(2, 3, 1, 5, dtype=torch.float64, requires_grad=True) for _ in range(2)]


def kept_by(call):
    """Collect the bytes that a call keeps for its backward pass, by where they lie."""
    kept = {}

    def note(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        result = call()
    return kept, result


def test_values_are_those_of_the_formula(maps):
    signal, other = (each.detach().numpy() for each in maps)
    rectified = np.where(signal > 0, signal, 0.01 * signal)
    np.testing.assert_allclose(LeakyReLU()(maps[0]).detach(), rectified, rtol=1e-15)
    np.testing.assert_allclose(rectify_and_add(*maps).detach(), rectified + other, rtol=1e-15)


def test_gradients_are_those_of_finite_differences(maps):
    assert gradcheck(LeakyReLU(), maps[:1])
    assert gradcheck(rectify_and_add, maps)


def test_at_zero_the_slope_is_the_frameworks():
    zero = torch.zeros(1, requires_grad=True)
    slopes = [torch.autograd.grad(f(zero), zero)[0] for f in (nn.LeakyReLU(), LeakyReLU())]
    added = torch.autograd.grad(rectify_and_add(zero, torch.ones(1)), zero)[0]
    assert slopes[0] == slopes[1] == added


def test_a_rectifier_keeps_nothing_but_what_comes_out(maps):
    kept, rectified = kept_by(lambda: LeakyReLU()(maps[0]))
    assert kept.keys() == {rectified.untyped_storage().data_ptr()}


def test_rectified_and_added_maps_leave_a_byte_an_entry(maps):
    kept, _ = kept_by(lambda: rectify_and_add(*maps))
    assert list(kept.values()) == [maps[0].numel()]


def test_a_block_keeps_three_maps_and_signs():
    block = Block(64, 64)
    features = torch.randn(2, 64, 1, 4096).to(memory_format=torch.channels_last)
    kept, out = kept_by(lambda: block(features))
    weights = {p.untyped_storage().data_ptr() for p in block.parameters()}
    maps = sum(size for place, size in kept.items() if place not in weights)
    pooled = features.nbytes / 4  # which the shortcut's convolution learns from
    assert maps - features.nbytes - pooled == pytest.approx(3.25 * out.nbytes, rel=0.01)


def test_layout_and_precision_are_kept():
    signal = torch.randn(2, 3, 4, 5, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    signal.requires_grad_()
    for call in (LeakyReLU(), lambda features: rectify_and_add(features, features)):
        out = call(signal)
        (gradient,) = torch.autograd.grad(out.sum(), signal)
        for each in (out, gradient):
            assert each.dtype == torch.bfloat16
            assert each.is_contiguous(memory_format=torch.channels_last)
