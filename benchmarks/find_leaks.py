"""Time the search for copies among 22,000 recordings, against correlating pair by pair.

    OMP_NUM_THREADS=1 python benchmarks/find_leaks.py

The recordings are trains of beats at many rates with noise, 10 s of four leads at 100 Hz; the last
hundred are copies of the first. Pair by pair, the signals of a few are correlated by
`numpy.corrcoef`, lead by lead, and the time is scaled up to all pairs.
"""

import time
from itertools import combinations

import numpy as np

from ecgpipe import fingerprints
from ecgpipe.records import Signal

RECORDINGS, COPIES = 22_000, 100
TIMED = 200  # recordings correlated pair by pair
FS, SAMPLES = 100.0, 1000


def main() -> None:
    """Time both, check that the copies are found, print the ratio."""
    generator = np.random.default_rng(0)
    signals = np.stack([beats(generator) for _ in range(RECORDINGS - COPIES)])
    signals = np.concatenate([signals, 0.8 * signals[:COPIES] + 0.3])

    began = time.perf_counter()
    prints = {str(k): fingerprint(signal) for k, signal in enumerate(signals)}
    taken = time.perf_counter() - began

    began = time.perf_counter()
    found = fingerprints.copies(prints)
    ours = time.perf_counter() - began

    began = time.perf_counter()
    for one, other in combinations(signals[:TIMED], 2):
        correlate(one, other)
    pairs = RECORDINGS * (RECORDINGS - 1) / 2
    theirs = (time.perf_counter() - began) * pairs / (TIMED * (TIMED - 1) / 2)

    print(f"{RECORDINGS} recordings, {pairs / 1e6:.0f} million pairs")
    print(f"fingerprints    {taken:10.1f} s, once, while the recordings are prepared")
    print(f"search          {ours:10.1f} s, {pairs / ours / 1e6:.0f} million pairs a second")
    print(f"pair by pair    {theirs:10.0f} s, scaled from {TIMED} recordings")
    print(f"ratio           {theirs / ours:10.0f}")
    print(f"copies found    {len(found) // 2:10d} of {COPIES}")


def beats(generator: np.random.Generator) -> np.ndarray:
    """Draw a train of beats: QRS and T waves of one heart in four leads, with noise."""
    rr = generator.uniform(0.5, 1.2)
    onset = np.cumsum(rr + generator.normal(0, 0.02, 25)) - generator.uniform(0, rr)
    at = np.arange(SAMPLES) / FS
    qrs = np.exp(-((at[:, None] - onset) ** 2) / 0.0008).sum(axis=1)
    t = np.exp(-((at[:, None] - onset - 0.28) ** 2) / 0.005).sum(axis=1)
    height = generator.normal(0, 1, (2, 4, 1)) * [[[1.0]], [[0.3]]]
    return height[0] * qrs + height[1] * t + generator.normal(0, 0.02, (4, SAMPLES))


def fingerprint(signal: np.ndarray) -> np.ndarray:
    """Take the fingerprint of one recording."""
    return fingerprints.fingerprint(Signal(FS, fingerprints.LEADS, signal.astype(np.float32)))


def correlate(one: np.ndarray, other: np.ndarray) -> float:
    """Correlate two recordings lead by lead; give the mean."""
    leads = zip(one, other, strict=True)
    return float(np.mean([np.corrcoef(lead, like)[0, 1] for lead, like in leads]))


if __name__ == "__main__":
    main()
