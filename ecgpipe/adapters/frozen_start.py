"""Every weight learns but those of the first parts: what a network sees first serves many tasks."""

from collections.abc import Iterable
from dataclasses import dataclass

from ecgpipe.batches import Labeled
from ecgpipe.model import Classifier


@dataclass(frozen=True)
class Config:
    """Two parts, as in CE-SSL-F (Zhou et al. 2024), there beside low-rank updates."""

    parts: int = 2  # of `backbone.layers()`, from the input on

    def __post_init__(self) -> None:
        if self.parts < 1:
            raise ValueError(
                f"frozen_start: parts {self.parts} must be positive; where all learn, it is `full`"
            )


def attach(model: Classifier, config: Config, labeled: Iterable[Labeled] | None) -> None:
    """Let all of the model learn but its first parts, whose batch norms keep their statistics."""
    layers = model.backbone.layers()
    if config.parts > len(layers):
        raise ValueError(
            f"frozen_start: parts {config.parts}, but this backbone has {len(layers)}; lower it in "
            "the recipe, or take `probe` to freeze them all"
        )
    model.requires_grad_(True)
    for layer in layers[: config.parts]:
        layer.requires_grad_(False)


def merge(model: Classifier) -> None:
    """Leave the model as it is: nothing was added."""
