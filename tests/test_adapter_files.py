"""A pretrained checkpoint and an adapter file together are the merged checkpoint."""

import hashlib
import json
from copy import deepcopy
from itertools import repeat

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import binary_cross_entropy_with_logits

from ecgpipe import adapter_files, registry
from ecgpipe import model as models
from ecgpipe.adapters import gated_lora, lora, probe
from ecgpipe.heads import HeadConfig
from ecgpipe.model import Classifier, build_backbone
from tests.ce_ssl import build

METADATA = {
    "backbone": {"name": "xresnet1d", "depth": 18, "width": 8},
    "leads": ["I", "II", "V1"],
    "fs": 50,
}


@pytest.fixture
def pretrained(tmp_path, model):
    """The checkpoint of a model whose labels are others than those finetuned on."""
    torch.manual_seed(1)
    network = Classifier(deepcopy(model.backbone), ("other",))
    models.save(tmp_path / "pretrained.safetensors", network, METADATA)
    return tmp_path / "pretrained.safetensors"


def finetune(adapter, network, labeled, **settings):
    """Attach, train a little, and merge; return what merging added."""
    adapter.attach(network, adapter.Config(**settings), repeat(labeled))
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=1e-2)
    network.train()
    for _ in range(3):
        optimizer.zero_grad()
        binary_cross_entropy_with_logits(network(labeled.signal), labeled.target).backward()
        optimizer.step()
    factors = adapter_files.factors_of(adapter, network)
    adapter.merge(network.eval())
    return factors


@pytest.fixture
def written(tmp_path, model, labeled, pretrained):
    """An adapter file of gated LoRA and the merged model it stands for."""
    factors = finetune(gated_lora, model, labeled, rank=1)
    path = tmp_path / "adapter.safetensors"
    adapter_files.save(path, model, pretrained, factors, METADATA | {"recipe": "a"})
    return path, model


@pytest.mark.parametrize("name", registry.names("adapters"))
def test_of_every_adapter_the_file_gives_the_merged_model(
    name, tmp_path, model, labeled, pretrained
):
    factors = finetune(registry.load("adapters", name), model, labeled)
    path = tmp_path / "adapter.safetensors"
    adapter_files.save(path, model, pretrained, factors, METADATA)
    rebuilt = adapter_files.load(pretrained, path)
    assert rebuilt.labels == model.labels and rebuilt.head_config == model.head_config
    for key, value in model.state_dict().items():
        torch.testing.assert_close(rebuilt.state_dict()[key], value, rtol=1e-6, atol=1e-7)
    with torch.no_grad():
        got, expected = rebuilt.eval()(labeled.signal), model(labeled.signal)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_every_adapter_that_adds_says_what(model):
    adding = [n for n in registry.names("adapters") if "lora" in n]
    assert adding and all(hasattr(registry.load("adapters", name), "factors") for name in adding)


def test_it_holds_what_differs_and_nothing_else(written, pretrained):
    path, merged = written
    names, before = load_file(path).keys(), load_file(pretrained)
    whole = {name for name in names if "/" not in name}
    factors = {name.partition("/")[0] for name in names if "/" in name}
    changed = {
        name
        for name, value in merged.state_dict().items()
        if name not in before or not torch.equal(value, before[name])
    }
    assert whole | factors == changed and not whole & factors
    assert not any(name.endswith("weight") and name.startswith("backbone") for name in whole)


def test_of_a_frozen_backbone_it_holds_the_head_alone(tmp_path, model, labeled, pretrained):
    factors = finetune(probe, model, labeled)
    adapter_files.save(tmp_path / "adapter", model, pretrained, factors, METADATA)
    assert all(name.startswith("head.") for name in load_file(tmp_path / "adapter"))


def test_factors_are_kept_as_they_were_not_scaled_away(tmp_path, model, labeled, pretrained):
    factors = finetune(lora, model, labeled, rank=2, alpha=6.0)
    adapter_files.save(tmp_path / "adapter", model, pretrained, factors, METADATA)
    assert any(name.endswith("/down") for name in load_file(tmp_path / "adapter"))


def test_of_the_published_network_at_rank_8_it_takes_less_than_three_megabytes(tmp_path):
    network = build(18, width=256, depth=8)
    metadata = METADATA | {"backbone": {"name": "conv_transformer"}, "leads": ["x"] * 12}
    models.save(tmp_path / "pretrained", network, metadata)
    gated_lora.attach(network, gated_lora.Config(rank=8), None)
    for parameter in network.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.01)
    factors = adapter_files.factors_of(gated_lora, network)
    gated_lora.merge(network.eval())
    adapter_files.save(tmp_path / "adapter", network, tmp_path / "pretrained", factors, metadata)
    assert (tmp_path / "adapter").stat().st_size < 3e6 < (tmp_path / "pretrained").stat().st_size
    rebuilt = adapter_files.load(tmp_path / "pretrained", tmp_path / "adapter")
    for name, value in network.state_dict().items():
        assert torch.equal(rebuilt.state_dict()[name], value), name


def test_it_tells_where_it_comes_from(written, pretrained):
    told = adapter_files.read_metadata(written[0])
    assert told["recipe"] == "a" and told["backbone"] == METADATA["backbone"]
    assert told["pretrained_sha256"] == hashlib.sha256(pretrained.read_bytes()).hexdigest()


def test_another_pretrained_checkpoint_is_refused(written, tmp_path):
    other = tmp_path / "other.safetensors"
    torch.manual_seed(5)
    backbone = build_backbone(METADATA["backbone"], 3, "tests")
    models.save(other, Classifier(backbone, ("other",), HeadConfig()), METADATA)
    with pytest.raises(ValueError, match="belongs to another pretrained checkpoint than .*other"):
        adapter_files.load(other, written[0])


def test_a_checkpoint_is_no_adapter_file(pretrained):
    with pytest.raises(ValueError, match="not an adapter file of ecgpipe"):
        adapter_files.load(pretrained, pretrained)


def test_a_damaged_file_is_reported(written, pretrained):
    path, _ = written
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="damaged"):
        adapter_files.load(pretrained, path)


def test_nothing_half_written_is_left(written):
    assert sorted(path.name for path in written[0].parent.iterdir()) == [
        "adapter.safetensors",
        "pretrained.safetensors",
    ]
    assert json.dumps(adapter_files.read_metadata(written[0]))
