"""Pretexts of what was done to a signal and of what lies where."""

from collections import Counter
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from torch import nn

from ecgpipe.augment import make_view
from ecgpipe.conditions import disturb
from ecgpipe.model import Classifier, build_backbone
from ecgpipe.objectives import location, transforms
from ecgpipe.objectives._guesses import accuracy
from ecgpipe.settings import Condition
from tests.pretexts import (
    EXACT,
    LEADS,
    MONTAGE,
    PLACES,
    SMALL,
    objective,
    pretext,
    seeded,
    signals,
)


def view(signal, step, **values):
    return make_view(signal, ({"name": step, **values},), MONTAGE, seeded())


# --- steps of views ------------------------------------------------------------------------------


def test_exchanged_pieces_are_those_of_the_signal_each_once():
    time = torch.arange(200.0).expand(64, 8, 200)
    made = view(time, "permute", pieces=20)
    assert torch.equal(made, made[:, :1].expand_as(made))  # all leads alike
    pieces = made[:, 0].view(64, 20, 10)
    assert torch.equal(pieces - pieces[..., :1], torch.arange(10.0).expand_as(pieces))
    assert torch.equal(pieces[..., 0].sort().values, 10 * torch.arange(20.0).expand(64, 20))


def test_pieces_that_samples_cannot_be_shared_by_evenly_differ_by_one():
    time = torch.arange(10.0).expand(50, 8, 10)
    for row in view(time, "permute", pieces=3)[:, 0].int().tolist():
        parts = [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]
        assert any(row == sum(order, []) for order in permutations(parts))


def test_every_order_of_pieces_is_equally_likely():
    time = torch.arange(3.0).expand(6000, 8, 3)
    counts = Counter(map(tuple, view(time, "permute", pieces=3)[:, 0].tolist()))
    assert len(counts) == 6
    assert max(abs(count - 1000) for count in counts.values()) < 120  # 4 standard deviations


@pytest.mark.parametrize("pieces", [1, 11])
def test_pieces_that_cannot_be_exchanged_are_refused(pieces):
    with pytest.raises(ValueError, match=f"{pieces} pieces of 10 samples"):
        view(signals(time=10), "permute", pieces=pieces)


def test_a_record_is_scaled_by_one_factor():
    signal = signals(1000)
    factor = view(signal, "scale", low=2.0, high=4.0) / signal
    own = factor.mean(dim=(1, 2))
    assert torch.allclose(factor, own[:, None, None].expand_as(factor), rtol=1e-4)
    assert own.min() > 1.999 and own.max() < 4.001
    assert own.log2().mean() == pytest.approx(1.5, abs=0.05)  # even between 1 and 2


@pytest.mark.parametrize("snr", [15.0, -3.0])
def test_relative_noise_has_exactly_the_ratio_asked(snr):
    signal = signals().double() * torch.arange(1, 17)[:, None, None]
    noise = (view(signal, "relative_noise", snr=snr) - signal).numpy()
    powers = [x.var(axis=2).mean(axis=1) for x in (signal.numpy(), noise)]
    np.testing.assert_allclose(10 * np.log10(powers[0] / powers[1]), snr, atol=1e-6)


def test_relative_noise_leaves_silent_leads_silent_and_fits_the_others():
    signal = signals()
    signal[:, 6:] = 0
    made = view(signal, "relative_noise", snr=0.0)
    noise = dict(zip(LEADS, (made - signal).unbind(1), strict=True))
    assert not made[:, 6:].any() and noise["I"].std() > 0.1
    assert torch.allclose(noise["I"] + noise["III"], noise["II"], atol=1e-5)


# --- guesses -------------------------------------------------------------------------------------


def test_accuracy_is_the_share_of_right_answers():
    answer = torch.tensor([0, 1, 2, 2])
    told = torch.eye(3)[answer]
    assert accuracy(told, answer) == 1
    assert accuracy(told.roll(1, dims=1), answer) == 0
    assert accuracy(told, torch.tensor([0, 1, 2, 0])) == 0.75


# --- transforms ----------------------------------------------------------------------------------


def test_every_record_has_the_transform_it_is_said_to_have():
    signal = signals()
    made, label = transforms.transform(pretext(signal), EXACT)
    who = torch.rand(16, generator=seeded()).argsort()  # the first that is drawn
    done = [lambda x: x, lambda x: -x, lambda x: x.flip(-1), lambda x: 3 * x]
    for one, source, kind in zip(made, signal[who], label.tolist(), strict=True):
        assert torch.equal(one, done[kind](source))


def test_transforms_are_dealt_evenly_whoever_gets_them():
    counts = torch.zeros(16, 4)
    for seed in range(400):
        _, label = transforms.transform(pretext(signals(), seed), EXACT)
        assert label.bincount().tolist() == [4, 4, 4, 4]
        counts[torch.rand(16, generator=seeded(seed)).argsort(), label] += 1
    assert (counts - 100).abs().max() < 43  # 5 standard deviations


def test_a_draw_of_transforms_follows_from_the_generator_and_edits_nothing():
    signal = signals()
    before = signal.clone()
    steps = transforms.Config().steps
    first, again, other = (transforms.transform(pretext(signal, s), steps) for s in (1, 1, 2))
    assert torch.equal(signal, before)
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("records", [1, 3])
def test_a_few_records_have_some_of_the_transforms(records):
    terms = objective(transforms).eval()(pretext(signals(records)))
    assert torch.isfinite(terms["loss"])


def test_transforms_are_of_the_signal_alone():
    made, _ = transforms.transform(pretext(1 + signals().abs()), transforms.Config().steps)
    assert (made != 0).all()  # nothing is filled up


def test_no_transform_to_tell_from_none_is_refused():
    with pytest.raises(ValueError, match="names no transform"):
        transforms.Config(steps=())


# --- location ------------------------------------------------------------------------------------


def test_two_crops_lie_in_the_signal_as_far_apart_as_their_bin_says():
    start, later, distance = location.place(8000, room=50, reach=40, bins=4, generator=seeded())
    one, other = start.numpy()
    assert start.min() == 0 and start.max() == 50
    apart = np.abs(one - other)
    assert apart.min() == 1 and apart.max() == 40
    assert np.array_equal(later.numpy(), one > other)
    edges = [0, 10, 20, 30, 40]
    assert np.array_equal(distance.numpy(), np.digitize(apart, edges, right=True) - 1)


def test_orders_and_distances_are_equally_likely_and_tell_nothing_of_each_other():
    _, later, distance = location.place(8000, room=50, reach=40, bins=4, generator=seeded())
    counts = (4 * later + distance).bincount()
    assert (counts - 1000).abs().max() < 148  # 5 standard deviations


def test_every_record_shows_its_own_exchange_of_electrodes():
    signal, told = (
        view(signals(40), "relative_noise", snr=0.0).double(),
        objective(location, **PLACES),
    )
    made, swap = told.exchange(pretext(signal))
    assert set(swap.tolist()) == {0, 1, 2}
    for one, source, kind in zip(made, signal, swap.tolist(), strict=True):
        pairs = ((), *((pair,) for pair in PLACES["swaps"]))[kind]
        expected = disturb(source[None], Condition(swapped=pairs), MONTAGE, [0])[0]
        torch.testing.assert_close(one, expected)


def test_a_record_whose_electrodes_stay_is_left_as_it_is():
    signal, told = signals(40), objective(location, **PLACES)
    before = signal.clone()
    made, swap = told.exchange(pretext(signal))
    assert torch.equal(made[swap == 0], signal[swap == 0]) and torch.equal(signal, before)


class Start(nn.Module):
    """An encoder of one token that says where a crop of a ramp starts."""

    def forward(self, crops):
        return crops[:, :1, :1]


class Oracle(nn.Module):
    """Tells order and distance, in bins of ten samples, from two starts."""

    def forward(self, pooled):
        apart = pooled[:, 0] - pooled[:, -1]
        told = torch.nn.functional.one_hot(((apart.abs() - 1) / 10).long(), 4)
        return torch.cat([apart[:, None], told], dim=1)


def test_an_oracle_tells_every_order_and_distance():
    told = objective(location, **PLACES | {"swaps": ()})
    told.backbone, told.of_pair = Start(), Oracle()
    terms = told(pretext(torch.arange(100.0).expand(64, 8, 100)))
    assert terms["order_accuracy"] == 1 and terms["distance_accuracy"] == 1


def test_exchanged_crops_are_as_far_apart_in_the_other_order():
    told = objective(location, **PLACES)
    one, other = torch.randn(2, 6, 2 * 4 * told.backbone.dim, generator=seeded())
    (order, distance), (turned, same) = told.compare(one, other), told.compare(other, one)
    assert torch.equal(order, -turned) and torch.equal(distance, same)


def test_stretches_of_time_are_pooled_on_their_own():
    tokens = torch.randn(5, 12, 6, generator=seeded())
    parts = tokens.numpy().reshape(5, 3, 4, 6)
    expected = np.concatenate([parts.max(axis=2), parts.mean(axis=2)], axis=2)
    found = location.pool_stretches(tokens, 3).view(5, 12, 3).mT
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_the_loss_of_location_is_the_weighted_sum_of_its_parts():
    weights = location.Weights(order=0.5, distance=2.0, swap=3.0)
    terms = objective(location, **PLACES, weights=weights)(pretext(signals()))
    expected = 0.5 * terms["order"] + 2 * terms["distance"] + 3 * terms["swap"]
    torch.testing.assert_close(terms["loss"], expected)


def test_electrodes_that_leads_do_not_tell_of_are_refused():
    montage = replace(MONTAGE, leads=("I", "II", "V1"))
    told = location.Objective(
        Classifier(build_backbone(SMALL, 3, "tests")), location.Config(**PLACES)
    )
    with pytest.raises(
        ValueError, match=r"no electrode V2; .* tell of V1, RA, LA, LL; set `swaps`"
    ):
        told(pretext(signals(leads=3), montage=montage))


def test_without_exchanges_there_are_order_and_distance():
    config = PLACES | {"swaps": ()}
    terms = objective(location, **config)(pretext(signals()))
    assert terms.keys() == {"loss", "order", "order_accuracy", "distance", "distance_accuracy"}


def test_a_signal_as_short_as_one_crop_is_refused():
    with pytest.raises(
        ValueError, match="two crops of 100 samples.*in a signal of 100; set a longer"
    ):
        objective(location, **PLACES | {"crop": 1.0})(pretext(signals()))


@pytest.mark.parametrize("wrong", [{"crop": 0.0}, {"reach": 0.0}, {"stretches": 0}, {"bins": 1}])
def test_impossible_crops_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} {next(iter(wrong.values()))}"):
        location.Config(**wrong)
