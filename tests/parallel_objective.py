"""Fit objectives on made-up batches, in one process or under torchrun; save all that they keep."""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ecgpipe import fit, parallel, registry, states
from ecgpipe.batches import Montage, Pretext
from ecgpipe.fit_settings import Fit
from ecgpipe.model import Classifier, build_backbone

# views that nothing is drawn for: every process would draw its own
TOLD = {"moco": {"queue": 24}, "swav": {"large": 2.0, "small": 2.0, "queue": 24}}


def main(out: Path, names: list[str]) -> None:
    """Take five steps with batches of 16, shared by however many processes there are."""
    torch.set_num_threads(1)
    parallel.start()
    kept = {f"{name}/{k}": v for name in names for k, v in fit_one(name, out).items()}
    if parallel.rank() == 0:
        save_file({k: v.double().contiguous() for k, v in kept.items()}, out)


def fit_one(name: str, out: Path) -> dict[str, Tensor]:
    """Fit one objective; return weights, averages, queues."""
    torch.manual_seed(0)
    backbone = build_backbone({"name": "xresnet1d", "depth": 18, "width": 8}, 3, "test")
    model = Classifier(backbone).double()
    plugin = registry.load("objectives", name)
    config = plugin.Config(**{"views": ()} | TOLD.get(name, {}))
    objective = plugin.Objective(model, config).double()

    def make_batch(step, generator):
        signal = torch.randn(16, 3, 100, generator=generator, dtype=torch.float64)
        index = parallel.share(torch.arange(16))
        montage = Montage(50, ("I", "II", "V1"))
        return (Pretext(signal[index], None, index // 2, index, montage, generator),)

    work = fit.Work(
        loss=objective,
        model=model,
        make_batch=make_batch,
        name_records=lambda step: [],
        validate=lambda network: 0.0,
        measure="valid_loss_negated",
        example=torch.zeros(1, 3, 100, dtype=torch.float64),
        samples=16,
        identity="",
    )
    settings = Fit(steps=5, validate_every=5, batch=16, rate=0.001, mixed=False)
    fit.fit(work, settings, seed=0, state=out.with_suffix(f".{name}"))
    return states.distinct(objective.state_dict())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
