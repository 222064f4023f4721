"""Every file in ecgpipe/objectives keeps these promises."""

import pytest
import torch

from ecgpipe import registry
from ecgpipe.batches import Pretext


@pytest.fixture
def batch(labeled):
    index = torch.arange(len(labeled.signal))
    return Pretext(labeled.signal, labeled.target, patient=index // 2, index=index)


@pytest.mark.parametrize("name", registry.names("objectives"))
def test_a_batch_gives_a_finite_loss_with_a_gradient_in_the_backbone(name, model, batch):
    plugin = registry.load("objectives", name)
    terms = plugin.Objective(model, plugin.Config())(batch)
    terms["loss"].backward()
    assert torch.isfinite(terms["loss"])
    assert all(p.grad is not None for p in model.backbone.parameters())


def test_supervised_pretraining_without_labels_is_refused(model):
    from ecgpipe.model import Classifier

    plugin = registry.load("objectives", "supervised")
    with pytest.raises(ValueError, match="needs labels"):
        plugin.Objective(Classifier(model.backbone), plugin.Config())
