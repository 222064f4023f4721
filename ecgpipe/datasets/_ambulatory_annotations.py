"""Write annotation files as the MIT-BIH databases have them, for recordings that are made here.

The format is https://wfdb.io/wfdb/annot-5.html: words of 16 bits, the upper six a code, the lower
ten what it holds: for a beat, a rhythm or noise, the samples since the annotation before.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Int

from ecgpipe import writing

CODES = {"N": 1, "L": 2, "R": 3, "V": 5, "A": 8, "/": 12, "+": 28}
SKIP, AUX = 59, 63  # the time goes on by the next two words; a text of so many bytes follows
HELD = 2**10  # what a word cannot hold
LONGEST = 255  # bytes of a text


def write_annotations(
    path: Path,
    sample: Int[np.ndarray, " annotation"],
    symbol: np.ndarray,
    aux: np.ndarray,
) -> None:
    """Write annotations in the order of their samples, beside and rename.

    `symbol` (of CODES) and `aux` (a text such as `(VT`, mostly empty) are arrays of str. Raises
    ValueError where the samples go back or a symbol has no code here.
    """
    if unknown := sorted(set(symbol.tolist()) - set(CODES)):
        raise ValueError(f"{path}: symbols {', '.join(unknown)}; there are: {', '.join(CODES)}")
    if (np.diff(sample, prepend=0) < 0).any():
        raise ValueError(f"{path}: samples go back; expected them in order, from 0 on")
    gaps = [after - before for before, after in pairwise([0, *sample.tolist()])]
    told = zip(gaps, symbol.tolist(), aux.tolist(), strict=True)
    content = b"".join(_encoded(gap, CODES[code], text) for gap, code, text in told)
    with writing.whole(path) as part:
        part.write_bytes(content + _word(0, 0))


def _encoded(gap: int, code: int, text: str) -> bytes:
    """Encode one annotation: a skip where the gap is long, the annotation, its text."""
    if gap < HELD:
        return _word(code, gap) + _text(text)
    upper, lower = (half.to_bytes(2, "little") for half in divmod(gap, 2**16))
    return _word(SKIP, 0) + upper + lower + _word(code, 0) + _text(text)


def _text(text: str) -> bytes:
    """Encode the text of an annotation, filled up to whole words."""
    plain = text.encode("ascii")
    if len(plain) > LONGEST:
        raise ValueError(f"text {text[:20]!r}... of {len(plain)} bytes; at most {LONGEST} fit")
    return _word(AUX, len(plain)) + plain + bytes(len(plain) % 2) if plain else b""


def _word(code: int, held: int) -> bytes:
    """Put a code and what it holds into a word."""
    return (code << 10 | held).to_bytes(2, "little")
