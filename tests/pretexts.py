"""Signals, batches and small objectives for tests of pretexts."""

import torch

from ecgpipe.batches import Montage, Pretext
from ecgpipe.model import Classifier, build_backbone

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2")
MONTAGE = Montage(100, LEADS)
SMALL = {"name": "xresnet1d", "depth": 18, "width": 8}
EXACT = (
    {"name": "negation", "share": 1.0},
    {"name": "time_flip", "share": 1.0},
    {"name": "scale", "low": 3.0, "high": 3.0},
)
PLACES = {"crop": 0.5, "reach": 0.4, "swaps": (("RA", "LA"), ("V1", "V2"))}
TURNS = ({"name": "transforms", "steps": EXACT}, {"name": "location", **PLACES})


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def signals(batch=16, leads=8, time=100):
    return torch.randn(batch, leads, time, generator=seeded(9))


def pretext(signal, seed=0, montage=MONTAGE):
    index = torch.arange(len(signal))
    return Pretext(signal, None, index, index, montage, seeded(seed))


def objective(plugin, backbone=SMALL, **config):
    torch.manual_seed(0)
    network = Classifier(build_backbone(backbone, len(LEADS), "tests"))
    return plugin.Objective(network, plugin.Config(**config))
