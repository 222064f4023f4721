"""A linear probe in closed form: how much of the labels can be read off an encoder's embeddings.

Ridge regression (Hoerl & Kennard 1970) of multi-hot targets on standardised embeddings, solved for
all penalties at once from one eigendecomposition. Patients learned from choose the penalty among
themselves; other patients judge, by macro AUROC. Nothing is trained step by step, so nothing is
random: two encoders differ by what they encode.
"""

from copy import deepcopy

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from ecgpipe import registry
from ecgpipe.cohort import Cohort
from ecgpipe.inference import embeddings
from ecgpipe.model import Classifier
from ecgpipe.scores import Measured, Sample, estimate, replicate, resample_patients

PENALTIES = tuple(10.0**power for power in range(-4, 2))
INNER = 5  # one patient in so many of those learned from chooses the penalty
TINY = 1e-8  # a feature that varies less is taken for constant


class Probe:
    """Probes encoders on the same patients, and on the same resamples of those who judge."""

    def __init__(self, learned: Cohort, judged: Cohort, seconds: float) -> None:
        self.learned, self.judged, self.seconds = learned, judged, seconds
        carried = judged.target.bool()
        if not (carried.any(dim=0) & ~carried.all(dim=0)).any():
            raise ValueError(
                f"none of {judged.target.shape[1]} labels is carried by some of the {len(judged)} "
                "held-out records and not by others, so nothing can be probed; name `tasks` with "
                "labels, or hold out more patients (`held_out` of the objective)"
            )
        self.weight = resample_patients(judged.patient.cpu().numpy())

    def __call__(self, encoder: Classifier) -> Measured:
        """Give the macro AUROC of a probe, then the labels', each with its replicates."""
        encoder = deepcopy(encoder).to(self.learned.signal.device)
        learned, judged = (
            embeddings(encoder, cohort, self.seconds, self.seconds).double()
            for cohort in (self.learned, self.judged)
        )
        target = self.learned.target.double()
        penalty = choose_penalty(learned, target, self.learned.patient)
        said = ridge(learned, target, judged, penalty)[0].cpu().numpy()
        told = self.judged.target.cpu().numpy().astype(bool)
        sample = Sample(told, said, np.zeros(told.shape[1]))
        auroc = registry.load("metrics", "auroc")
        return Measured(estimate(auroc, sample), replicate(auroc, sample, self.weight))


def gain(after: Measured, before: Measured) -> tuple[float, float]:
    """Give the difference of two macro scores, and its standard error over paired resamples."""
    replicates = after.replicates[:, 0] - before.replicates[:, 0]
    return float(after.value[0] - before.value[0]), float(np.nanstd(replicates, ddof=1))


def ridge(
    embedding: Float64[Tensor, "record dim"],
    target: Float64[Tensor, "record label"],
    judged: Float64[Tensor, "judged dim"],
    penalty: Float64[Tensor, " penalty"],
) -> Float64[Tensor, "penalty judged label"]:
    """Say of judged records what ridge regression learns from others, with each penalty.

    The weights W minimise mean |y - xW|^2 + penalty |W|^2 over the records x with targets y, both
    less their means; x is standardised by the records learned from.
    """
    mean = embedding.mean(dim=0)
    scale = embedding.std(dim=0, correction=0).clamp(min=TINY)
    seen, asked = (embedding - mean) / scale, (judged - mean) / scale
    usual = target.mean(dim=0)
    variance, axes = torch.linalg.eigh(seen.mT @ seen / len(seen))
    along = axes.mT @ (seen.mT @ (target - usual) / len(seen))
    weights = axes @ (along / (variance[:, None] + penalty[:, None, None]))
    return asked @ weights + usual


def choose_penalty(
    embedding: Float64[Tensor, "record dim"],
    target: Float64[Tensor, "record label"],
    patient: Int[Tensor, " record"],
) -> Float64[Tensor, " 1"]:
    """Choose the penalty that errs least, in squares, on some of the patients learned from."""
    penalties = torch.tensor(PENALTIES, dtype=torch.float64, device=embedding.device)
    inner = patient % INNER == 0
    said = ridge(embedding[~inner], target[~inner], embedding[inner], penalties)
    error = (said - target[inner]).square().mean(dim=(1, 2))
    return penalties[error.argmin(dim=0, keepdim=True)]
