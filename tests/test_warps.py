from collections import Counter

import numpy as np
import pytest
import torch

from ecgpipe import warps


def seeded(seed=1):
    return torch.Generator().manual_seed(seed)


def test_reading_agrees_with_numpy():
    signal = torch.randn(3, 2, 40, generator=seeded(), dtype=torch.float64)
    places = 39 * torch.rand(3, 40, generator=seeded()).sort().values
    for lead, place, found in zip(signal, places, warps.read(signal, places), strict=True):
        for one, view in zip(lead, found, strict=True):
            expected = np.interp(place.double().numpy(), np.arange(40), one.numpy())
            np.testing.assert_allclose(view.numpy(), expected, atol=1e-6)


def test_whole_places_are_read_exactly():
    signal = torch.randn(4, 3, 50, generator=seeded())
    places = torch.arange(50.0).expand(4, 50)
    assert torch.equal(warps.read(signal, places), signal)
    assert torch.equal(warps.read(signal, places.flip(1)), signal.flip(2))


def test_crops_are_of_the_shares_asked_and_reach_every_place():
    start, length = warps.crop(5000, 10, 0.5, 0.7, seeded())
    assert Counter(length.flatten().tolist()).keys() == {5.0, 6.0}
    ends = start + length
    assert start.min() == 0 and ends.max() == 10  # the last valid start too
    firsts = Counter(start[length == 6].tolist())
    assert min(firsts.values()) > 0.8 * max(firsts.values()) and len(firsts) == 5


@pytest.mark.parametrize("shares", [(0.0, 0.5), (0.8, 0.5), (0.5, 1.1)])
def test_shares_that_no_crop_has_are_refused(shares):
    with pytest.raises(ValueError, match=r"expected 0 < low <= high <= 1"):
        warps.crop(2, 100, *shares, seeded())


@pytest.mark.parametrize("spread", [warps.stretch, warps.scatter])
def test_the_ends_of_a_view_are_those_of_its_crop(spread):
    start, length = warps.crop(64, 250, 0.5, 1.0, seeded())
    places = spread(64, 250, 0.5, 1.0, seeded())
    assert torch.equal(places[:, :1], start)
    assert torch.equal(places[:, -1:], start + length - 1)


def test_a_stretched_ramp_is_straight():
    places = warps.stretch(64, 250, 0.5, 1.0, seeded())
    speed = places.diff(dim=1)
    assert torch.allclose(speed, speed[:, :1].expand_as(speed), atol=1e-4)
    assert speed.min() > 0.49 and speed.max() <= 1.0001


def test_a_scattered_ramp_rises_and_keeps_every_sample_of_its_crop():
    start, length = warps.crop(64, 250, 0.5, 1.0, seeded())
    places = warps.scatter(64, 250, 0.5, 1.0, seeded())
    assert (places.diff(dim=1) > 0).all()
    for row, first, count in zip(places, start, length, strict=True):
        whole = row[row == row.round()]
        assert torch.equal(whole, torch.arange(float(first), float(first + count)))


def test_scattered_samples_are_joined_by_straight_lines():
    (row,) = warps.scatter(1, 60, 0.5, 0.5, seeded())
    taken = torch.nonzero(row == row.round()).flatten()
    expected = np.interp(np.arange(60), taken.numpy(), row[taken].numpy())
    np.testing.assert_allclose(row.numpy(), expected, atol=1e-5)


def test_every_choice_of_places_is_equally_likely():
    places = warps.scatter(6000, 6, 0.7, 0.7, seeded())  # 4 of 6 samples: 2 of 4 inner places
    taken = (places == places.round())[:, 1:-1]
    counts = Counter(map(tuple, taken.tolist()))
    assert len(counts) == 6 and all(sum(choice) == 2 for choice in counts)
    assert max(abs(count - 1000) for count in counts.values()) < 120  # 4 standard deviations


def test_a_whole_crop_is_left_as_it_is():
    whole = torch.arange(100.0).expand(8, 100)
    assert torch.equal(warps.scatter(8, 100, 1.0, 1.0, seeded()), whole)
    assert torch.allclose(warps.stretch(8, 100, 1.0, 1.0, seeded()), whole, atol=1e-4)


def test_a_walk_goes_from_the_first_sample_to_the_last_without_turning_back():
    places = warps.walk(64, 500, 10.0, seeded())
    assert (places[:, 0] == 0).all() and (places[:, -1] == 499).all()
    assert (places.diff(dim=1) > 0).all()


def test_a_walk_is_the_steadier_the_faster_its_slowest():
    spread = [warps.walk(64, 500, least, seeded()).diff(dim=1).std() for least in (1.0, 10.0, 1e6)]
    assert spread[0] > spread[1] > 0.1 and spread[2] < 1e-3
