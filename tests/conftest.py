"""A tiny model, labeled and unlabeled batches, and shards of made-up records."""

import numpy as np
import pytest
import torch

LABELS = ("AFIB", "NORM", "RBBB")


@pytest.fixture
def model():
    """A classifier small enough for a hundred steps a second."""
    from ecgpipe.model import Classifier, HeadConfig, build_backbone

    torch.manual_seed(0)
    backbone = build_backbone({"name": "xresnet1d", "depth": 18, "width": 8}, 3, "tests")
    return Classifier(backbone, LABELS, HeadConfig(dropout=0.0))


@pytest.fixture
def labeled():
    """Records whose labels show as offsets of single leads."""
    from ecgpipe.batches import Labeled

    generator = torch.Generator().manual_seed(1)
    target = (torch.rand(16, 3, generator=generator) < 0.5).float()
    signal = torch.randn(16, 3, 100, generator=generator) + 2 * target[:, :, None]
    return Labeled(signal, target)


@pytest.fixture
def unlabeled(labeled):
    """The same signals without their labels, as a weak and a strong view."""
    from ecgpipe.batches import Unlabeled

    strong = labeled.signal + 0.1 * torch.randn(labeled.signal.shape)
    return Unlabeled(weak=labeled.signal, strong=[strong], index=torch.arange(16))


@pytest.fixture
def rng():
    """A seeded generator."""
    return np.random.default_rng(0)
