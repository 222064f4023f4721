"""How well a network's own labels foretell those of another task, before it is finetuned.

MELEP (Nguyen & Do 2023, arXiv 2311.04224) after LEEP (Nguyen et al. 2020): for each pair of a label
of the task and one that the network was pretrained on, how likely the true label is, given nothing
but the probability of the other; the less, the better a finetuned network should do.
"""

import numpy as np
from jaxtyping import Bool, Float

SMOOTHING = 0.5  # records added to each of the four cells of a pair; the original adds none


def melep(
    probability: Float[np.ndarray, "record source"],
    target: Bool[np.ndarray, "record label"],
    smoothing: float = SMOOTHING,
) -> float:
    """Score a network by its probabilities on labeled records of a task; lower is better.

    The mean of `per_label`, in nats, weighted by how common each label is. Labels without a
    positive record have no weight.

    Raises:
        ValueError: if no label has a positive record, or `per_label` refuses its arguments.

    """
    prevalence = target.mean(axis=0)
    if not prevalence.any():
        raise ValueError("no label has a positive record, so there is nothing to foretell")
    return float(np.average(per_label(probability, target, smoothing), weights=prevalence))


def per_label(
    probability: Float[np.ndarray, "record source"],
    target: Bool[np.ndarray, "record label"],
    smoothing: float = SMOOTHING,
) -> Float[np.ndarray, " label"]:
    """Give each label's mean negative log-likelihood in nats, averaged over the source labels.

    A source label splits the records softly in two, by its probability; each half has its share of
    positives, and a record's likelihood is the mixture of both. Without smoothing a rare label
    that a source label never meets is foretold with certainty from its few records.

    Raises:
        ValueError: if what should be probabilities lies outside 0 and 1.

    """
    probability = probability.astype(np.float64)
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ValueError("expected probabilities from 0 to 1; logits need a sigmoid first")
    halves = np.stack([probability, 1 - probability])  # half, record, source
    total = halves.sum(axis=1) + 2 * smoothing
    return np.array([_surprise(present, halves, total, smoothing) for present in target.T])


def _surprise(
    present: Bool[np.ndarray, " record"],
    halves: Float[np.ndarray, "half=2 record source"],
    total: Float[np.ndarray, "half=2 source"],
    smoothing: float,
) -> float:
    """Average the surprise at one label's truth over records and source labels."""
    positives = halves[:, present].sum(axis=1) + smoothing
    share = np.divide(positives, total, out=np.zeros_like(total), where=total > 0)
    mixture = np.einsum("hs,hrs->rs", share, halves)
    likelihood = np.where(present[:, None], mixture, 1 - mixture)
    return float(-np.log(likelihood).mean())
