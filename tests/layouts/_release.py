"""What made-up releases share: recordings whose leads fit together, and the list of sums."""

import hashlib
from pathlib import Path

import numpy as np


def twelve_leads(samples: int, seed: int) -> dict[str, np.ndarray]:
    """Draw a recording in millivolts; III, aVR, aVL and aVF follow from I and II."""
    rng = np.random.default_rng(seed)
    i, ii, *chest = rng.normal(0, 0.3, (8, samples)).astype(np.float32)
    limb = {"I": i, "II": ii, "III": ii - i}
    limb |= {"aVR": -(i + ii) / 2, "aVL": i - ii / 2, "aVF": ii - i / 2}
    return limb | {f"V{number}": lead for number, lead in enumerate(chest, 1)}


def write_sums(place: Path) -> None:
    """Write SHA256SUMS.txt over every file that is there."""
    names = sorted(path.relative_to(place) for path in place.rglob("*") if path.is_file())
    sums = [hashlib.sha256((place / name).read_bytes()).hexdigest() for name in names]
    lines = [f"{each} {name.as_posix()}\n" for each, name in zip(sums, names, strict=True)]
    (place / "SHA256SUMS.txt").write_text("".join(lines))
