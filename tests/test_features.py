"""Behind a frozen backbone the head learns from tokens that are computed once."""

from copy import deepcopy

import pandas as pd
import pytest
import torch

from ecgpipe import features, inference
from ecgpipe.batches import Montage
from ecgpipe.cohort import Cohort
from ecgpipe.heads import Head, HeadConfig, pool


@pytest.fixture
def cohort():
    generator = torch.Generator().manual_seed(0)
    signal = torch.randint(-500, 500, (6, 3, 100), generator=generator, dtype=torch.int16)
    samples = [100, 100, 80, 100, 100, 30]  # crops are of 50
    table = pd.DataFrame({"record": [str(i) for i in range(6)], "samples": samples})
    montage = Montage(50, ("I", "II", "V1"))
    return Cohort(table, signal, torch.zeros(6, 3), torch.arange(6), montage)


def test_kept_tokens_give_the_probabilities_of_the_whole_model(model, cohort):
    kept = features.encode(model, cohort, 1.0, mixed=False)
    expected = inference.probabilities(model, cohort, 1.0, 0.5).numpy()
    assert kept.probabilities(model.head) == pytest.approx(expected, abs=1e-5)


def test_too_many_tokens_are_not_kept(model, cohort, monkeypatch):
    monkeypatch.setattr(features, "LARGEST", 100)
    assert features.encode(model, cohort, 1.0, mixed=False) is None


def test_a_crop_of_each_record_is_drawn(model, cohort):
    kept = features.encode(model, cohort, 1.0, mixed=False)
    assert kept.crops.tolist() == [3, 3, 3, 3, 3, 1]
    index = torch.tensor([4, 1, 5] * 20)
    drawn = kept.draw(index, torch.Generator().manual_seed(1))
    places = [(kept.tokens == tokens).all((-1, -2)).nonzero().item() for tokens in drawn]
    assert [set(places[i::3]) for i in range(3)] == [{12, 13, 14}, {3, 4, 5}, {15}]


def test_the_first_crop_of_a_record_is_its_beginning(model, cohort):
    kept = features.encode(model, cohort, 1.0, mixed=False)
    index = torch.tensor([5, 2])
    with torch.no_grad():
        tokens = model.backbone(cohort.beginnings(index, 50))
    expected = model.head.summarise(tokens)
    torch.testing.assert_close(kept.beginnings(index), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["max_mean", "mean", "max_mean_last", "attention"])
def test_a_head_says_the_same_of_the_summary(kind):
    tokens = torch.randn(5, 9, 12, generator=torch.Generator().manual_seed(0))
    head = Head(12, 3, HeadConfig(pool=kind)).eval()
    torch.testing.assert_close(head(head.summarise(tokens)), head(tokens), atol=1e-5, rtol=1e-5)


def test_pools_are_maximum_mean_and_last_token():
    tokens = torch.tensor([[[1.0, 5.0], [3.0, 1.0], [2.0, 0.0]]])
    assert pool(tokens, "max_mean_last").tolist() == [[3.0, 5.0, 2.0, 2.0, 2.0, 0.0]]


def test_attention_begins_as_a_mean_and_learns(model):
    head = Head(12, 3, HeadConfig(pool="attention", norm=False, dropout=0.0))
    tokens = torch.randn(4, 7, 12, generator=torch.Generator().manual_seed(0))
    shuffled = tokens[:, torch.randperm(7)]
    before = deepcopy(head.attend.query)
    torch.testing.assert_close(head(tokens), head(shuffled))
    head(tokens).sum().backward()
    assert head.attend.query.grad.abs().sum() > 0 and (before == 0).all()


def test_an_unknown_pool_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match="pool 'median'; allowed: max_mean, max, mean"):
        HeadConfig(pool="median")
