"""When the synthetic hearts beat, and what their atria do in between."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ecgpipe.datasets._patients import FIBRILLATION, FLUTTER, Traits, Visits

BEATS = 48  # more than fit into a recording at any rate drawn
SECONDS = 10.0
ORDINARY, ATRIAL, VENTRICULAR = range(3)  # kind of beat: the latter two premature
SHORTEST = 0.3  # seconds between beats that the AV node and the ventricles let through


@dataclass(frozen=True)
class Beats:
    """Every beat from a little before the recording to well after its end."""

    time: Float[np.ndarray, "record beat"]  # of the R peak, seconds
    kind: Int[np.ndarray, "record beat"]
    interval: Float[np.ndarray, "record beat"]  # since the beat before


@dataclass(frozen=True)
class Flutter:
    """The circle an atrial flutter runs in."""

    cycle: Float[np.ndarray, " record"]  # seconds
    conducted: Float[np.ndarray, "record beat"]  # circles until the next QRS


def draw_beats(
    traits: Traits, visits: Visits, flutter: Flutter, generator: np.random.Generator
) -> Beats:
    """Draw the rhythm of every record, premature beats and their pauses included."""
    records = len(visits.rate)
    noise = generator.standard_normal((records, BEATS))
    mean = (60 / visits.rate)[:, None]
    phase = 2 * np.pi * (visits.breath[:, None] * mean * np.arange(BEATS))
    phase += generator.uniform(0, 2 * np.pi, (records, 1))
    sinus = mean * (1 + traits.arrhythmia[:, None] * np.sin(phase) + 0.018 * noise)
    spread = generator.uniform(0.1, 0.25, (records, 1))
    fibrillation = np.maximum(mean * np.exp(spread * noise), SHORTEST)
    flutters = flutter.cycle[:, None] * flutter.conducted * (1 + 0.004 * noise)
    regular = np.choose(visits.rhythm[:, None], [sinus, fibrillation, flutters])
    start = -1.2 - generator.random((records, 1)) * mean
    kind = _premature(start + np.cumsum(regular, axis=1), visits, generator)
    interval = _early(regular, kind, generator)
    return Beats(start + np.cumsum(interval, axis=1), kind, interval)


def draw_flutter(records: int, generator: np.random.Generator) -> Flutter:
    """Draw 240 to 330 circles a minute, two to four of them to a beat."""
    usual = generator.choice([2.0, 3.0, 4.0], (records, 1), p=[0.45, 0.15, 0.4])
    other = generator.choice([2.0, 3.0, 4.0], (records, BEATS))
    varies = generator.random((records, 1)) < 0.4
    conducted = np.where(varies & (generator.random((records, BEATS)) < 0.5), other, usual)
    return Flutter(60 / generator.uniform(240, 330, records), conducted)


def _premature(
    expected: Float[np.ndarray, "record beat"], visits: Visits, generator: np.random.Generator
) -> Int[np.ndarray, "record beat"]:
    """Choose premature beats: at random or every second or third, never two in a row."""
    records = len(expected)
    inside = (expected > 1.0) & (expected < SECONDS - 0.5)
    period = generator.choice([0, 2, 3], (records, 1), p=[0.8, 0.1, 0.1])
    turn = (np.arange(BEATS) % np.maximum(period, 1) == 0) & (period > 0)
    chance = generator.random((2, records, BEATS))

    def drawn(share: Float[np.ndarray, " record"], draw: int) -> Bool[np.ndarray, "record beat"]:
        flag = inside & ((chance[draw] < share[:, None]) | (turn & (share[:, None] > 0)))
        flag[:, 1:] &= ~flag[:, :-1]
        return flag

    ventricular = drawn(visits.premature_ventricular, 0)
    near = ventricular.copy()
    near[:, 1:] |= ventricular[:, :-1]
    near[:, :-1] |= ventricular[:, 1:]
    atrial = drawn(visits.premature_atrial, 1) & ~near
    return np.select([ventricular, atrial], [VENTRICULAR, ATRIAL], ORDINARY)


def _early(
    regular: Float[np.ndarray, "record beat"],
    kind: Int[np.ndarray, "record beat"],
    generator: np.random.Generator,
) -> Float[np.ndarray, "record beat"]:
    """Bring premature beats forward; a ventricular one leaves the sinus node's clock alone."""
    jitter = generator.uniform(-0.02, 0.02, regular.shape)
    coupling = np.choose(
        kind,
        [1.0, generator.uniform(0.58, 0.86, (len(kind), 1)) + jitter,
         generator.uniform(0.52, 0.74, (len(kind), 1)) + jitter],
    )  # fmt: skip
    interval = np.where(kind == ORDINARY, regular, np.maximum(coupling * regular, SHORTEST + 0.05))
    gained = (regular - interval)[:, :-1]
    pause = np.choose(kind[:, :-1], [0.0, 0.06 * regular[:, :-1], gained])
    interval[:, 1:] += np.where(kind[:, 1:] == ORDINARY, pause, 0.0)
    return interval


def atrial_waves(
    visits: Visits,
    beats: Beats,
    flutter: Flutter,
    time: Float[np.ndarray, " time"],
    generator: np.random.Generator,
) -> Float[np.ndarray, "record axis time"]:
    """Draw the dipole of fibrillating and fluttering atria; zero in sinus rhythm."""
    dipole = np.zeros((len(visits.rate), 3, len(time)))
    rows = np.flatnonzero(visits.rhythm == FIBRILLATION)
    dipole[rows] = fibrillating_atria(len(rows), time, generator)
    rows = np.flatnonzero(visits.rhythm == FLUTTER)
    since = time - beats.time[rows, :1]
    dipole[rows] = _sawtooth(since / flutter.cycle[rows, None], generator)
    return dipole


def fibrillating_atria(
    records: int, time: Float[np.ndarray, " time"], generator: np.random.Generator
) -> Float[np.ndarray, "record axis time"]:
    """Two wavelets of wandering rate and strength; the larger is seen best in V1 and II."""
    pace = generator.uniform(5.0, 8.0, (records, 2, 1)) + [[0.0], [1.3]]
    wander = generator.uniform(0.3, 0.9, (2, records, 2, 1)) * time
    wander = np.sin(2 * np.pi * (wander + generator.random((2, records, 2, 1))))
    phase = 2 * np.pi * (pace * time + generator.random((records, 2, 1))) + 2.2 * wander[0]
    wavelet = (np.sin(phase) + 0.3 * np.sin(2 * phase)) * (1 + 0.5 * wander[1])
    direction = generator.standard_normal((records, 2, 3)) * 0.4 + [[-0.3, 0.5, -0.8], [0, 0, 0]]
    strength = 0.005 + 0.04 * generator.random((records, 1, 1)) ** 1.5
    return strength * np.einsum("rwt,rwa->rat", wavelet, direction)


def _sawtooth(
    phase: Float[np.ndarray, "record time"], generator: np.random.Generator
) -> Float[np.ndarray, "record axis time"]:
    """Typical flutter: a slow fall and a steep rise in the inferior leads, upright in V1."""
    records = len(phase)
    turns = 2 * np.pi * (phase + generator.random((records, 1)))
    order = np.arange(1, 5)[:, None, None]
    saw = np.sum(np.sin(order * turns) / order**1.15, axis=0)
    upright = np.sin(turns + 0.6) + 0.35 * np.sin(2 * turns)
    strength = generator.uniform(0.015, 0.085, (records, 1))
    inferior = np.array([-0.05, 1.0, 0.1])[:, None] * (strength * saw)[:, None]
    anterior = np.array([-0.25, 0.0, -0.55])[:, None] * (strength * upright)[:, None]
    return inferior + anterior
