"""What is put in place of a wave, and how far a logit falls without it."""

import pytest
import torch

from ecgpipe.removal import baseline, drops

FS, LEADS, TIME = 100, 2, 430


@pytest.fixture
def beats():
    """QRS complexes of 0.1 s, one a second, on leads at rest at 0.2 and -0.5 mV."""
    level = torch.tensor([0.2, -0.5])[:, None].expand(1, LEADS, TIME)
    wave = (torch.arange(TIME) % 100 < 10).float()
    return level, level + wave


def test_waves_do_not_lift_the_baseline(beats):
    level, signal = beats
    torch.testing.assert_close(baseline(signal, FS), level)


def test_the_baseline_follows_what_wanders(beats):
    wander = 0.3 * torch.sin(2 * torch.pi * torch.arange(TIME) / (10 * FS))
    level, signal = (each + wander for each in beats)
    assert (baseline(signal, FS) - level).abs()[..., 50:-50].max() < 0.03


@pytest.mark.parametrize("time", [1, 40, 149, 151])
def test_a_signal_of_any_length_has_a_baseline(time):
    level = baseline(torch.full((1, LEADS, time), 0.7), FS)
    torch.testing.assert_close(level, torch.full((1, LEADS, time), 0.7))


@pytest.fixture
def network():
    """Logits that are linear in samples and leads."""
    from ecgpipe.heads import HeadConfig
    from ecgpipe.model import Backbone, Classifier

    class Samples(Backbone):
        dim = LEADS

        def stem(self, signal):
            return signal

        def trunk(self, stemmed):
            return stemmed.mT

    torch.manual_seed(0)
    head = HeadConfig(pool="flatten", tokens=TIME, norm=False, dropout=0.5)
    return Classifier(Samples(), ("A", "B"), head)


def test_a_drop_is_what_the_logit_loses(network, beats):
    level, signal = beats
    piece = (torch.arange(TIME) % 100 >= 10).long().expand_as(signal)  # 0: in a complex
    weight = network.head.layers[-1].weight.detach().view(2, TIME, LEADS).mT
    found = drops(
        network, signal.repeat(2, 1, 1), torch.tensor([0, 1]), piece.repeat(2, 1, 1), 3, FS
    )
    lost = (weight * (signal - level)).sum(dim=(1, 2))
    torch.testing.assert_close(found[:, 0], lost, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found[:, 1:], torch.zeros(2, 2), rtol=0, atol=1e-4)


def test_pieces_may_differ_between_leads(network, beats):
    level, signal = beats
    piece = torch.tensor([0, -1])[:, None].expand_as(signal)
    weight = network.head.layers[-1].weight.detach().view(2, TIME, LEADS).mT
    found = drops(network, signal, torch.tensor([1]), piece, 1, FS)
    lost = (weight[1] * (signal - level)[0])[0].sum()
    torch.testing.assert_close(found[0, 0], lost, rtol=1e-3, atol=1e-4)


def test_however_many_fit_a_pass_the_drops_are_the_same(network, beats, monkeypatch):
    signal = torch.cat([beats[1], -beats[1], 2 * beats[1]])
    piece = (torch.arange(TIME) // 50).expand_as(signal)
    label = torch.tensor([0, 1, 1])
    together = drops(network, signal, label, piece, 9, FS)
    monkeypatch.setattr("ecgpipe.logits.SAMPLES", {"cpu": 4 * TIME})
    torch.testing.assert_close(drops(network, signal, label, piece, 9, FS), together)
