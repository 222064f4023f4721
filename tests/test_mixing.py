import numpy as np
import pytest
import torch

from ecgpipe.batches import Labeled
from ecgpipe.mixing import MIXES, box, cutmix, mix, mixup

RECORDS, LEADS, SAMPLES = 16, 12, 250
SEEDS = range(40)


@pytest.fixture
def numbered():
    """Records that say of every sample and of the target whose they are."""
    number = torch.arange(float(RECORDS))[:, None, None]
    return Labeled(number.repeat(1, LEADS, SAMPLES), torch.eye(RECORDS))


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", sorted(MIXES))
def test_mixing_changes_a_copy_and_repeats_with_the_seed(name, numbered):
    before = numbered.signal.clone()
    once, again, other = (mix(numbered, {"name": name}, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(numbered.signal, before) and torch.equal(numbered.target, torch.eye(RECORDS))
    assert once.signal.shape == before.shape and once.signal.is_contiguous()
    assert torch.equal(once.signal, again.signal) and torch.equal(once.target, again.target)
    assert not torch.equal(once.signal, other.signal)


@pytest.mark.parametrize("name", sorted(MIXES))
def test_targets_are_shares_of_two_records_the_same_in_a_batch(name, numbered):
    for seed in SEEDS:
        target = mix(numbered, {"name": name}, seeded(seed)).target
        assert torch.allclose(target.sum(dim=1), torch.ones(RECORDS))
        assert (target >= 0).all() and ((target > 0).sum(dim=1) <= 2).all()
        own = target.diagonal()[target.diagonal() < 1]  # a record may be its own partner
        assert len(own.unique()) <= 1


@pytest.mark.parametrize("name", sorted(MIXES))
def test_every_record_is_the_partner_of_one(name, numbered):
    for seed in SEEDS:
        target = mix(numbered, {"name": name}, seeded(seed)).target
        assert torch.allclose(target.sum(dim=0), torch.ones(RECORDS))


def test_a_target_of_cutmix_counts_the_samples_of_each_record(numbered):
    for seed in SEEDS:
        made = cutmix(numbered, generator=seeded(seed))
        for signal, target in zip(made.signal, made.target, strict=True):
            counts = np.bincount(signal.flatten().long(), minlength=RECORDS)
            np.testing.assert_allclose(target, counts / (LEADS * SAMPLES), atol=1e-6)


def test_cutmix_exchanges_one_box_of_leads_and_time(numbered):
    for seed in SEEDS:
        changed = cutmix(numbered, generator=seeded(seed)).signal != numbered.signal
        leads, time = changed.any(dim=2).any(dim=0), changed.any(dim=1).any(dim=0)
        moved = changed.any(dim=2).any(dim=1)
        assert torch.equal(changed, moved[:, None, None] & leads[:, None] & time)
        for side in (leads, time):
            assert side.int().diff().abs().sum() <= 2


@pytest.mark.parametrize("alpha", [0.75, 2.0])
def test_boxes_are_as_large_as_published(alpha):
    random, mine = np.random.default_rng(0), np.random.default_rng(1)
    side = np.sqrt(1 - random.beta(alpha, alpha, 2000))
    expected = np.ones(2000)
    for whole in (LEADS, SAMPLES):
        half, centre = (whole * side).astype(int) // 2, random.integers(whole, size=2000)
        expected *= np.clip(centre + half, 0, whole) - np.clip(centre - half, 0, whole)
    boxes = [box(LEADS, SAMPLES, alpha, mine) for _ in range(2000)]
    found = [np.prod([side.stop - side.start for side in sides]) for sides in boxes]
    assert np.mean(found) == pytest.approx(expected.mean(), rel=0.05)
    assert np.quantile(found, [0.25, 0.75]) == pytest.approx(
        np.quantile(expected, [0.25, 0.75]), rel=0.1
    )


def test_mixup_weighs_signals_as_targets(numbered):
    for seed in SEEDS:
        made = mixup(numbered, generator=seeded(seed))
        expected = made.target.double() @ torch.arange(RECORDS).double()
        assert torch.allclose(made.signal.double(), expected[:, None, None], atol=1e-5)
        assert (made.target.diagonal() >= 0.5).all()


def test_shares_of_mixup_are_those_of_a_beta_distribution(numbered):
    draws = [mixup(numbered, alpha=0.75, generator=seeded(seed)).target for seed in range(1000)]
    kept = np.array([target.diagonal().min() for target in draws])  # of one that has a partner
    share = np.random.default_rng(0).beta(0.75, 0.75, 100_000)
    expected = np.maximum(share, 1 - share)
    assert kept.mean() == pytest.approx(expected.mean(), abs=0.015)
    assert kept.std() == pytest.approx(expected.std(), abs=0.01)


def test_partners_follow_the_state_of_the_generator_and_shares_its_seed(numbered):
    generator = seeded(3)
    one, other = (mixup(numbered, generator=generator).target for _ in range(2))
    assert not torch.equal(one, other)
    assert one.diagonal().min() == other.diagonal().min()


def test_without_a_generator_the_frameworks_own_decides(numbered):
    torch.manual_seed(5)
    once = cutmix(numbered)
    torch.manual_seed(5)
    assert torch.equal(once.signal, cutmix(numbered).signal)


def test_soft_targets_may_be_mixed_again(numbered):
    twice = mixup(cutmix(numbered, generator=seeded(1)), generator=seeded(2))
    assert torch.allclose(twice.target.sum(dim=1), torch.ones(RECORDS))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "cutout"}, "no mix 'cutout'; there are: cutmix, mixup"),
        ({"name": "cutmix", "alpha": 0}, "mix cutmix: alpha 0.0 must be positive"),
        ({"name": "mixup", "beta": 1.0}, "unknown key beta; Mix knows: name, alpha"),
    ],
)
def test_a_mix_that_makes_no_sense_is_refused(config, message, numbered):
    with pytest.raises(ValueError, match=message):
        mix(numbered, config, seeded(0))
