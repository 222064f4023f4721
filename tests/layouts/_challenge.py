"""What the made-up sources of the Challenge 2021 share: recordings and RECORDS in one folder."""

import struct
from pathlib import Path

import numpy as np

from tests.layouts._release import twelve_leads, write_sums


def write_source(
    place: Path, source: str, fs: int, people: dict[str, tuple[str, str, str]]
) -> None:
    """Write one recording of 12 s for each name; people are told by age, sex and diagnoses."""
    folder = place / "training" / source / "g1"
    folder.mkdir(parents=True)
    for seed, (name, told) in enumerate(people.items()):
        leads = twelve_leads(12 * fs, seed)
        steps = np.stack([np.rint(1000 * lead) for lead in leads.values()]).astype("<i2")
        matrix = struct.pack("<5i", 30, *steps.shape, 0, 4) + b"val\0"  # a MATLAB 4 file
        (folder / f"{name}.mat").write_bytes(matrix + steps.T.tobytes())
        (folder / f"{name}.hea").write_text(header(name, fs, steps, tuple(leads), told))
    (folder / "RECORDS").write_text("".join(f"{name}\n" for name in people))
    (place / "RECORDS").write_text(f"training/{source}/g1/\n")
    write_sums(place)


def header(
    name: str, fs: int, steps: np.ndarray, leads: tuple[str, ...], told: tuple[str, str, str]
) -> str:
    """Word a header as the Challenge does for these sources: `mv`, and spaces after the hashes."""
    sums = steps.sum(axis=1, dtype=np.int16)
    lines = [f"{name} {len(steps)} {fs} {steps.shape[1]}"]
    for lead, first, total in zip(leads, steps[:, 0], sums, strict=True):
        lines.append(f"{name}.mat 16x1+24 1000.0(0)/mv 16 0 {first} {total} 0 {lead}")
    words = zip(("Age", "Sex", "Dx", "Rx", "Hx", "Sx"), (*told, *["Unknown"] * 3), strict=True)
    return "\n".join([*lines, *(f"# {word}: {value}" for word, value in words)]) + "\n"
