"""Relevance on a GPU is that of a CPU, through cuDNN's recurrent layers too."""

import pytest
import torch

from ecgpipe import registry

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here"),
]


@pytest.mark.parametrize("backbone", ["rnn", "cpc_lstm", "xresnet1d"])
@pytest.mark.parametrize("name", registry.names("attributions"))
def test_relevance_equals_the_cpus(name, backbone):
    from ecgpipe.model import Classifier, build_backbone

    torch.manual_seed(0)
    network = Classifier(build_backbone({"name": backbone}, 3, "tests"), ("A", "B")).eval()
    signal, label = torch.randn(4, 3, 200), torch.tensor([0, 1, 1, 0])
    plugin = registry.load("attributions", name)
    here = plugin.attribute(network, signal, label, plugin.Config(), 100)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        there = plugin.attribute(
            network.cuda(), signal.cuda(), label.cuda(), plugin.Config(), 100
        ).cpu()
    assert (here - there).norm() < 1e-2 * here.norm()
