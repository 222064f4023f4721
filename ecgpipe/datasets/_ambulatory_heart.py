"""What the two leads of a long recording see of a heart: beats, and ventricles without them."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from ecgpipe.datasets._ambulatory_looks import ECTOPIC, ORDINARY, OTHER, Look
from ecgpipe.datasets._ambulatory_patients import Patient
from ecgpipe.datasets._ambulatory_rhythm import Beats, Course
from ecgpipe.datasets._heart import PARTS, RATE_DEPENDENCE, paced
from ecgpipe.datasets._patients import pick
from ecgpipe.datasets._rhythm import fibrillating_atria
from ecgpipe.datasets._waves import Waves

REACH = 3.6  # widths around a wave's centre that are drawn
FADE = 0.12  # seconds in which ventricles begin and cease to flutter or fibrillate
WAVELETS = np.array([0.82, 1.0, 1.0, 1.21])  # rates that ventricles fibrillate with, about 1


def draw_heart(
    patient: Patient, course: Course, fs: float, samples: int, generator: np.random.Generator
) -> Float[np.ndarray, "lead time"]:
    """Draw what the leads see without noise, in millivolts."""
    time = np.arange(samples) / fs
    seen = add_waves(_ventricular_waves(patient.look, course.beats, generator), fs, samples)
    seen += add_waves(_atrial_waves(patient.look, course.atria), fs, samples)
    if patient.fibrillates:
        seen += patient.look.torso @ fibrillating_atria(1, time, generator)[0]
    for span in course.spans:
        if span.code in DRAWN:
            inside = slice(int(span.onset * fs), int(span.offset * fs))
            seen[:, inside] += DRAWN[span.code](patient, time[inside], generator)
    return seen * np.exp(0.06 * wander(time, 20.0, len(seen), generator))


def add_waves(waves: Waves, fs: float, samples: int) -> Float[np.ndarray, "lead time"]:
    """Add up Gaussians whose centres are seconds into the recording, all at once by their reach."""
    total = np.zeros((waves.vector.shape[-1], samples))
    reach = 2 ** np.ceil(np.log2(REACH * waves.width * fs)).astype(int)
    for far in np.unique(reach):
        chosen = reach == far
        centre, width = waves.centre[chosen, None], waves.width[chosen, None]
        index = np.rint(centre * fs).astype(int) + np.arange(-far, far + 1)
        bell = np.exp(-0.5 * ((index / fs - centre) / width) ** 2)
        place = np.clip(index, -1, samples).ravel() + 1  # what lies outside goes to the two ends
        for lead, height in zip(total, waves.vector[chosen].T, strict=True):
            lead += np.bincount(place, (bell * height[:, None]).ravel(), samples + 2)[1:-1]
    return total


def wander(
    time: Float[np.ndarray, " time"], pace: float, rows: int, generator: np.random.Generator
) -> Float[np.ndarray, "row time"]:
    """Draw values of about unit variance that change within `pace` seconds."""
    knots = np.arange(time[0], time[-1] + 2 * pace, pace)
    return np.stack(
        [np.interp(time, knots, generator.standard_normal(len(knots))) for _ in range(rows)]
    )


def turns(
    rate: Float[np.ndarray, "row time"], time: Float[np.ndarray, " time"]
) -> Float[np.ndarray, "row time"]:
    """Turn rates in Hz into phases in radians."""
    return 2 * np.pi * np.cumsum(rate, axis=1) * (time[1] - time[0])


def _ventricular_waves(look: Look, beats: Beats, generator: np.random.Generator) -> Waves:
    """Put QRS, ST and T where the ventricles beat; T comes earlier at a higher rate."""
    interval = np.diff(beats.time, prepend=beats.time[0] - look.interval)
    change = np.minimum(interval, 1.3) - min(look.interval, 1.3)
    waves = paced(pick(look.beats, beats.kind), np.clip(RATE_DEPENDENCE * change, -0.09, 0.04))
    height = look.beats.vector
    turned = np.multiply.outer(np.cos(beats.axis), height[ECTOPIC])
    turned += np.multiply.outer(np.sin(beats.axis), height[OTHER])
    vector = np.where((beats.kind == ECTOPIC)[:, None, None], turned, waves.vector)
    vector *= 1 + 0.04 * generator.standard_normal((len(vector), 1, 1))
    return _at(beats.time, replace(waves, vector=vector), slice(PARTS["QRS"].start, None))


def _atrial_waves(look: Look, atria: Float[np.ndarray, " atrial"]) -> Waves:
    """Put P where the atria beat."""
    return _at(atria, pick(look.beats, np.full(len(atria), ORDINARY)), PARTS["P"])


def _at(time: Float[np.ndarray, " beat"], waves: Waves, part: slice) -> Waves:
    """Move a part of the waves of each beat to its time."""
    centre = waves.centre[:, part] + time[:, None]
    return Waves(centre, waves.width[:, part], waves.vector[:, part])


def _flutter(
    patient: Patient, time: Float[np.ndarray, " time"], generator: np.random.Generator
) -> Float[np.ndarray, "lead time"]:
    """Large, regular waves with nothing between them."""
    rate = patient.flutter * (1 + 0.02 * wander(time, 1.5, 1, generator))
    phase = turns(rate, time) + patient.lag * np.arange(2)[:, None]
    wave = np.sin(phase) + 0.3 * np.sin(2 * phase + patient.lag)
    level = 1 + 0.06 * wander(time, 0.8, 1, generator)
    return 0.55 * patient.look.size[ECTOPIC][:, None] * level * wave * _fade(time)


def _fibrillation(
    patient: Patient, time: Float[np.ndarray, " time"], generator: np.random.Generator
) -> Float[np.ndarray, "lead time"]:
    """Waves of ever changing rate, height and direction that weaken with time."""
    count = len(WAVELETS)
    own = patient.fibrillation * WAVELETS[:, None]
    phase = turns(own * (1 + 0.07 * wander(time, 0.8, count, generator)), time)
    phase += generator.uniform(0, 2 * np.pi, (count, 1))
    height = 1 + 0.6 * wander(time, 0.7, count, generator)
    wavelet = height * (np.sin(phase) + 0.25 * np.sin(2 * phase))
    leads = [(1 + 0.8 * wander(time, 2.0, count, generator)) * wavelet for _ in patient.look.torso]
    weaker = np.exp(-(time - time[0]) / 40)
    level = 0.3 * patient.coarse * patient.look.size[ECTOPIC][:, None]
    return level * np.sum(leads, axis=1) * weaker * _fade(time)


def _fade(time: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """Rise from 0 to 1 at the start and fall again at the end."""
    edge = np.minimum(time - time[0], time[-1] - time) / FADE
    return np.sin(np.pi / 2 * np.minimum(edge, 1)) ** 2


DRAWN = {"(VFL": _flutter, "(VF": _fibrillation}  # rhythms without beats
