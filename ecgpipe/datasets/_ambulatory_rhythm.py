"""When the hearts of the long recordings beat, and which rhythms come over them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ecgpipe.annotations import Span
from ecgpipe.datasets._ambulatory_looks import ATRIAL, ECTOPIC, ORDINARY
from ecgpipe.datasets._ambulatory_patients import EPISODES, Patient

SECONDS = 600.0
SLOT = 50.0  # seconds, in which one episode may lie
LASTS = {  # median in seconds, spread of its logarithm, least, most
    "(VT": (14.0, 0.6, 2.5, 40.0),
    "(VFL": (9.0, 0.4, 3.0, 14.0),
    "(VF": (16.0, 0.4, 6.0, 32.0),
    "(SVTA": (16.0, 0.5, 3.0, 42.0),
    "(B": (14.0, 0.4, 7.0, 32.0),
    "(T": (14.0, 0.4, 7.0, 32.0),
}
EVERY = {"(B": 2, "(T": 3}  # which beat is premature
TAKES_OVER = ("(VT", "(VFL", "(VF", "(SVTA")  # these suppress the beats of the sinus node
LEADS_IN, LEADS_OUT = 0.12, 0.25  # seconds from a span's onset to its first beat, from the last one
SHORTEST = 0.34  # seconds from a beat to a premature one
GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Beats:
    """Beats of the ventricles."""

    time: Float[np.ndarray, " beat"]  # seconds
    kind: Int[np.ndarray, " beat"]  # ORDINARY, ATRIAL or ECTOPIC
    axis: Float[np.ndarray, " beat"]  # radians from ECTOPIC to OTHER, of ectopic beats


@dataclass(frozen=True)
class Course:
    """What a heart does in the time of a recording."""

    beats: Beats
    atria: Float[np.ndarray, " atrial"]  # when a P wave begins a beat, by the time of its QRS
    spans: tuple[Span, ...]  # of episodes


def draw_course(patient: Patient, generator: np.random.Generator) -> Course:
    """Draw the beats of the sinus node, premature ones, and the episodes that take over."""
    spans = _episodes(patient, generator)
    clock = _clock(patient, generator)
    beats = _premature(clock, spans, patient, generator)
    # the atria keep to the sinus node, also while the ventricles have left it
    atria = np.where(beats.kind == ATRIAL, beats.time, clock)
    atria = atria[~_taken(atria, spans, ("(SVTA",), 0.0)]
    free = ~_taken(beats.time, spans, TAKES_OVER, pause=generator.uniform(0.6, 1.6))
    trains = [_train(span, patient, generator) for span in spans if span.code in ("(VT", "(SVTA")]
    time = np.concatenate([beats.time[free], *(train.time for train in trains)])
    kind = np.concatenate([beats.kind[free], *(train.kind for train in trains)])
    axis = np.concatenate([beats.axis[free], *(train.axis for train in trains)])
    order = np.argsort(time, kind="stable")
    return Course(Beats(time[order], kind[order], axis[order]), atria, tuple(spans))


def _episodes(patient: Patient, generator: np.random.Generator) -> list[Span]:
    """Lay at most one episode into each slot.

    Steps of the golden ratio spread them: what a patient is prone to comes early and again.
    """
    drawn = (generator.random() + GOLDEN * np.arange(int(SECONDS / SLOT))) % 1
    chosen = np.searchsorted(np.cumsum(patient.prone)[:-1], drawn, side="right")
    spans: list[Span] = []
    for slot, episode in enumerate(chosen):
        codes = EPISODES[episode]
        lasts = np.array([_lasting(code, generator) for code in codes])
        lasts *= min(1.0, (SLOT - 8) / max(lasts.sum(), 1.0))
        onset = SLOT * slot + 2 + generator.random() * (SLOT - 5 - lasts.sum())
        offset = onset + np.cumsum(lasts)
        spans += map(Span, codes, (offset - lasts).tolist(), offset.tolist())
    return spans


def _lasting(code: str, generator: np.random.Generator) -> float:
    """Draw how long a rhythm lasts, in seconds."""
    median, spread, least, most = LASTS[code]
    return float(np.clip(median * np.exp(spread * generator.standard_normal()), least, most))


def _clock(patient: Patient, generator: np.random.Generator) -> Float[np.ndarray, " beat"]:
    """Draw when ordinary beats are due: a rate that wanders, breathes and rises with exertion."""
    step = 0.2  # seconds
    grid = np.arange(0.0, SECONDS + 2, step)
    slow = np.interp(grid, grid[::100], 0.06 * generator.standard_normal(len(grid[::100])))
    when, long = generator.uniform(0, SECONDS), generator.uniform(40, 120)
    effort = patient.exertion * np.exp(-0.5 * ((grid - when) / long) ** 2)
    breath = 1 + patient.arrhythmia * np.sin(2 * np.pi * patient.breath * grid)
    due = np.cumsum((patient.rate * np.exp(slow) + effort) * breath / 60 * step)
    spread = 0.22 if patient.fibrillates else 0.012
    drawn = np.cumsum(np.exp(spread * generator.standard_normal(int(due[-1]))))
    return np.interp(drawn[drawn < due[-1]], due, grid)


def _premature(
    clock: Float[np.ndarray, " beat"],
    spans: list[Span],
    patient: Patient,
    generator: np.random.Generator,
) -> Beats:
    """Let some beats come early; the node keeps its time, so that a pause follows."""
    chance = generator.random((3, len(clock)))
    first = chance[0] < patient.ectopy
    for span in spans:
        if span.code in EVERY:
            inside = np.flatnonzero((clock > span.onset) & (clock < span.offset))
            first[inside] = np.arange(1, len(inside) + 1) % EVERY[span.code] == 0
    first[1:] &= ~first[:-1]
    before, after = np.append(first[1:], False), np.append(False, first[:-1])
    second = after & (chance[1] < patient.couplets) & ~before
    atrial = (chance[2] < patient.atrial) & ~(first | before | after)
    kind = np.select([first | second, atrial], [ECTOPIC, ATRIAL], ORDINARY)
    interval = np.diff(clock, prepend=clock[0] - 60 / patient.rate)
    coupling = patient.coupling + 0.02 * generator.standard_normal(len(clock))
    coupled = np.maximum(coupling * interval, np.minimum(interval, SHORTEST))
    time = np.where(first | atrial, clock - interval + coupled, clock)
    pair = np.append(0.0, time[:-1]) + np.clip(coupled, SHORTEST, 0.5)
    axis = 0.1 * generator.standard_normal(len(clock))
    return Beats(np.where(second, pair, time), kind, axis)


def _taken(
    time: Float[np.ndarray, " beat"], spans: list[Span], codes: tuple[str, ...], pause: float
) -> Bool[np.ndarray, " beat"]:
    """Tell which beats such episodes suppress, those of a pause in seconds after them included."""
    taken = np.zeros(len(time), bool)
    for span in spans:
        if span.code in codes:
            taken |= (time > span.onset - 0.3) & (time < span.offset + pause)
    return taken


def _train(span: Span, patient: Patient, generator: np.random.Generator) -> Beats:
    """Draw the beats of a tachycardia, the first few of them a little slower."""
    ventricular = span.code == "(VT"
    rate = patient.tachycardia if ventricular else patient.supraventricular
    cycle = 60 / (rate * np.exp(0.04 * generator.standard_normal()))
    count = np.arange(int((span.offset - span.onset) / cycle) + 1)
    steps = cycle * (1 + 0.15 * np.exp(-count / 3) + 0.012 * generator.standard_normal(len(count)))
    time = span.onset + LEADS_IN + np.cumsum(steps) - steps[0]
    axis = patient.axis + patient.twist * count + 0.06 * generator.standard_normal(len(count))
    held = time < span.offset - LEADS_OUT
    kind = np.full(held.sum(), ECTOPIC if ventricular else ATRIAL)
    return Beats(time[held], kind, axis[held])
