"""Contrastive predictive coding (van den Oord et al. 2018; for ECG: Mehari & Strodthoff 2022).

What the trunk has seen so far must tell the stem's token some steps ahead from others. The scores
of all contexts against all candidates are one product of matrices per record, from which the
columns of the candidates drawn are gathered: nothing is done position by position
(docs/benchmarks.md).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn
from torch.nn.functional import normalize

from ecgpipe.batches import Pretext
from ecgpipe.model import Classifier


@dataclass(frozen=True)
class Config:
    """The published choices, but that the loss is a mean over positions, not their sum."""

    steps: tuple[int, ...] = (12,)  # tokens ahead; the loss is the mean over these horizons
    negatives: int = 128  # a position, drawn with replacement
    negatives_from: str = "record"  # or `batch`, which takes memory for batch^2 x token^2 scores
    hidden: int | None = None  # width of a layer between context and prediction
    detach: bool = False  # whether the encoder is spared the gradient of the candidates
    temperature: float | None = None  # of cosines; None: plain products

    def __post_init__(self) -> None:
        if self.negatives_from not in ("record", "batch"):
            raise ValueError(f"negatives_from: {self.negatives_from!r}; allowed: record, batch")
        if not self.steps or min(self.steps) < 1 or self.negatives < 1:
            raise ValueError(f"steps {self.steps} and negatives {self.negatives} must be positive")
        if self.temperature is not None and self.temperature <= 0:
            raise ValueError(f"temperature {self.temperature} must be positive")


class Objective(nn.Module):
    """Predict tokens of the stem from earlier ones of the trunk."""

    def __init__(self, model: Classifier, config: Config) -> None:
        super().__init__()
        self.config, self.backbone = config, model.backbone
        if not model.backbone.causal:
            raise ValueError(
                "cpc: a context must not have seen what it is to predict; choose a backbone whose "
                "trunk is causal and keeps the stem's tokens: cpc_lstm, or s4 with "
                "`bidirectional: false`"
            )
        self.predictors = nn.ModuleList(
            predictor(model.backbone.dim, model.backbone.width, config.hidden) for _ in config.steps
        )

    def forward(self, batch: Pretext) -> dict[str, Tensor]:
        """Return the loss of one batch, and how often the true token scores above all others."""
        latent = self.backbone.stem(batch.signal)
        context = self.backbone.trunk(latent)
        if latent.shape[1] <= max(self.config.steps):
            raise ValueError(
                f"cpc: a crop is {latent.shape[1]} tokens, too short to predict "
                f"{max(self.config.steps)} ahead; set a longer `crop`, or other `steps`"
            )
        scores = [
            self.score(predict(context[:, :-ahead]), latent, ahead, batch.generator)
            for ahead, predict in zip(self.config.steps, self.predictors, strict=True)
        ]
        loss = torch.stack([info_nce(score) for score in scores]).mean()
        hits = torch.stack([accuracy(score) for score in scores]).mean()
        return {"loss": loss, "accuracy": hits}

    def score(
        self,
        predicted: Float[Tensor, "batch place width"],
        latent: Float[Tensor, "batch token width"],
        ahead: int,
        generator: Generator,
    ) -> Float[Tensor, "batch place candidate"]:
        """Score what is that far ahead, first, and negatives drawn from the same record or all."""
        (records, tokens), places, device = latent.shape[:2], predicted.shape[1], latent.device
        together = self.config.negatives_from == "batch"
        pooled = records if together else 1  # records whose tokens make up a pool
        shape = (records, places, self.config.negatives)
        drawn = torch.randint(pooled * (tokens - 1), shape, generator=generator, device=device)
        own = torch.arange(records, device=device)[:, None, None] % pooled
        positive = tokens * own + ahead + torch.arange(places, device=device)[:, None]
        candidate = torch.cat([positive, skip_positive(drawn, tokens, ahead)], dim=2)
        pool = latent.flatten(0, 1) if together else latent
        pool = pool.detach() if self.config.detach else pool
        return compare(predicted, pool, candidate, self.config.temperature)


def predictor(inputs: int, outputs: int, hidden: int | None) -> nn.Module:
    """Build what turns contexts into predictions: a matrix, or a perceptron."""
    if hidden is None:
        return nn.Linear(inputs, outputs, bias=False)
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs, bias=False)
    )


def skip_positive(
    drawn: Int[Tensor, "batch place negative"], tokens: int, ahead: int
) -> Int[Tensor, "batch place negative"]:
    """Turn draws among `tokens - 1` a record into places that leave out the one `ahead`."""
    record, place = drawn // (tokens - 1), drawn % (tokens - 1)
    positive = ahead + torch.arange(drawn.shape[1], device=drawn.device)[:, None]
    return tokens * record + place + (place >= positive)


def compare(
    predicted: Float[Tensor, "batch place width"],
    pool: Float[Tensor, "*batch token width"],
    candidate: Int[Tensor, "batch place candidate"],
    temperature: float | None = None,
) -> Float[Tensor, "batch place candidate"]:
    """Score predictions against candidates, tokens of their own record's pool or of one for all.

    The product is taken in float32 whatever the precision around it.
    """
    with torch.autocast(predicted.device.type, enabled=False):
        predicted, pool = (
            x.to(torch.promote_types(x.dtype, torch.float32)) for x in (predicted, pool)
        )
        if temperature is not None:
            predicted, pool = normalize(predicted, dim=-1) / temperature, normalize(pool, dim=-1)
        return (predicted @ pool.mT).gather(2, candidate)


def info_nce(score: Float[Tensor, "batch place candidate"]) -> Float[Tensor, ""]:
    """Return the mean cross entropy of the first candidate."""
    return -score.log_softmax(dim=2)[..., 0].mean()


def accuracy(score: Float[Tensor, "batch place candidate"]) -> Float[Tensor, ""]:
    """Return how often the first candidate scores above all others; a tie is no hit."""
    return (score[..., 0] > score[..., 1:].amax(dim=2)).float().mean()
