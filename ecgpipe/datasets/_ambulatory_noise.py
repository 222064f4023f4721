"""What disturbs a long recording: always a little, at times so much that nobody can read it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Bool, Float

from ecgpipe.annotations import Span
from ecgpipe.datasets._ambulatory_heart import turns, wander
from ecgpipe.datasets._ambulatory_looks import LEADS, ORDINARY
from ecgpipe.datasets._ambulatory_patients import Patient

Stretch = Callable[[np.ndarray, np.random.Generator], np.ndarray]  # (time,) to (lead, time)

OFTEN = 6.0  # stretches of noise a recording, on average
SHAKES = 8  # more of them where a hand shakes
UNREADABLE = 0.6  # root mean square, share of the QRS, from which on noise is annotated
LOUDEST = 0.9  # in the same terms
EDGE = 0.4  # seconds in which a stretch begins and ends
GAPS = 0.3  # share of recordings with missing samples
BOTH = len(LEADS)


@dataclass(frozen=True)
class Noise:
    """What is added to a recording, what is lost of it, and where it cannot be read."""

    millivolts: Float[np.ndarray, "lead time"]
    missing: Bool[np.ndarray, "lead time"]
    spans: tuple[Span, ...]  # of code `(NOISE`


def draw_noise(
    patient: Patient, time: Float[np.ndarray, " time"], generator: np.random.Generator
) -> Noise:
    """Draw the noise of a recording; what is louder than UNREADABLE is annotated."""
    size, disturbed = patient.look.size[ORDINARY].max(), patient.disturbed
    millivolts = disturbed * (_drift(time, generator) + _hiss(time, generator))
    spans = []
    for kind in _kinds(patient, generator):
        onset, seconds = generator.uniform(0, time[-1] - 30), generator.uniform(3, 20)
        inside = slice(*np.searchsorted(time, [onset, onset + seconds]))
        share = min(0.3 * disturbed**0.3 * np.exp(0.7 * generator.standard_normal()), LOUDEST)
        shape = kind(time[inside], generator)
        level = share * size * np.exp(0.2 * generator.standard_normal((BOTH, 1)))
        millivolts[:, inside] += level * shape / shape.std() * _swelling(time[inside])
        if share > UNREADABLE:
            spans.append(Span("(NOISE", onset, onset + seconds))
    return Noise(millivolts, _missing(time, generator), tuple(spans))


def _kinds(patient: Patient, generator: np.random.Generator) -> list[Stretch]:
    """Draw of which kind each stretch of noise is."""
    tremor = partial(_tremor, patient.tremor or generator.uniform(3.0, 6.5))
    kinds: tuple[Stretch, ...] = (_sway, _motion, _muscle, tremor)
    drawn = generator.integers(len(kinds), size=generator.poisson(OFTEN * patient.disturbed))
    return [kinds[number] for number in drawn] + [tremor] * (SHAKES * (patient.tremor > 0))


def _drift(
    time: Float[np.ndarray, " time"], generator: np.random.Generator
) -> Float[np.ndarray, "lead time"]:
    """Draw what is always there below 1 Hz: breathing and the electrodes' potential."""
    frequency = np.fft.rfftfreq(len(time), time[1] - time[0])
    slow = (frequency > 0) & (frequency < 1)
    spectrum = np.zeros((BOTH, len(frequency)), complex)
    drawn = generator.standard_normal((2, BOTH, int(slow.sum())))
    spectrum[:, slow] = (drawn[0] + 1j * drawn[1]) * np.exp(-frequency[slow] / 0.25)
    drift = np.fft.irfft(spectrum, len(time))
    return 0.1 * drift / drift.std()


def _hiss(
    time: Float[np.ndarray, " time"], generator: np.random.Generator
) -> Float[np.ndarray, "lead time"]:
    """Draw what is always there above: muscle that tenses at times, the amplifier, mains."""
    rough = generator.standard_normal((BOTH, len(time)))
    rough[:, 1:] -= 0.5 * rough[:, :-1]
    tense = np.exp(0.5 * wander(time, 8.0, 1, generator))
    return 0.018 * tense * rough + 0.004 * np.sin(2 * np.pi * 50.03 * time)


def _sway(
    time: Float[np.ndarray, " time"], generator: np.random.Generator
) -> Float[np.ndarray, "lead time"]:
    """Draw a baseline that swings as the patient moves."""
    return wander(time, 0.9, BOTH, generator) + 0.3 * wander(time, 0.3, BOTH, generator)


def _motion(
    time: Float[np.ndarray, " time"], generator: np.random.Generator
) -> Float[np.ndarray, "lead time"]:
    """Draw an electrode that is knocked: jumps that creep back."""
    knocks = generator.standard_normal((BOTH, len(time)))
    often = generator.random((BOTH, len(time))) < 2.5 * (time[1] - time[0])
    knocks *= np.where(often, 1.0, 0.01)
    since = time - time[0]
    jump = np.exp(-since / 0.22) - np.exp(-since / 0.03)
    long = 2 * len(time)  # so that the end does not run into the start
    return np.fft.irfft(np.fft.rfft(knocks, long) * np.fft.rfft(jump, long), long)[:, : len(time)]


def _muscle(
    time: Float[np.ndarray, " time"], generator: np.random.Generator
) -> Float[np.ndarray, "lead time"]:
    """Draw a muscle at work: rough, in bursts."""
    rough = generator.standard_normal((BOTH, len(time)))
    rough[:, 1:] += 0.6 * rough[:, :-1]
    return rough * np.exp(0.6 * wander(time, 0.5, BOTH, generator))


def _tremor(
    rate: float, time: Float[np.ndarray, " time"], generator: np.random.Generator
) -> Float[np.ndarray, "lead time"]:
    """Draw a hand that shakes or brushes teeth, at the rates (Hz) of ventricular arrhythmia."""
    phase = turns(rate * (1 + 0.05 * wander(time, 1.0, 1, generator)), time)
    wave = np.sin(phase) + 0.5 * np.sin(2 * phase + generator.uniform(0, 2 * np.pi))
    return wave * (1 + 0.4 * wander(time, 0.7, BOTH, generator))


def _swelling(time: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """Let a stretch begin and end softly."""
    return np.clip(np.minimum(time - time[0], time[-1] - time) / EDGE, 0, 1)


def _missing(
    time: Float[np.ndarray, " time"], generator: np.random.Generator
) -> Bool[np.ndarray, "lead time"]:
    """Lose some pieces, of one lead or both."""
    missing = np.zeros((BOTH, len(time)), bool)
    for _ in range((generator.random() < GAPS) * generator.integers(1, 5)):
        onset, seconds = generator.uniform(0, time[-1] - 5), generator.uniform(0.05, 3)
        lost = generator.choice([[True, False], [False, True], [True, True]])
        missing[lost] |= (time > onset) & (time < onset + seconds)
    return missing
