"""Logistic recalibration on logits (Cox 1958): one maximum-likelihood fit a resample, by Newton.

Resamples start where all of them together end and share that first step; then they are fitted a few
at a time, so that they stay in the processor's cache, and leave the iteration as they converge.
"""

import numpy as np
from jaxtyping import Bool, Float

from ecgpipe.scores import Sample

CLIP = 1e-6  # probabilities are kept in single precision: nearer to 0 and 1 a logit means nothing
BLOCK = 64  # resamples at a time
ITERATIONS = 40
REACH = 4.0  # a step moves no logit by more than this


def logits(sample: Sample) -> Float[np.ndarray, "record label"]:
    """Turn probabilities into finite logits, in double precision."""
    probability = np.clip(sample.probability.astype(float), CLIP, 1 - CLIP)
    return np.log(probability) - np.log1p(-probability)


def recalibrate(
    target: Bool[np.ndarray, " record"],
    logit: Float[np.ndarray, " record"],
    design: Float[np.ndarray, "record parameter"],
    weight: Float[np.ndarray, "resample record"],
    solvable: Bool[np.ndarray, " resample"],
) -> Float[np.ndarray, "resample parameter"]:
    """Fit what must be added to the logit, `design` times parameters; NaN where not solvable."""
    fitted = np.full((len(weight), design.shape[1]), np.nan)
    if not solvable.any():
        return fitted
    newton = _Newton(target, logit, design)
    together = solvable[None].astype(weight.dtype) @ weight / solvable.sum(dtype=weight.dtype)
    middle = newton.fit(together, np.zeros((1, design.shape[1])))
    start = middle + newton.step(weight, middle)
    rows = np.flatnonzero(solvable)
    for block in np.split(rows, range(BLOCK, len(rows), BLOCK)):
        fitted[block] = newton.fit(weight[block], start[block])
    return fitted


class _Newton:
    """Newton's method for one label, many resamples side by side."""

    def __init__(
        self,
        target: Bool[np.ndarray, " record"],
        logit: Float[np.ndarray, " record"],
        design: Float[np.ndarray, "record parameter"],
    ):
        self.logit, self.design = logit, design
        self.observed = design * target[:, None]
        self.squares = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
        self.reach = np.abs(design).max(axis=0)

    def fit(
        self,
        weight: Float[np.ndarray, "resample record"],
        start: Float[np.ndarray, "resample parameter"],
    ) -> Float[np.ndarray, "resample parameter"]:
        """Step until no logit moves; NaN where that takes too long."""
        parameter = start.copy()
        # the error left after a step is about the step's square
        tolerance = np.cbrt(np.finfo(weight.dtype).eps)
        active = np.arange(len(weight))
        for _ in range(ITERATIONS):
            step = self.step(weight, parameter[active])
            parameter[active] += step
            moved = np.abs(step) @ self.reach > tolerance
            active, weight = active[moved], weight[moved]
            if not len(active):
                break
        parameter[active] = np.nan
        return parameter

    def step(
        self,
        weight: Float[np.ndarray, "resample record"],
        parameter: Float[np.ndarray, "start parameter"],
    ) -> Float[np.ndarray, "resample parameter"]:
        """Step every resample from its own start, or all from the one start they share."""
        # not `@`, which is ten times slower where there is one parameter
        negated = np.dot(parameter.astype(weight.dtype), -self.design.T) - self.logit
        with np.errstate(over="ignore"):
            probability = 1 / (1 + np.exp(negated))
        if len(parameter) == 1:
            expected = weight @ (probability.T * self.design)
            information = weight @ ((probability * (1 - probability)).T * self.squares)
        else:
            weighted = weight * probability
            expected = weighted @ self.design
            information = (weighted * (1 - probability)) @ self.squares
        step = _solve(information, weight @ self.observed - expected)
        moved = np.abs(step) @ self.reach
        return step * (REACH / np.maximum(moved, REACH))[:, None]


def _solve(
    information: Float[np.ndarray, "resample square"],
    gradient: Float[np.ndarray, "resample parameter"],
) -> Float[np.ndarray, "resample parameter"]:
    size = gradient.shape[1]
    never_singular = np.finfo(np.float32).tiny * np.eye(size)
    matrices = information.reshape(-1, size, size) + never_singular
    return np.linalg.solve(matrices, gradient[..., None].astype(float))[..., 0]
