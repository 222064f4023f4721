"""What must hold on a GPU: the losses of a CPU, and a cost that tells the memory."""

import json

import pytest
import torch

from tests.conftest import FIT

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here"),
]


def test_a_forward_and_backward_pass_equals_the_cpus(model, labeled):
    from copy import deepcopy

    from ecgpipe import registry
    from ecgpipe.batches import Labeled

    plugin = registry.load("methods", "supervised")
    here = plugin.Method(model, plugin.Config())
    there = deepcopy(here).cuda()
    moved = Labeled(labeled.signal.cuda(), labeled.target.cuda())
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        losses = [here(labeled, None)["loss"], there(moved, None)["loss"]]
        for loss in losses:
            loss.backward()
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-4)
    for one, other in zip(here.parameters(), there.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad.cpu(), rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("changes", [{}, {"mixed": True}, {"mixed": True, "compile": True}])
def test_training_on_a_gpu_learns_and_tells_its_memory(stages, changes):
    pretrained = stages.pretrain("random.safetensors")
    out = stages.finetune(
        "full/checkpoint.safetensors", pretrained, fit=FIT | {"steps": 90} | changes
    )
    cost = json.loads(out.with_name("cost.json").read_text())
    assert cost["best_score"] > 0.7
    assert 0 < cost["peak_bytes"] < torch.cuda.get_device_properties(0).total_memory
    assert cost["device"] == torch.cuda.get_device_name()
