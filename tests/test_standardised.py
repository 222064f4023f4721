"""A residual network that takes each lead by its own mean and deviation."""

import pytest
import torch

from ecgpipe import per_task
from ecgpipe.backbones.xresnet1d import standardise
from ecgpipe.model import Classifier, build_backbone


def build(standardised=True, leads=2):
    torch.manual_seed(0)
    told = {"name": "xresnet1d", "depth": 18, "width": 8, "standardised": standardised}
    return build_backbone(told, leads, "tests").eval()


@pytest.fixture
def signal():
    return torch.randn(4, 2, 250, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("standardised", [False, True])
def test_it_takes_no_note_of_gains_and_offsets_of_leads(standardised, signal):
    backbone = build(standardised)
    changed = signal * torch.tensor([[3.0], [0.5]]) + torch.tensor([[1.0], [-2.0]])
    same = torch.allclose(backbone(changed), backbone(signal), rtol=1e-3, atol=1e-3)
    assert same == standardised


def test_a_lead_has_mean_0_and_deviation_1_and_a_silent_one_stays_so(signal):
    signal[:, 1] = 0
    found = standardise(5 + 2 * signal * torch.tensor([[1.0], [0.0]]))
    assert found[:, 0].mean(dim=1).abs().max() < 1e-5
    torch.testing.assert_close(
        found[:, 0].std(dim=1, correction=0), torch.ones(4), rtol=0, atol=1e-3
    )
    assert (found[:, 1] == 0).all()


def test_what_fills_up_a_short_signal_changes_nothing_and_stays_zero(signal):
    filled = torch.cat([signal, torch.zeros(4, 2, 100)], dim=2)
    found = standardise(filled)
    torch.testing.assert_close(found[..., :250], standardise(signal))
    assert (found[..., 250:] == 0).all()


def test_noise_of_a_flat_lead_is_made_at_most_a_hundred_times_larger(signal):
    assert standardise(signal * 1e-4).abs().max() < 100 * 1e-4 * signal.abs().max()


def test_maps_keep_their_channels_last_in_memory():
    assert build(leads=1)(torch.randn(2, 1, 100)).is_contiguous()


def test_it_runs_with_weights_of_its_own_for_every_task():
    network = Classifier(build(leads=1), ("VA",)).eval()
    signal = torch.randn(3, 5, 1, 200)
    found = per_task.forward(network, per_task.stack(network, 3), signal)
    torch.testing.assert_close(found, torch.stack([network(of_one) for of_one in signal]))
