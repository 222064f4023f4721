"""A label planted in one wave: every attribution finds it there, and under both nulls nowhere.

Three waves, each there or noise in its place by a coin of its own; the label is that QRS is there.
Waves are no louder than the noise, so that nothing but what was learnt draws relevance to a place.
The last test says what happens where QRS is as tall as on a real ECG.
"""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from ecgpipe import attention, regions, registry
from ecgpipe.batches import Montage
from ecgpipe.cohort import Cohort
from ecgpipe.explanations import Questions
from ecgpipe.regions import REGIONS

FS, TIME, LEADS, WIDTH = 100, 300, 2, 16
LEARNT, ASKED = 1200, 240  # records
WAVES = ((-22, 10, 2), (0, 10, 1), (20, 20, 5))  # P, QRS, T: first sample, samples, cycles
EQUAL, TALL = (1, 1, 1), (1, 5, 1)  # heights of the waves, in standard deviations of the noise
QRS = REGIONS.index("QRS")


def draw(records, heights, rng):
    """Draw signals in microvolts, whether their QRS is there, and where waves are or would be."""
    signal = rng.normal(size=(records, LEADS, TIME))
    there = rng.random((records, 3)) < 0.5
    waves = []
    for row in range(records):
        period = rng.integers(68, 82)
        for beat in range(rng.integers(22, 22 + period), TIME - 40, period):
            for kind, (first, length, cycles) in enumerate(WAVES):
                here = slice(beat + first, beat + first + length)
                if there[row, kind]:
                    phase = 2 * np.pi * cycles * (np.arange(length) + 0.5) / length
                    mixed = 0.9 * np.sqrt(2) * np.sin(phase) + np.sqrt(0.19) * signal[row, :, here]
                    signal[row, :, here] = heights[kind] * mixed
                waves.append((row, kind, -1, here.start, here.start + length // 2, here.stop - 1))
    return (300 * signal).astype(np.int16), there[:, 1], np.array(waves, np.int32)


def ask(heights, seed):
    """Ask why signals carry the label, of those that do."""
    signal, label, waves = draw(ASKED, heights, np.random.default_rng(seed))
    region = regions.code(waves, np.full(ASKED, TIME), LEADS, TIME)
    own = np.flatnonzero(label)
    table = pd.DataFrame({"samples": [TIME] * len(own)})
    given = torch.from_numpy(signal[own]), torch.zeros(len(own), 0), torch.arange(len(own))
    cohort = Cohort(table, *given, Montage(FS, ("I", "II")))
    asked = torch.zeros(len(own), dtype=torch.int64)
    return Questions(cohort, asked, torch.from_numpy(region[own]), TIME)


def untrained(seed):
    """Draw two convolutions and a head."""
    from ecgpipe.heads import HeadConfig
    from ecgpipe.model import Backbone, Classifier

    class Small(Backbone):
        dim = WIDTH

        def __init__(self):
            super().__init__()
            first = nn.Conv1d(LEADS, WIDTH, 11, padding=5)
            second = nn.Conv1d(WIDTH, WIDTH, 5, stride=2, padding=2)
            self.convolve = nn.Sequential(first, nn.ReLU(), second, nn.ReLU())

        def stem(self, signal):
            return signal

        def trunk(self, stemmed):
            return self.convolve(stemmed).mT

    torch.manual_seed(seed)
    return Classifier(Small(), ("planted",), HeadConfig(norm=False, dropout=0.0))


def train(seed):
    """Learn the label in a second or two."""
    signal, label, _ = draw(LEARNT, EQUAL, np.random.default_rng(seed))
    signal, target = torch.from_numpy(signal) / 1000, torch.from_numpy(label).float()
    network = untrained(seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for step in range(150):
        batch = (torch.arange(48) + 48 * step) % LEARNT
        logit = network(signal[batch])[:, 0]
        loss = nn.functional.binary_cross_entropy_with_logits(logit, target[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


@pytest.fixture(scope="module", params=[0, 1])
def planted(request):
    """A trained network, signals to explain, and networks with random weights."""
    seed = request.param
    random = [untrained(100 * seed + 10 + k) for k in range(8)]
    return SimpleNamespace(network=train(seed), questions=ask(EQUAL, seed + 1000), random=random)


def relevance(questions, network, name):
    plugin = registry.load("attributions", name)
    attribute = partial(plugin.attribute, config=plugin.Config(), fs=FS)
    return questions.relevance(network, attribute)


def enrichment(found, region):
    """Divide mass by area in every region, then average over records."""
    measured = attention.measure(found, region)
    return (measured["mass"] / measured["area"]).nanmean(dim=0)


def by_chance(questions, networks, name):
    """Average the enrichment of QRS over networks."""
    found = [enrichment(relevance(questions, each, name), questions.region) for each in networks]
    return torch.stack(found)[:, QRS].nanmean()


def test_the_label_has_been_learnt(planted):
    signal, label, _ = draw(ASKED, EQUAL, np.random.default_rng(7))
    found = planted.network(torch.from_numpy(signal) / 1000)[:, 0] > 0
    assert (found.numpy() == label).mean() > 0.9


@pytest.mark.parametrize("name", registry.names("attributions"))
def test_relevance_lies_where_the_label_was_planted(planted, name):
    found = relevance(planted.questions, planted.network, name)
    mean = dict(zip(REGIONS, enrichment(found, planted.questions.region).tolist(), strict=True))
    assert mean["QRS"] > max(2, 3 * mean["P"], 3 * mean["T"], 3 * mean["TP"])


@pytest.mark.parametrize("name", registry.names("attributions"))
def test_over_shifted_regions_it_lies_anywhere(planted, name):
    found = relevance(planted.questions, planted.network, name)
    generator = torch.Generator().manual_seed(0)
    shifted = [attention.shift(planted.questions.region, generator) for _ in range(8)]
    mean = torch.stack([enrichment(found, region) for region in shifted]).mean(dim=0)
    assert 0.85 < mean[QRS] < 1.15


@pytest.mark.parametrize("name", registry.names("attributions"))
def test_random_weights_look_anywhere(planted, name):
    chance = by_chance(planted.questions, planted.random, name)
    trained = relevance(planted.questions, planted.network, name)
    assert 0.6 < chance < 1.5
    assert enrichment(trained, planted.questions.region)[QRS] > 2 * chance


def test_without_the_planted_wave_the_logit_falls_most(planted):
    drop = planted.questions.removal(planted.network)["drop"].nanmean(dim=0).tolist()
    others = [abs(fall) for place, fall in enumerate(drop[:6]) if place != QRS]
    assert drop[QRS] > 4 * max(others)


@pytest.mark.parametrize("name", ["gradient_input", "integrated_gradients", "occlusion"])
def test_tall_waves_draw_relevance_whatever_was_learnt(planted, name):
    chance = by_chance(ask(TALL, 5), planted.random[:2], name)
    assert chance > 2.5  # so that not 1, but random weights are what to compare with
