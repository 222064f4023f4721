"""Who is in the synthetic cohort: the traits a patient keeps and what each visit finds."""

from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int

# Dower's synthesis of leads from the Frank axes: left, inferior, posterior (Dower et al. 1980).
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],  # I
        [0.235, 1.066, -0.132],  # II
        [-0.515, 0.157, -0.917],  # V1
        [0.044, 0.164, -1.387],  # V2
        [0.882, 0.098, -1.277],  # V3
        [1.213, 0.127, -0.601],  # V4
        [1.125, 0.127, -0.086],  # V5
        [0.831, 0.076, 0.230],  # V6
    ]
)
NORMAL, RIGHT, LEFT = range(3)  # conduction: which bundle branch is blocked
SINUS, FIBRILLATION, FLUTTER = range(3)  # rhythm
INFERIOR, ANTERIOR, LATERAL = range(3)  # territory
MOST_VISITS = 4
Arrays = TypeVar("Arrays", bound=Any)
QRS_SECONDS = np.array([[0.074, 0.106], [0.123, 0.160], [0.124, 0.172]])  # by conduction
INCOMPLETE_SECONDS = (0.108, 0.117)


def pick(arrays: Arrays, rows: Int[np.ndarray, " row"]) -> Arrays:
    """Pick rows of a dataclass of arrays that share their first axis, repeating where asked."""
    picked = {field.name: getattr(arrays, field.name)[rows] for field in fields(arrays)}
    return replace(arrays, **picked)


@dataclass(frozen=True)
class Traits:
    """What stays with a patient: body, timing in seconds, and proneness to disease."""

    age: Float[np.ndarray, " patient"]  # years at the first visit
    male: Bool[np.ndarray, " patient"]
    torso: Float[np.ndarray, "patient lead axis"]  # from the heart's dipole to millivolts
    turn: Float[np.ndarray, "patient plane"]  # of the QRS loop: frontal, horizontal; radians
    t_turn: Float[np.ndarray, "patient plane"]
    shape: Float[np.ndarray, "patient wave"]  # strength of each part of the QRS, about 1
    rsr: Float[np.ndarray, " patient"]  # terminal rightward forces that anybody may have
    voltage: Float[np.ndarray, " patient"]
    limb: Float[np.ndarray, " patient"]  # largest QRS of the limb leads in mV, where small; else 0
    p_amplitude: Float[np.ndarray, " patient"]
    t_amplitude: Float[np.ndarray, " patient"]
    early: Float[np.ndarray, " patient"]  # benign ST elevation in V3, mV
    conduction: Int[np.ndarray, " patient"]
    block: Float[np.ndarray, " patient"]  # how far conduction is from normal, 0 to about 1
    complete: Bool[np.ndarray, " patient"]  # the block
    aberrant: Bool[np.ndarray, " patient"]  # early beats find the right bundle branch blocked
    qrs: Float[np.ndarray, " patient"]
    pr: Float[np.ndarray, " patient"]
    qtc: Float[np.ndarray, " patient"]
    rate: Float[np.ndarray, " patient"]  # beats a minute at rest
    arrhythmia: Float[np.ndarray, " patient"]  # respiratory, share of the RR interval
    fibrillates: Float[np.ndarray, " patient"]  # share of visits
    flutters: Float[np.ndarray, " patient"]
    premature_atrial: Bool[np.ndarray, " patient"]  # prone to such beats
    premature_ventricular: Bool[np.ndarray, " patient"]
    focus: Int[np.ndarray, " patient"]  # where ventricular beats start
    p_focus: Float[np.ndarray, "patient axis"]  # direction of the premature P
    ischaemic: Bool[np.ndarray, " patient"]
    territory: Int[np.ndarray, " patient"]


@dataclass(frozen=True)
class Visits:
    """What one recording finds, one row a record."""

    patient: Int[np.ndarray, " record"]
    age: Float[np.ndarray, " record"]
    gain: Float[np.ndarray, " record"]  # of the day, about 1
    rhythm: Int[np.ndarray, " record"]
    rate: Float[np.ndarray, " record"]
    breath: Float[np.ndarray, " record"]  # Hz
    premature_atrial: Float[np.ndarray, " record"]  # share of beats
    premature_ventricular: Float[np.ndarray, " record"]
    elevation: Float[np.ndarray, " record"]  # of ST in the worst lead, mV; 0: none
    depression: Float[np.ndarray, " record"]
    inversion: Float[np.ndarray, " record"]  # depth of T in the worst lead, mV; 0: none
    territory: Int[np.ndarray, " record"]  # of elevation and inversion
    depressed: Int[np.ndarray, " record"]  # territory


def draw_traits(patients: int, generator: np.random.Generator) -> Traits:
    """Draw patients; most diseases double every 15 years of age."""
    age = np.clip(generator.normal(60, 17, patients), 18, 94).round()
    male = generator.random(patients) < 0.52
    risk = np.minimum(2 ** ((age - 66) / 15), 3)
    disease = _disease(risk, generator)
    return Traits(
        age=age,
        male=male,
        **_body(age, male, generator),
        **_timing(age, male, disease, generator),
        **disease,
    )


def _body(
    age: Float[np.ndarray, " patient"],
    male: Bool[np.ndarray, " patient"],
    generator: np.random.Generator,
) -> dict[str, Any]:
    count = len(age)
    normal = generator.standard_normal
    frontal = np.radians(4 - 0.45 * (age - 45) + 17 * normal(count))
    horizontal = np.radians(3 + 13 * normal(count))
    small = generator.random(count) < 0.16
    return {
        "torso": DOWER * np.exp(0.08 * normal((count, *DOWER.shape))),
        "turn": np.stack([frontal, horizontal], axis=-1),
        "t_turn": np.radians(14) * normal((count, 2)),
        "shape": np.exp(0.2 * normal((count, 7))),
        "rsr": 0.22 * np.abs(normal(count)),
        "voltage": np.exp(0.25 * normal(count) + 0.12 * male),
        "limb": np.where(small, generator.uniform(0.32, 0.68, count), 0.0),
        "p_amplitude": np.exp(0.25 * normal(count)),
        "t_amplitude": np.exp(0.42 * normal(count) + 0.1 * male - 0.008 * (age - 50)),
        "early": generator.uniform(0.0, 0.06, count) * np.where(male & (age < 55), 2.5, 1.0),
    }


def _timing(
    age: Float[np.ndarray, " patient"],
    male: Bool[np.ndarray, " patient"],
    disease: dict[str, Any],
    generator: np.random.Generator,
) -> dict[str, Any]:
    count = len(age)
    normal = generator.standard_normal
    limits = QRS_SECONDS[disease["conduction"]]
    limits[(disease["block"] > 0) & ~disease["complete"]] = INCOMPLETE_SECONDS
    shortest, longest = limits.T
    spread = np.clip(0.45 + 0.22 * normal(count) + 0.1 * male, 0.02, 0.98)
    pr = np.clip(0.158 + 0.0004 * (age - 50) + 0.021 * normal(count), 0.122, 0.197)
    blocked = generator.random(count) < np.minimum(0.1 * 2 ** ((age - 66) / 18), 0.3)
    slow = generator.random(count) < 0.08
    return {
        "qrs": shortest + spread * (longest - shortest),
        "pr": np.where(blocked, np.minimum(0.202 + 0.026 * np.abs(normal(count)), 0.34), pr),
        "qtc": np.where(male, 0.405, 0.418) + 0.016 * normal(count),
        "rate": np.where(slow, generator.uniform(46, 66, count), 75 + 9 * normal(count)),
        "arrhythmia": np.clip(0.11 - 0.0012 * age, 0.015, None) * np.exp(0.4 * normal(count)),
    }


def _disease(risk: Float[np.ndarray, " patient"], generator: np.random.Generator) -> dict[str, Any]:
    def has(share: float) -> Bool[np.ndarray, " patient"]:
        return generator.random(len(risk)) < share * risk

    count = len(risk)
    chance = generator.random(count)
    conduction = np.select([chance < 0.12 * risk, chance < 0.22 * risk], [RIGHT, LEFT], NORMAL)
    complete = (conduction != NORMAL) & (generator.random(count) < 0.7)
    degree = np.where(
        complete, generator.uniform(0.5, 1.1, count), generator.uniform(0.3, 0.7, count)
    )
    direction = generator.standard_normal((count, 3)) + [0.2, -0.6, 0.0]
    return {
        "conduction": conduction,
        "block": np.where(conduction == NORMAL, 0.0, degree),
        "complete": complete,
        "aberrant": generator.random(count) < 0.3,
        "fibrillates": np.where(has(0.11), generator.choice([0.5, 1.0], count), 0.0),
        "flutters": np.where(has(0.09), 0.75, 0.0),
        "premature_atrial": has(0.14),
        "premature_ventricular": has(0.14),
        "focus": generator.integers(0, 3, count),
        "p_focus": direction / np.linalg.norm(direction, axis=-1, keepdims=True),
        "ischaemic": has(0.24),
        "territory": generator.choice([INFERIOR, ANTERIOR, LATERAL], count, p=[0.35, 0.35, 0.3]),
    }


def draw_visits(traits: Traits, generator: np.random.Generator) -> Visits:
    """Draw one to four visits a patient, in order."""
    patients = len(traits.age)
    patient = np.repeat(np.arange(patients), generator.integers(1, MOST_VISITS + 1, patients))
    number = np.arange(len(patient)) - np.searchsorted(patient, patient)
    host = pick(traits, patient)
    return Visits(
        patient=patient,
        age=np.floor(host.age + number * generator.uniform(0.0, 2.0, patients)[patient]),
        gain=np.exp(0.06 * generator.standard_normal(len(patient))),
        breath=generator.uniform(0.18, 0.33, len(patient)),
        **_rhythm(host, generator),
        **_ischaemia(host, generator),
    )


def _rhythm(host: Traits, generator: np.random.Generator) -> dict[str, Any]:
    count = len(host.age)
    chance = generator.random(count)
    rhythm = np.where(chance < host.fibrillates, FIBRILLATION, SINUS)
    rhythm[(chance < host.flutters) & (rhythm == SINUS)] = FLUTTER
    rate = host.rate + 5 * generator.standard_normal(count)
    excited = generator.random(count) < 0.08
    rate = np.where(excited, generator.uniform(92, 128, count), np.clip(rate, 40, 112))
    rapid = np.clip(88 + 22 * generator.standard_normal(count), 52, 160)
    seen = generator.random((2, count)) < 0.75
    share = 0.05 + 0.25 * generator.random((2, count)) ** 2
    return {
        "rhythm": rhythm,
        "rate": np.where(rhythm == FIBRILLATION, rapid, rate),
        "premature_atrial": host.premature_atrial * seen[0] * (rhythm == SINUS) * share[0],
        "premature_ventricular": (
            host.premature_ventricular * seen[1] * (rhythm != FLUTTER) * share[1]
        ),
    }


def _ischaemia(host: Traits, generator: np.random.Generator) -> dict[str, Any]:
    count = len(host.age)
    # a left bundle branch block hides what ischaemia does to ST and T: nobody would call it
    readable = host.conduction != LEFT

    def severity(sick: float, well: float, least: float, most: float) -> Any:
        present = generator.random(count) < np.where(host.ischaemic, sick, well)
        worse = generator.beta(1.1, 3.2, count)
        return np.where(present & readable, least + (most - least) * worse, 0.0)

    # the block itself turns T in the anterior leads
    behind = np.where(host.territory == ANTERIOR, LATERAL, host.territory)
    territory = np.where(host.conduction == RIGHT, behind, host.territory)
    return {
        "elevation": severity(0.30, 0.01, 0.08, 0.35),
        "depression": severity(0.34, 0.03, 0.05, 0.24),
        "inversion": severity(0.42, 0.03, 0.04, 0.38),
        "territory": territory,
        "depressed": np.where(territory == LATERAL, INFERIOR, LATERAL),
    }
