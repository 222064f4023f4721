"""What fills up a short record changes nothing of what is said of it."""

from copy import deepcopy

import pandas as pd
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, pad

from ecgpipe import augment, features, inference, inner_loop, padding, per_task
from ecgpipe.batches import Labeled, Montage
from ecgpipe.cohort import Cohort
from ecgpipe.episodes import Episodes, Windows
from ecgpipe.heads import HeadConfig
from ecgpipe.methods import supervised
from ecgpipe.mixing import mix
from ecgpipe.model import Backbone, Classifier, build_backbone
from ecgpipe.objectives import meta

RECURRENT = [
    {"name": "rnn", "hidden": 8, "cell": cell, "bidirectional": both, "layers": layers, "stride": s}
    for cell, both, layers, s in [
        ("gru", False, 1, 1),
        ("lstm", False, 2, 1),
        ("gru", True, 2, 1),
        ("lstm", True, 1, 1),
        ("lstm", True, 1, 4),
        ("gru", False, 1, 4),
    ]
] + [{"name": "cpc_lstm", "width": 8, "hidden": 8}]
STRIDED = {
    "kernels": [10, 4, 4, 4],
    "strides": [2, 2, 2, 2],
}  # gives no token for what is left over
POOLS = ["max_mean", "mean", "max", "max_mean_last", "attention"]


class Samples(Backbone):
    """Every sample is a token, padding as loud as any."""

    dim = 4

    def __init__(self):
        super().__init__()
        self.mix = torch.nn.Linear(3, self.dim)

    def stem(self, signal):
        return self.mix(signal.mT)

    def trunk(self, stemmed):
        return stemmed


def build(backbone, pool="max_mean"):
    torch.manual_seed(0)
    head = HeadConfig(pool=pool, norm=False, dropout=0.0)
    return Classifier(build_backbone(backbone, 3, "tests"), ("a", "b"), head).eval()


def make_signals(records=4, samples=48):
    return torch.randn(records, 3, samples, generator=torch.Generator().manual_seed(1))


def short_and_filled():
    """Give short signals, and the same filled up beside others that are whole."""
    short = make_signals(samples=28)
    return short, torch.cat([pad(short, (0, 20)), make_signals()])


def test_padding_is_the_end_that_is_zero_in_every_lead():
    signal = torch.zeros(4, 2, 6)
    signal[0, 1, 3] = signal[1, 0, 5] = signal[2, 0, 0] = -1.0
    assert padding.recorded(signal).tolist() == [4, 6, 1, 1]


def test_a_silence_amid_a_signal_is_no_padding():
    signal = torch.ones(1, 2, 9)
    signal[:, :, 2:8] = 0
    assert padding.recorded(signal).tolist() == [9]


def test_a_token_is_recorded_if_some_of_its_samples_are():
    signal = torch.ones(3, 1, 10)
    signal[0, :, 4:], signal[1, :, 5:] = 0, 0
    there = padding.recorded_tokens(signal, 3)  # of 4, 4 and 2 samples
    assert there.tolist() == [[True, False, False], [True, True, False], [True, True, True]]


@pytest.mark.parametrize("samples", [48, 249, 1000, 1001])
def test_without_padding_every_token_is_recorded_whatever_the_strides(samples):
    backbone = build({"name": "cpc_lstm", "width": 8, "hidden": 8, **STRIDED}).backbone
    signal = make_signals(2, samples)
    assert backbone.recorded(signal, backbone(signal).shape[1]).all()


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("backbone", RECURRENT, ids=str)
def test_padding_changes_no_logit_of_a_recurrent_network(backbone, pool):
    network = build(backbone, pool)
    short, filled = short_and_filled()
    torch.testing.assert_close(network(filled)[:4], network(short), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("backbone", RECURRENT[:4], ids=str)
def test_padding_changes_no_gradient_of_a_recurrent_network(backbone):
    network = build(backbone).train()
    short, filled = short_and_filled()
    target = torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    gradients = []
    for signal in (short, filled):
        network.zero_grad()
        binary_cross_entropy_with_logits(network(signal)[:4], target).backward()
        gradients.append([parameter.grad.clone() for parameter in network.parameters()])
    torch.testing.assert_close(*gradients, atol=1e-6, rtol=1e-4)
    assert all(gradient.abs().sum() > 0 for gradient in gradients[0])


def test_a_method_trains_on_padded_records_as_on_short_ones():
    short, filled = short_and_filled()
    target = torch.tensor([[0.0, 1.0]] * 4)
    losses = []
    for signal in (short, filled[:4]):
        method = supervised.Method(build(RECURRENT[3]).train(), supervised.Config())
        losses.append(method(Labeled(signal, target), None)["loss"])
    torch.testing.assert_close(*losses)


def cohort_of(signal, samples):
    table = pd.DataFrame({"record": [str(i) for i in range(len(signal))], "samples": samples})
    microvolts = (signal * 1000).round().to(torch.int16)
    who = torch.arange(len(signal))
    return Cohort(
        table, microvolts, torch.zeros(len(signal), 2), who, Montage(10, ("I", "II", "V1"))
    )


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("backbone", [RECURRENT[0], RECURRENT[3]], ids=str)
def test_a_short_record_is_predicted_as_if_it_stood_alone(backbone, pool):
    network = build(backbone, pool)
    short, filled = short_and_filled()
    alone, among = cohort_of(short, [28] * 4), cohort_of(filled, [28] * 4 + [48] * 4)
    expected = inference.probabilities(network, alone, 4.8, 2.4).numpy()
    said = inference.probabilities(network, among, 4.8, 2.4).numpy()
    assert said[:4] == pytest.approx(expected, abs=1e-6)
    kept = features.encode(network, among, 4.8, mixed=False)
    assert kept.probabilities(network.head)[:4] == pytest.approx(expected, abs=1e-6)


def test_embeddings_hold_nothing_of_padding():
    network = build(RECURRENT[3])
    short, filled = short_and_filled()
    alone, among = cohort_of(short, [28] * 4), cohort_of(filled, [28] * 4 + [48] * 4)
    expected = inference.embeddings(network, alone, 4.8, 2.4)
    said = inference.embeddings(network, among, 4.8, 2.4)
    torch.testing.assert_close(said[:4], expected, atol=1e-6, rtol=1e-5)
    also = inference.probabilities_and_embeddings(network, among, 4.8, 2.4)[1]
    torch.testing.assert_close(also, said)


def test_a_batch_without_padding_is_pooled_over_all_its_tokens():
    network = build(RECURRENT[0])
    signal = make_signals()
    tokens = network.backbone(signal)
    torch.testing.assert_close(network(signal), network.head(tokens), atol=1e-6, rtol=1e-5)


def test_a_flat_head_sees_kept_tokens_as_it_sees_those_of_the_model():
    torch.manual_seed(0)
    config = HeadConfig(pool="flatten", norm=False, dropout=0.0, tokens=48)
    network = Classifier(build_backbone(RECURRENT[0], 3, "tests"), ("a", "b"), config).eval()
    among = cohort_of(short_and_filled()[1], [28] * 4 + [48] * 4)
    expected = inference.probabilities(network, among, 4.8, 2.4).numpy()
    kept = features.encode(network, among, 4.8, mixed=False)
    assert kept.probabilities(network.head) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("algorithm", ["anil", "fomaml"])
def test_meta_learning_does_not_pool_padding(algorithm):
    target = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]] * 2)
    short, filled = short_and_filled()
    losses = []
    for signal in (short, filled[:4]):
        torch.manual_seed(0)
        head = HeadConfig(norm=False, dropout=0.0)
        network = Classifier(Samples(), ("a", "b"), head)
        seen = Windows(signal.unflatten(0, (2, 2)), target, torch.ones(2, 2))
        episodes = Episodes(seen, seen, 2, torch.Generator())
        learner, batch = meta.view(network, meta.Config(algorithm=algorithm), episodes)
        weights = per_task.stack(learner, 2)
        losses.append(inner_loop.losses_on(learner, weights, batch.query))
    torch.testing.assert_close(*losses, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    "step",
    [
        "noise",
        "relative_noise",
        "baseline_wander",
        "muscle",
        "baseline_shift",
        "lead_mask",
        "scale",
    ],
)
def test_a_view_keeps_padding_silent(step):
    short, filled = short_and_filled()
    before = deepcopy(filled)
    generator = torch.Generator().manual_seed(2)
    made = augment.make_view(filled, (step,), Montage(100, ("I", "II", "V1")), generator)
    assert padding.recorded(made).tolist() == [28] * 4 + [48] * 4
    assert not torch.equal(made[:4, :, :28], short) and torch.equal(filled, before)


def test_a_mixture_is_as_long_as_the_longer_of_the_two():
    short, filled = short_and_filled()
    generator = torch.Generator().manual_seed(0)
    labeled = Labeled(filled, torch.eye(8))
    mixed = mix(labeled, {"name": "mixup", "alpha": 1.0}, generator)
    partners = (mixed.target > 0).float() @ torch.tensor([28.0] * 4 + [48.0] * 4).diag()
    assert padding.recorded(mixed.signal).tolist() == partners.amax(dim=1).tolist()
