"""Every file in ecgpipe/objectives keeps these promises."""

import pandas as pd
import pytest
import torch

from ecgpipe import registry
from ecgpipe.batches import Montage, Pretext
from ecgpipe.cohort import Cohort
from ecgpipe.fit_settings import Fit


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


OWN_SETTINGS = {  # where defaults ask for more records, seconds or leads than there are
    "meta": {"tasks": 2},
    "location": {"crop": 1.0, "reach": 0.5, "swaps": (("RA", "LA"),)},
    "joint": {"pretexts": ({"name": "transforms"}, {"name": "simclr"})},
}


def batch_for(objective, batch):
    """What an objective is called on: batches of its own, where it samples in its own way."""
    if not hasattr(objective, "batches"):
        return batch
    patient = batch.index % 2  # two of eight records each
    samples = batch.signal.shape[-1]
    table = pd.DataFrame({"record": patient, "start": batch.index, "samples": samples})
    signal = (1000 * batch.signal).to(torch.int16)
    cohort = Cohort(table, signal, batch.target, patient, batch.montage)
    own = objective.batches(cohort, cohort, Fit(steps=4, validate_every=2, crop=2.0), seed=0)
    return own["make_batch"](0, batch.generator)[0]


def is_search(name):
    return hasattr(registry.load("objectives", name), "search")


NAMES = registry.names("objectives")


@pytest.mark.parametrize("name", NAMES)
def test_a_file_offers_settings_and_either_a_loss_or_a_search_over_other_files(name):
    plugin = registry.load("objectives", name)
    assert hasattr(plugin, "Config") and hasattr(plugin, "Objective") != is_search(name)


@pytest.mark.parametrize("name", [name for name in NAMES if not is_search(name)])
def test_a_batch_gives_a_finite_loss_with_a_gradient_in_the_backbone(name, model, batch):
    plugin = registry.load("objectives", name)
    objective = plugin.Objective(model, plugin.Config(**OWN_SETTINGS.get(name, {})))
    terms = objective(batch_for(objective, batch))
    terms["loss"].backward()
    assert torch.isfinite(terms["loss"])
    assert all(p.grad is not None for p in model.backbone.parameters())


@pytest.mark.parametrize("name", ["meta", "supervised"])
def test_supervised_pretraining_without_labels_is_refused(name, model):
    from ecgpipe.model import Classifier

    plugin = registry.load("objectives", name)
    with pytest.raises(ValueError, match="needs labels"):
        plugin.Objective(Classifier(model.backbone), plugin.Config())
