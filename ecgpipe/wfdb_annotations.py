"""WFDB annotations: a strict parser of https://wfdb.io/wfdb/annot-5.html, by NumPy.

A file is a row of 16-bit words. The upper 6 bits say what a word is: an annotation, by its code, or
a field of the annotation before it; the lower 10 hold the samples since the last annotation, or the
field's value. Two kinds carry further words behind them: SKIP a longer interval, AUX a text.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64, UInt16

from ecgpipe.wfdb_headers import MalformedRecord

SYMBOLS = np.array([*' NLRaVFJASEj/Q~ | sT*D"=pB^t+u?![]en@xf()r'.ljust(64)])  # by code
NOTHING, NOTE = 0, 22  # codes: time passes and nothing is marked; a comment
SKIP, NUM, SUB, CHN, AUX = 59, 60, 61, 62, 63
LONGEST = 255  # bytes of a text
RESOLUTION = re.compile(r"## time resolution: (\d{1,6}(?:\.\d{1,9})?)\s*")


@dataclass(frozen=True, eq=False)
class Annotations:
    """What an annotation file marks, in the order of time."""

    sample: Int64[np.ndarray, " annotation"]  # of the recording, from 0
    symbol: np.ndarray  # (annotation,), one letter each
    aux: np.ndarray  # (annotation,), str objects: a text, such as a rhythm's, or an empty one
    channel: Int64[np.ndarray, " annotation"]
    subtype: Int64[np.ndarray, " annotation"]
    number: Int64[np.ndarray, " annotation"]
    fs: float | None  # Hz that `sample` counts in, where the file says so; else the recording's


def read_annotations(path: Path, samples: int | None = None) -> Annotations:
    """Read an annotation file; `samples`, where given, is the length of the recording.

    Notes at sample 0 that begin with `##` describe the file and are left out, and so are the NULs
    at the end of a text. Raises MalformedRecord, with the byte, where the file breaks its format,
    is cut short, goes back in time or past the end of the recording.
    """
    words = _own_words(path)
    _check_kinds(words)
    code, sample, aux = words.kind[words.mark], _samples(words), _texts(words)
    about = (code == NOTE) & (sample == 0)
    about[about] = [text.startswith("## ") for text in aux[about]]
    kept = (code != NOTHING) & ~about
    _check_samples(words, np.flatnonzero(words.mark)[kept], sample[kept], samples)
    return Annotations(
        sample=sample[kept],
        symbol=SYMBOLS[code[kept]],
        aux=aux[kept],
        channel=_last_given(words, CHN)[kept] & 255,  # without a sign
        subtype=_given(words, SUB)[kept],
        number=_last_given(words, NUM)[kept],
        fs=_stated_fs(path, aux[about]),
    )


@dataclass(frozen=True, eq=False)
class _Words:
    """The words of a file that no other word carries, up to the end mark."""

    path: Path
    stored: UInt16[np.ndarray, " stored"]  # the whole file
    place: Int64[np.ndarray, " word"]  # of each word in it
    kind: UInt16[np.ndarray, " word"]
    mark: Bool[np.ndarray, " word"]  # which are annotations; others are SKIPs and fields

    def malformed(self, word: np.intp, said: str) -> MalformedRecord:
        """Name the file and the byte of what is refused."""
        return MalformedRecord(f"{self.path}, byte {2 * self.place[word]}: {said}")


def _own_words(path: Path) -> _Words:
    """Tell words from what SKIP and AUX carry.

    What is carried may look like anything, so that these two, and the end mark, are looked at one
    after the other; there are few of them.
    """
    content = path.read_bytes()
    stored = np.frombuffer(content[: len(content) // 2 * 2], "<u2")
    kind, own = stored >> 10, np.ones(len(stored), bool)
    after = 0  # the first word that none before it carries
    special = np.flatnonzero((kind == SKIP) | (kind == AUX) | (stored == 0))
    for place, word in zip(special.tolist(), stored[special].tolist(), strict=True):
        if place < after:
            continue
        if not word:
            if any(content[2 * place :]) or len(content) % 2:
                said = f"an end mark; the file goes on to byte {len(content)}"
                raise MalformedRecord(f"{path}, byte {2 * place}: {said}")
            own[place:] = False
            return _Words(path, stored, np.flatnonzero(own), kind[own], kind[own] < SKIP)
        after = place + 1 + (2 if word >> 10 == SKIP else (word % 1024 + 1) // 2)
        own[place + 1 : after] = False
    raise MalformedRecord(
        f"{path}, byte {len(content)}: the file ends; expected an end mark before"
    )


def _check_kinds(words: _Words) -> None:
    """Refuse codes without a meaning, and fields that follow no annotation or say a thing twice."""
    unknown = words.mark & (SYMBOLS[words.kind] == " ") & (words.kind != NOTHING)
    if unknown.any():
        code = words.kind[unknown.argmax()]
        raise words.malformed(unknown.argmax(), f"code {code}, which has no standard meaning")
    stray = (words.kind > SKIP) & (np.concatenate([[SKIP], words.kind[:-1]]) == SKIP)
    if stray.any():
        raise words.malformed(stray.argmax(), "a field; expected an annotation before it")
    fields = np.flatnonzero(words.kind > SKIP)
    _, once = np.unique(np.cumsum(words.mark)[fields] * 64 + words.kind[fields], return_index=True)
    again = np.delete(fields, once)
    if len(again):
        raise words.malformed(again[0], "a field that its annotation has already")


def _samples(words: _Words) -> Int64[np.ndarray, " annotation"]:
    """Add up the samples that pass."""
    passed = np.where(words.mark, words.stored[words.place] & 1023, 0).astype(np.int64)
    skip = words.place[words.kind == SKIP]
    upper, lower = words.stored[skip + 1].astype(np.int32), words.stored[skip + 2]
    passed[words.kind == SKIP] = upper << 16 | lower  # with the sign of the upper half
    return np.cumsum(passed)[words.mark]


def _owner(words: _Words, kind: int) -> Int64[np.ndarray, " field"]:
    """Say which annotation each field of a kind belongs to."""
    return (np.cumsum(words.mark) - 1)[words.kind == kind]


def _texts(words: _Words) -> np.ndarray:
    """Read the text of every annotation: objects, (annotation,)."""
    texts = np.full(words.mark.sum(), "", object)
    for owner, word in zip(_owner(words, AUX), np.flatnonzero(words.kind == AUX), strict=True):
        place = words.place[word]
        length = int(words.stored[place] & 1023)
        if length > LONGEST:
            raise words.malformed(word, f"a text of {length} bytes; expected at most {LONGEST}")
        carried = words.stored[place + 1 : place + 1 + (length + 1) // 2].tobytes()
        texts[owner] = carried[:length].decode("latin-1").rstrip("\0")
    return texts


def _given(words: _Words, kind: int) -> Int64[np.ndarray, " annotation"]:
    """Read a field of every annotation, a byte with a sign; 0 where it has none."""
    values = np.zeros(words.mark.sum(), np.int64)
    values[_owner(words, kind)] = words.stored[words.place[words.kind == kind]].astype(np.int8)
    return values


def _last_given(words: _Words, kind: int) -> Int64[np.ndarray, " annotation"]:
    """Read a field that holds for every annotation from the one that has it on."""
    values, own = _given(words, kind), np.zeros(words.mark.sum(), np.int64)
    owner = _owner(words, kind)
    own[owner] = owner
    return values[np.maximum.accumulate(own)]


def _check_samples(
    words: _Words,
    word: Int64[np.ndarray, " annotation"],
    sample: Int64[np.ndarray, " annotation"],
    samples: int | None,
) -> None:
    """Refuse annotations outside the recording or before the last one."""
    back = np.diff(sample, prepend=0) < 0
    if back.any():
        first = back.argmax()
        raise words.malformed(word[first], f"back in time, to sample {sample[first]}")
    if samples is not None and len(sample) and sample[-1] >= samples:
        first = np.searchsorted(sample, samples)
        said = f"sample {sample[first]}; the recording has {samples}"
        raise words.malformed(word[first], said)


def _stated_fs(path: Path, notes: np.ndarray) -> float | None:
    """Read the sampling frequency from the notes that describe the file."""
    if any(text.startswith("## annotation type definitions") for text in notes):
        raise MalformedRecord(f"{path}: defines codes of its own; expected the standard ones")
    stated = [float(match[1]) for match in map(RESOLUTION.fullmatch, notes) if match]
    return stated[0] if stated else None
