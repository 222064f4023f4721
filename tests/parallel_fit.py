"""Fit a small network on made-up batches, in one process or under torchrun; save the weights."""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from ecgpipe import fit, parallel, registry
from ecgpipe.batches import Labeled
from ecgpipe.fit_settings import Fit
from ecgpipe.heads import HeadConfig
from ecgpipe.model import Classifier, build_backbone


def main(out: Path) -> None:
    """Take ten steps with batches of 16, shared by however many processes there are."""
    torch.set_num_threads(1)
    parallel.start()
    torch.manual_seed(0)
    backbone = build_backbone({"name": "xresnet1d", "depth": 18, "width": 8}, 3, "test")
    model = Classifier(backbone, ("a", "b"), HeadConfig(dropout=0.0)).double()
    before = {
        f"before/{k}": v.clone() for k, v in model.state_dict().items() if v.is_floating_point()
    }
    plugin = registry.load("methods", "supervised")

    def make_batch(step, generator):
        signal = torch.randn(16, 3, 100, generator=generator, dtype=torch.float64)
        target = (signal[:, :2].mean(dim=2) > 0).double()
        return Labeled(parallel.share(signal), parallel.share(target)), None

    # in float64: in float32 AdamW turns rounding of vanishing gradients into whole steps
    work = fit.Work(
        loss=plugin.Method(model, plugin.Config()),
        model=model,
        make_batch=make_batch,
        name_records=lambda step: [],
        validate=lambda network: 0.0,
        measure="valid_auroc",
        example=torch.zeros(1, 3, 100, dtype=torch.float64),
        samples=16,
        identity="",
    )
    settings = Fit(steps=10, validate_every=10, batch=16, mixed=False, clip=1.0)
    fit.fit(work, settings, seed=0, state=out.with_suffix(".state"))
    if parallel.rank() == 0:
        after = {k: v for k, v in model.state_dict().items() if v.is_floating_point()}
        save_file({k: v.contiguous() for k, v in (after | before).items()}, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
