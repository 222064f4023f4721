"""Every file in ecgpipe/objectives keeps these promises."""

import pytest
import torch

from ecgpipe import registry
from ecgpipe.batches import Montage, Pretext


@pytest.fixture
def batch(labeled):
    index = torch.arange(len(labeled.signal))
    montage, generator = Montage(50, ("I", "II", "V1")), torch.Generator().manual_seed(0)
    return Pretext(labeled.signal, labeled.target, index // 2, index, montage, generator)


OWN_BACKBONES = {  # of objectives that do not take any
    "cpc": {"name": "cpc_lstm", "width": 8, "hidden": 8},
    "masked": {"name": "vit1d", "patch": 10, "dim": 16, "depth": 2, "heads": 2},
    "jepa": {"name": "vit1d", "patch": 10, "dim": 16, "depth": 2, "heads": 2},
}


@pytest.fixture
def model(name, model):
    from ecgpipe.model import Classifier, HeadConfig, build_backbone

    if name not in OWN_BACKBONES:
        return model
    backbone = build_backbone(OWN_BACKBONES[name], 3, "tests")
    return Classifier(backbone, model.labels, HeadConfig(dropout=0.0))


@pytest.mark.parametrize("name", registry.names("objectives"))
def test_a_batch_gives_a_finite_loss_with_a_gradient_in_the_backbone(name, model, batch):
    plugin = registry.load("objectives", name)
    terms = plugin.Objective(model, plugin.Config())(batch)
    terms["loss"].backward()
    assert torch.isfinite(terms["loss"])
    assert all(p.grad is not None for p in model.backbone.parameters())


@pytest.mark.parametrize("name", ["supervised"])
def test_supervised_pretraining_without_labels_is_refused(name, model):
    from ecgpipe.model import Classifier

    plugin = registry.load("objectives", name)
    with pytest.raises(ValueError, match="needs labels"):
        plugin.Objective(Classifier(model.backbone), plugin.Config())
