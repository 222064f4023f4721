"""Measures of attention against cases by hand and a loop in NumPy."""

import numpy as np
import pytest
import torch

from ecgpipe import attention
from ecgpipe.regions import PADDING, REGIONS, UNKNOWN

QRS, T = REGIONS.index("QRS"), REGIONS.index("T")


def drawn(seed, shape=(4, 3, 50)):
    """Regions in pieces of ten samples, with some unknown, and padding at the end."""
    random = np.random.default_rng(seed)
    pieces = random.integers(UNKNOWN, PADDING, (*shape[:2], shape[2] // 10))
    region = np.repeat(pieces, 10, axis=2).astype(np.int8)
    region[1:, :, 40:] = PADDING
    return torch.from_numpy(region)


def planted(region, where):
    """Relevance of one sign or the other where a region is, and none elsewhere."""
    signs = torch.where(torch.arange(region.shape[2]) % 2 == 0, 1.0, -1.0)
    return (region == where) * signs


def in_numpy(relevance, region):
    """Measure one region of one record after another, ties by their expected share."""
    found = {name: np.full((len(region), len(REGIONS)), np.nan) for name in
             ["area", "mass", "pointing", "rank_accuracy"]}  # fmt: skip
    for record, (size, code) in enumerate(zip(abs(relevance), region, strict=True)):
        size, code = size[code != UNKNOWN], code[code != UNKNOWN]
        for place in range(len(REGIONS)):
            inside = code == place
            found["area"][record, place] = inside.mean()
            if n := inside.sum():
                found["mass"][record, place] = size[inside].sum() / size.sum()
                found["pointing"][record, place] = inside[size == size.max()].mean()
                least = np.sort(size)[-n]
                sure, tied = size > least, size == least
                luck = (n - sure.sum()) * inside[tied].mean()
                found["rank_accuracy"][record, place] = (inside[sure].sum() + luck) / n
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("decimals", [1, 9])  # to tenths: many are equal
def test_measures_are_those_of_a_loop(dtype, decimals):
    region = drawn(0)
    noise = np.random.default_rng(1).normal(size=region.shape).round(decimals)
    relevance = torch.from_numpy(noise).to(dtype)
    expected = in_numpy(relevance.double().numpy(), region.numpy())
    for name, value in attention.measure(relevance, region).items():
        assert value.dtype == dtype
        np.testing.assert_allclose(value.numpy(), expected[name], rtol=1e-5, err_msg=name)


def test_equal_relevance_has_as_much_of_everything_as_it_has_area():
    region = drawn(2)
    found = attention.measure(torch.full(region.shape, -0.3), region)
    some = found["area"] > 0
    for name in ("mass", "pointing", "rank_accuracy"):
        torch.testing.assert_close(found[name][some], found["area"][some])
        assert found[name][~some].isnan().all()


def test_all_relevance_in_one_region_is_enriched_by_one_over_its_area():
    region = torch.full((1, 2, 20), T, dtype=torch.int8)
    region[:, :, 4:6] = QRS
    found = attention.measure(planted(region, QRS), region)
    assert found["area"][0, QRS] == pytest.approx(0.1)
    assert [found[name][0, QRS] for name in ("mass", "pointing", "rank_accuracy")] == [1, 1, 1]
    assert [found[name][0, T] for name in ("mass", "pointing")] == [0, 0]


def test_unknown_samples_count_for_nothing():
    region = torch.tensor([[[QRS, QRS, T, T, UNKNOWN, UNKNOWN]]], dtype=torch.int8)
    found = attention.measure(torch.tensor([[[1.0, 2.0, 1.0, 0.0, 9.0, 9.0]]]), region)
    assert found["area"][0, [QRS, T]].tolist() == [0.5, 0.5]
    assert found["mass"][0, [QRS, T]].tolist() == [0.75, 0.25]
    assert found["pointing"][0, [QRS, T]].tolist() == [1, 0]
    assert found["rank_accuracy"][0, [QRS, T]].tolist() == [0.75, 0.25]  # one 1.0 of two, by lot


def test_padding_is_a_region_and_a_record_of_unknown_samples_has_no_measure():
    region = torch.full((2, 1, 10), UNKNOWN, dtype=torch.int8)
    region[0, 0, :5], region[0, 0, 8:] = QRS, PADDING
    found = attention.measure(torch.ones(2, 1, 10), region)
    assert found["mass"][0, PADDING] == pytest.approx(2 / 7)
    assert all(value[1].isnan().all() for value in found.values())


def test_half_precision_is_summed_in_float32():
    region = torch.full((1, 12, 1000), T, dtype=torch.int8)
    region[:, :, ::2] = QRS
    found = attention.measure(torch.ones(region.shape, dtype=torch.bfloat16), region)
    assert found["mass"].dtype == torch.float32 and found["mass"][0, QRS] == 0.5


def test_a_shift_moves_all_leads_of_a_record_alike_and_leaves_padding_in_place():
    region = drawn(3)
    moved = attention.shift(region, torch.Generator().manual_seed(0))
    for before, after, samples in zip(region, moved, [50, 40, 40, 40], strict=True):
        rolls = [before[:, :samples].roll(by, dims=1) for by in range(samples)]
        assert any(torch.equal(after[:, :samples], roll) for roll in rolls)
        assert torch.equal(after[:, samples:], before[:, samples:])
    again = attention.shift(region, torch.Generator().manual_seed(0))
    assert torch.equal(moved, again) and not torch.equal(moved, region)


def test_under_shifted_regions_planted_relevance_is_not_enriched_on_average():
    region = torch.full((2000, 2, 60), T, dtype=torch.int8)
    region[:, :, 10:16] = QRS
    region[:, :, 50:] = PADDING
    relevance = planted(region, QRS)
    found = attention.measure(relevance, attention.shift(region, torch.Generator().manual_seed(1)))
    enrichment = (found["mass"] / found["area"])[:, QRS]
    share = 60 / 50  # the area counts padding, which nothing is shifted into
    assert enrichment.mean().item() == pytest.approx(share, abs=0.15)
