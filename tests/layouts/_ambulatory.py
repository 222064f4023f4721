"""Long recordings as the MIT-BIH databases have them: format 212, marks in an .atr file."""

from pathlib import Path

import numpy as np
import wfdb

SUPERSEDED = "an old one\n"  # PhysioNet keeps these beside the current files


def write_recording(place: Path, header: str, marks: list[tuple[int, str, int, str]]) -> None:
    """Write a recording of two channels whose header is given, with its annotations.

    A mark is a sample, a symbol, a subtype and a text.
    """
    place.mkdir(parents=True, exist_ok=True)
    name, _, _, samples = header.split()[:4]
    steps = np.random.default_rng(int(name)).integers(-300, 300, (int(samples), 2))
    (place / f"{name}.hea").write_text(header)
    (place / f"{name}.dat").write_bytes(pack_212(steps))
    sample, symbol, subtype, text = zip(*marks, strict=True)
    columns = {"sample": np.array(sample), "symbol": list(symbol), "aux_note": list(text)}
    wfdb.wrann(name, "atr", subtype=np.array(subtype), **columns, write_dir=str(place))
    (place / f"{name}.hea-").write_text(SUPERSEDED)
    (place / f"{name}.xws").write_text(f"-r {name}\n-a atr\n")


def pack_212(steps: np.ndarray) -> bytes:
    """Pack pairs of 12-bit samples into three bytes."""
    first, second = steps.reshape(-1, 2).T & 0xFFF
    packed = [first & 0xFF, first >> 8 | second >> 8 << 4, second & 0xFF]
    return np.stack(packed, axis=1).astype(np.uint8).tobytes()


def beats(first: int, last: int, fs: int, symbols: str) -> list[tuple[int, str, int, str]]:
    """Mark a beat every 0.8 s, of these types in turn."""
    samples = range(first, last, round(0.8 * fs))
    return [(at, symbols[k % len(symbols)], 0, "") for k, at in enumerate(samples)]
