"""One long recording of a patient: the two leads as recorded, and what a reader would annotate."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ecgpipe.annotations import Span
from ecgpipe.datasets._ambulatory_heart import draw_heart
from ecgpipe.datasets._ambulatory_looks import ATRIAL, ECTOPIC, ORDINARY
from ecgpipe.datasets._ambulatory_noise import draw_noise
from ecgpipe.datasets._ambulatory_patients import Patient
from ecgpipe.datasets._ambulatory_rhythm import SECONDS, Beats, draw_course

RANGE = 10.0  # mV that the recorder holds, up or down


@dataclass(frozen=True)
class Recording:
    """The leads in millivolts of whole microvolts, NaN where samples are missing, annotated."""

    millivolts: Float[np.ndarray, "lead time"]
    sample: Int[np.ndarray, " annotation"]
    symbol: np.ndarray  # (annotation,), str: of a beat, or `+` where the rhythm changes
    aux: np.ndarray  # (annotation,), str: the rhythm from there on, such as `(VT`


def record_patient(patient: Patient, *, fs: float, seed: int, number: int) -> Recording:
    """Record a patient; the number within the cohort makes the draw his or her own."""
    samples = round(SECONDS * fs)
    generator = np.random.default_rng([seed, 2, number])
    course = draw_course(patient, generator)
    millivolts = draw_heart(patient, course, fs, samples, generator)
    time = np.arange(samples) / fs
    noise = draw_noise(patient, time, generator)
    held = np.clip(millivolts + noise.millivolts, -RANGE, RANGE)
    millivolts = np.where(noise.missing, np.nan, np.round(held, 3))
    usual = "(AFIB" if patient.fibrillates else "(N"
    rhythm = _mark_rhythms(usual, (*course.spans, *noise.spans), fs, samples)
    beats = _mark_beats(patient.look.symbol, course.beats, noise.spans, fs, samples)
    sample, symbol, aux = (np.concatenate(each) for each in zip(rhythm, beats, strict=True))
    order = np.argsort(sample, kind="stable")
    return Recording(millivolts, sample[order], symbol[order], aux[order])


def _mark_rhythms(
    usual: str, spans: tuple[Span, ...], fs: float, samples: int
) -> tuple[Int[np.ndarray, " change"], np.ndarray, np.ndarray]:
    """Mark where the rhythm changes, to what the last of the spans says of that time."""
    codes = [usual, *sorted({span.code for span in spans})]
    rhythm = np.zeros(samples, int)
    for span in spans:
        rhythm[round(span.onset * fs) : round(span.offset * fs)] = codes.index(span.code)
    change = np.flatnonzero(np.diff(rhythm, prepend=-1))
    return change, np.full(len(change), "+"), np.array(codes)[rhythm[change]]


def _mark_beats(
    ordinary: str, beats: Beats, unreadable: tuple[Span, ...], fs: float, samples: int
) -> tuple[Int[np.ndarray, " beat"], np.ndarray, np.ndarray]:
    """Mark the beats that can be seen."""
    sample = np.rint(beats.time * fs).astype(int)
    seen = (sample >= 0) & (sample < samples)
    for span in unreadable:
        seen &= (beats.time < span.onset) | (beats.time >= span.offset)
    symbols = np.empty(3, "U1")
    symbols[[ORDINARY, ATRIAL, ECTOPIC]] = ordinary, "A", "V"
    return sample[seen], symbols[beats.kind[seen]], np.full(seen.sum(), "")
