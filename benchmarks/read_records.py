"""Records read a second on one core, beside the wfdb package, and annotations of a day of beats.

    OMP_NUM_THREADS=1 python benchmarks/read_records.py

Both read the same made-up records to millivolts, in turns, after the files are in memory; their
values are compared.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import wfdb

from ecgpipe.wfdb_annotations import read_annotations
from ecgpipe.wfdb_records import LEADS, read_record

ROUNDS = 7


def main() -> None:
    """Print the table."""
    print("| records | ours a second | wfdb a second | ratio |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for title, paths in made(Path(name)).items():
            reads = (read_record, lambda path: wfdb.rdrecord(str(path.with_suffix(""))))
            for path in paths:
                ours, theirs = reads[0](path).millivolts, reads[1](path).p_signal.T
                np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)
            print(row(title, paths, *reads))
        beats = [beats_of_a_day(Path(name))]
        theirs = lambda path: wfdb.rdann(str(path.with_suffix("")), "atr")  # noqa: E731
        print(row("annotations of 100,000 beats", beats, read_annotations, theirs))


def made(folder: Path) -> dict[str, list[Path]]:
    """Write records of three kinds; return the paths of their headers."""
    rng = np.random.default_rng(0)
    twelve = [rng.normal(0, 0.5, (5000, 12)) for _ in range(20)]
    two = [rng.normal(0, 0.5, (650_000, 2))]
    return {
        "12 x 5,000, format 16": [write(folder, f"a{k}", s, "16") for k, s in enumerate(twelve)],
        "12 x 5,000, format 16+24": [matlab(folder, f"b{k}", s) for k, s in enumerate(twelve)],
        "2 x 650,000, format 212": [write(folder, f"c{k}", s, "212") for k, s in enumerate(two)],
    }


def write(folder: Path, name: str, signal: np.ndarray, form: str) -> Path:
    """Write one record as wfdb writes it."""
    count = signal.shape[1]
    wfdb.wrsamp(
        name, 500, ["mV"] * count, list(LEADS[:count]), signal,
        fmt=[form] * count, adc_gain=[200.0] * count, baseline=[0] * count, write_dir=str(folder),
    )  # fmt: skip
    return folder / f"{name}.hea"


def matlab(folder: Path, name: str, signal: np.ndarray) -> Path:
    """Put 24 bytes before the samples, as a MATLAB file of version 4 does."""
    path = write(folder, name, signal, "16")
    path.write_text(path.read_text().replace(f"{name}.dat 16 ", f"{name}.mat 16+24 "))
    samples = path.with_suffix(".dat").read_bytes()
    path.with_suffix(".mat").write_bytes(bytes(24) + samples)
    return path


def beats_of_a_day(folder: Path) -> Path:
    """Write the annotations of a long recording."""
    sample = np.cumsum(np.random.default_rng(0).integers(80, 140, 100_000))
    wfdb.wrann("day", "atr", sample, ["N"] * len(sample), write_dir=str(folder))
    return folder / "day.atr"


def row(title: str, paths: list[Path], ours: Callable, theirs: Callable) -> str:
    """Time both in turns; the fastest round of each counts."""
    seconds = [(spent(ours, paths), spent(theirs, paths)) for _ in range(ROUNDS)]
    mine, other = np.min(seconds, axis=0) / len(paths)
    return f"| {title} | {1 / mine:,.1f} | {1 / other:,.1f} | {other / mine:.1f} |"


def spent(read: Callable, paths: list[Path]) -> float:
    """Count the processor's seconds for reading every path once."""
    began = time.process_time()
    for path in paths:
        read(path)
    return time.process_time() - began


if __name__ == "__main__":
    main()
