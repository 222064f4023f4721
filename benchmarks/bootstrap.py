"""Time 1,000 resamples of patients: macro AUROC against scikit-learn, then every metric.

    OMP_NUM_THREADS=1 python benchmarks/bootstrap.py

The size is that of the PTB-XL test fold with all 71 statements. scikit-learn is timed on a few
resamples, spread over all of them, and scaled up.
"""

import time

import numpy as np
from sklearn.metrics import roc_auc_score

from ecgpipe import registry, scores

RECORDS, LABELS, PATIENTS = 2198, 71, 1900
TIMED = 20  # resamples given to scikit-learn


def main() -> None:
    """Time both, compare their values, print the ratio."""
    sample, patient = simulate(np.random.default_rng(0))
    auroc = registry.load("metrics", "auroc")

    began = time.perf_counter()
    weight = scores.resample_patients(patient)
    values = scores.replicate(auroc, sample, weight)[:, 0]
    ours = time.perf_counter() - began

    timed = np.linspace(0, len(weight) - 1, TIMED).astype(int)
    began = time.perf_counter()
    reference = [by_scikit_learn(sample, weight[resample]) for resample in timed]
    theirs = (time.perf_counter() - began) / TIMED * len(weight)

    print(f"{len(weight)} resamples of patients, {RECORDS} records x {LABELS} labels, one core")
    print(f"ours          {ours:8.2f} s, the drawing of patients included")
    print(f"scikit-learn  {theirs:8.2f} s, scaled from {TIMED} resamples")
    print(f"ratio         {theirs / ours:8.0f}")
    print(f"largest difference of a value: {np.abs(values[timed] - reference).max():.1e}")
    for name in registry.names("metrics"):
        began = time.perf_counter()
        scores.replicate(registry.load("metrics", name), sample, weight)
        print(f"  {name:28}{time.perf_counter() - began:6.2f} s")


def simulate(generator: np.random.Generator) -> tuple[scores.Sample, np.ndarray]:
    """Draw labels as rare as those of PTB-XL, and scores that know something of them."""
    share = np.geomspace(0.0015, 0.75, LABELS)
    target = generator.random((RECORDS, LABELS)) < share
    logit = generator.normal(size=target.shape) + 2 * target - 3
    probability = (1 / (1 + np.exp(-logit))).astype(np.float32)
    patient = np.sort(generator.integers(PATIENTS, size=RECORDS)).astype(str)
    return scores.Sample(target, probability, np.full(LABELS, scores.UNDECIDED)), patient


def by_scikit_learn(sample: scores.Sample, weight: np.ndarray) -> float:
    """Repeat the records of one resample; labels without positives in it are left out."""
    rows = np.repeat(np.arange(RECORDS), weight.astype(int))
    target, probability = sample.target[rows], sample.probability[rows]
    defined = target.any(axis=0) & ~target.all(axis=0)
    return roc_auc_score(target[:, defined], probability[:, defined], average="macro")


if __name__ == "__main__":
    main()
