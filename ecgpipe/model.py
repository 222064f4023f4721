"""Backbone, head, classifier, and their checkpoints: safetensors that describe themselves."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jaxtyping import Bool, Float
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ecgpipe import padding, registry, settings, tensor_files
from ecgpipe.batches import Montage
from ecgpipe.heads import Head, HeadConfig

ENTRY = "ecgpipe"  # of a checkpoint's header


class Backbone(nn.Module):
    """An encoder: `(batch, lead, time)` to `(batch, token, dim)`, as `trunk(stem(signal))`."""

    dim: int  # width of a token
    timed: bool = True  # each token stands for a part of the time, one after the other
    causal: bool = False  # the stem gives tokens; the trunk's, one each, have seen no later ones
    width: int  # of the stem's tokens, where it gives tokens
    patch: tuple[int, int] | None = None  # leads x samples of a token; the trunk takes any tokens

    def stem(self, signal: Float[Tensor, "batch lead time"]) -> Tensor:
        """Turn a signal into whatever the trunk takes."""
        raise NotImplementedError

    def trunk(self, stemmed: Tensor) -> Float[Tensor, "batch token dim"]:
        """Turn the stem's output into tokens."""
        raise NotImplementedError

    def recorded(
        self, signal: Float[Tensor, "batch lead time"], tokens: int
    ) -> Bool[Tensor, "batch tokens"]:
        """Tell which of the tokens of signals stand for more than padding."""
        return padding.recorded_tokens(signal, tokens)

    def encode(
        self, signal: Float[Tensor, "batch lead time"]
    ) -> tuple[Float[Tensor, "batch token dim"], Bool[Tensor, "batch token"]]:
        """Encode, and tell which tokens a head should pool."""
        tokens = self(signal)
        return tokens, self.recorded(signal, tokens.shape[1])

    def layers(self) -> list[nn.Module]:
        """The backbone's parts from input to output, for rates that differ with depth."""
        return list(self.children())

    def forward(self, signal: Float[Tensor, "batch lead time"]) -> Float[Tensor, "batch token dim"]:
        """Encode."""
        return self.trunk(self.stem(signal))


class Classifier(nn.Module):
    """A backbone and, where there are labels, a head."""

    def __init__(
        self, backbone: Backbone, labels: tuple[str, ...] = (), head: HeadConfig = HeadConfig()
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.labels = labels
        self.head_config = head
        self.head = Head(backbone.dim, len(labels), head) if labels else None

    def forward(self, signal: Float[Tensor, "batch lead time"]) -> Float[Tensor, "batch label"]:
        """Return one logit a label."""
        assert self.head is not None, "a classifier without labels has no logits"
        return self.head(*self.backbone.encode(signal))

    def train(self, mode: bool = True) -> "Classifier":
        """Switch mode; a batch norm that does not learn keeps the statistics it has."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, _BatchNorm) and not any(
                p.requires_grad for p in module.parameters()
            ):
                module.eval()
        return self


@contextmanager
def statistics_kept(model: nn.Module) -> Iterator[None]:
    """Normalise by the statistics of batches, as in training, without remembering them."""
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def build_backbone(config: dict[str, Any], leads: int, where: str) -> Backbone:
    """Build the backbone that settings name."""
    name, values = settings.plugin(config, where)
    plugin = registry.load("backbones", name)
    return plugin.Backbone(
        settings.build(plugin.Config, values, f"{where}: backbone {name}"), leads
    )


def save(path: Path, model: Classifier, metadata: dict[str, Any]) -> None:
    """Write weights and metadata beside and rename.

    `metadata` states backbone, leads, fs, and whatever else shaped the weights.
    """
    missing = {"backbone", "leads", "fs"} - metadata.keys()
    assert not missing, f"a checkpoint must state {missing}"
    header = {**metadata, "labels": list(model.labels), "head": asdict(model.head_config)}
    tensor_files.save(path, model.state_dict(), ENTRY, header)


def read_metadata(path: Path) -> dict[str, Any]:
    """Read what a checkpoint says of itself."""
    return tensor_files.read_told(path, ENTRY, "a checkpoint")


def refuse_other_montage(path: Path, metadata: dict[str, Any], montage: Montage) -> None:
    """Raise if signals come in other leads, in another order or at another rate than trained on."""
    trained = Montage(metadata["fs"], tuple(metadata["leads"]))
    if montage != trained:
        raise ValueError(
            f"{path} was trained on {', '.join(trained.leads)} at {trained.fs} Hz; the shards hold "
            f"{', '.join(montage.leads)} at {montage.fs} Hz; make them at its own preparation"
        )


def load(path: Path) -> tuple[Classifier, dict[str, Any]]:
    """Rebuild the model that a checkpoint describes; return it with its metadata."""
    metadata = read_metadata(path)
    backbone = build_backbone(metadata["backbone"], len(metadata["leads"]), str(path))
    head = settings.build(HeadConfig, metadata["head"], f"{path}: head")
    model = Classifier(backbone, tuple(metadata["labels"]), head)
    model.load_state_dict(load_file(path))
    return model, metadata
