"""Whom the long recordings follow, and what may come over their hearts."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from ecgpipe.datasets._ambulatory_looks import Look, draw_looks
from ecgpipe.datasets._patients import (
    FIBRILLATION,
    FLUTTER,
    SINUS,
    Visits,
    draw_traits,
    draw_visits,
    pick,
)

WORST = ("none", "tachycardia", "flutter", "fibrillation")  # of the ventricles
SHARES = (0.5, 0.26, 0.09, 0.15)  # of the patients

# what may come over a heart: rhythms that follow each other
EPISODES = (
    (),
    ("(VT",),
    ("(VFL",),
    ("(VF",),
    ("(VT", "(VF"),
    ("(VFL", "(VF"),
    ("(SVTA",),
    ("(B",),
    ("(T",),
)
SUPRAVENTRICULAR, ECTOPIC = slice(6, 7), slice(7, 9)  # only in patients prone to these
OFTEN = np.array(  # by the worst of WORST
    [
        [5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0, 2.5, 1.0],
        [0.6, 6.0, 0.0, 0.0, 0.0, 0.0, 4.0, 1.0, 0.6],
        [0.6, 2.0, 4.0, 0.0, 0.0, 1.0, 4.0, 1.0, 0.6],
        [0.6, 1.5, 0.0, 3.0, 1.2, 1.2, 4.0, 1.0, 0.6],
    ]
)


@dataclass(frozen=True)
class Patient:
    """One patient as followed by a recorder."""

    age: float  # years
    male: bool
    worst: str  # of WORST
    look: Look
    fibrillates: bool  # the atria
    rate: float  # beats a minute at rest
    exertion: float  # beats a minute more, at most
    arrhythmia: float  # respiratory, share of the RR interval
    breath: float  # Hz
    prone: Float[np.ndarray, " episode"]  # how probable each of EPISODES is
    ectopy: float  # share of beats that are premature and start in the ventricles
    couplets: float  # share of these that come in twos
    coupling: float  # of premature beats, share of the RR interval
    atrial: float  # share of beats that are premature and start in the atria, or near them
    tachycardia: float  # beats a minute
    axis: float  # radians from the look of ectopic beats to the other one, in tachycardia
    twist: float  # radians a beat that the axis turns
    supraventricular: float  # beats a minute
    flutter: float  # Hz
    lag: float  # radians by which V5 follows II in it
    fibrillation: float  # Hz
    coarse: float  # height of ventricular fibrillation, share of the ectopic beats'
    tremor: float  # Hz of a hand that shakes; 0: it does not
    disturbed: float  # how loud and frequent noise is, about 1


def draw_patients(count: int, *, seed: int) -> list[Patient]:
    """Draw patients; half of them have no arrhythmia of the ventricles but premature beats."""
    generator = np.random.default_rng([seed, 0])
    traits = draw_traits(count, generator)
    visits = _first(draw_visits(traits, generator))
    looks = draw_looks(traits, visits, generator)
    rank = (np.arange(count) + 0.5) / count
    worst = generator.permutation(np.searchsorted(np.cumsum(SHARES), rank))
    often = OFTEN[worst]
    fibrillates = visits.rhythm == FIBRILLATION
    often[fibrillates, SUPRAVENTRICULAR] = 0.0
    habits = [
        _habits(often[number], np.random.default_rng([seed, 1, number])) for number in range(count)
    ]
    return [
        Patient(
            age=float(traits.age[number]),
            male=bool(traits.male[number]),
            worst=WORST[worst[number]],
            look=looks[number],
            fibrillates=bool(fibrillates[number]),
            rate=float(np.clip(traits.rate[number] + 30 * fibrillates[number], 50, 120)),
            arrhythmia=float(traits.arrhythmia[number]),
            breath=float(visits.breath[number]),
            **habits[number],
        )
        for number in range(count)
    ]


def _first(visits: Visits) -> Visits:
    """Keep each patient's first visit; no atria flutter in the long recordings."""
    kept = pick(visits, np.unique(visits.patient, return_index=True)[1])
    return replace(kept, rhythm=np.where(kept.rhythm == FLUTTER, SINUS, kept.rhythm))


def _habits(often: Float[np.ndarray, " episode"], generator: np.random.Generator) -> dict[str, Any]:
    """Draw what is a patient's own in rhythm and noise, independent of how the beats look."""
    uniform, chance = generator.uniform, generator.random
    prone = often * np.exp(0.3 * generator.standard_normal(len(EPISODES)))
    prone[SUPRAVENTRICULAR] *= chance() < 0.6
    prone[ECTOPIC] *= chance() < 0.4
    return {
        "prone": prone / prone.sum(),
        "exertion": uniform(0, 85),
        "ectopy": 0.12 * chance() ** 3,
        "couplets": uniform(0, 0.25),
        "coupling": uniform(0.5, 0.72),
        "atrial": 0.06 * chance() ** 4,
        "tachycardia": np.clip(155 * np.exp(0.22 * generator.standard_normal()), 104, 235),
        "axis": uniform(-0.3, 0.3) + (chance() < 0.5) * uniform(0.8, 2.3),
        "twist": (chance() < 0.15) * uniform(0.2, 0.4),
        "supraventricular": uniform(120, 200),
        "flutter": uniform(3.6, 5.0),
        "lag": uniform(-1.2, 1.2),
        "fibrillation": uniform(4.0, 7.0),
        "coarse": uniform(0.2, 0.8),
        "tremor": uniform(3.0, 6.5) * (chance() < 0.4),
        "disturbed": min(np.exp(0.5 * generator.standard_normal()), 2.0),
    }
