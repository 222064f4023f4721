"""Draw the synthetic cohort: patients, recordings, labels, and what the electrodes see."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from ecgpipe.datasets import _heart as heart
from ecgpipe.datasets._noise import draw_noise
from ecgpipe.datasets._patients import (
    FIBRILLATION,
    FLUTTER,
    LEFT,
    RIGHT,
    SINUS,
    Traits,
    Visits,
    draw_traits,
    draw_visits,
    pick,
)
from ecgpipe.datasets._rhythm import (
    ATRIAL,
    SECONDS,
    VENTRICULAR,
    Beats,
    Flutter,
    atrial_waves,
    draw_beats,
    draw_flutter,
)


@dataclass(frozen=True)
class Cohort:
    """Everything drawn about the patients and their records, but for the noise."""

    traits: Traits
    visits: Visits
    flutter: Flutter
    beats: Beats
    hearts: heart.Heart
    waves: pd.DataFrame  # row, kind, beat, onset, peak, offset
    labels: pd.DataFrame  # a record a row, a label a column


def draw_cohort(patients: int, *, seed: int) -> Cohort:
    """Draw patients, visits and beats."""
    generator = np.random.default_rng([seed, 0])
    traits = draw_traits(patients, generator)
    visits = draw_visits(traits, generator)
    host = pick(traits, visits.patient)
    flutter = draw_flutter(len(visits.patient), generator)
    beats = draw_beats(host, visits, flutter, generator)
    hearts = heart.build_heart(host, visits)
    waves = heart.true_waves(hearts, beats)
    return Cohort(
        traits, visits, flutter, beats, hearts, waves, _labels(host, visits, hearts, waves)
    )


def _labels(host: Traits, visits: Visits, hearts: heart.Heart, waves: pd.DataFrame) -> pd.DataFrame:
    """Name what was drawn, by the definitions of the clinic."""
    records = np.arange(len(visits.patient))
    qrs = waves[waves["kind"] == "QRS"].groupby("row")
    rate = 60 / qrs["peak"].agg(lambda peak: peak.diff().mean()).reindex(records).to_numpy()
    sinus = visits.rhythm == SINUS
    labels = {
        "AFIB": visits.rhythm == FIBRILLATION,
        "AFLT": visits.rhythm == FLUTTER,
        "INVT": visits.inversion > 0,
        "LBBB": host.complete & (host.conduction == LEFT),
        "LPR": sinus & (hearts.pr > 0.2),
        "LVOLT": hearts.limb < 0.5,
        "PAC": qrs["beat"].agg(lambda kind: (kind == ATRIAL).any()).reindex(records).to_numpy(),
        "PVC": qrs["beat"].agg(lambda kind: (kind == VENTRICULAR).any()).reindex(records),
        "RBBB": host.complete & (host.conduction == RIGHT),
        "SBRAD": sinus & (rate < 60),
        "STACH": sinus & (rate > 100),
        "STD": visits.depression > 0,
        "STE": visits.elevation > 0,
    }
    table = pd.DataFrame(labels, index=records)
    table["NORM"] = ~table.any(axis=1) & (host.block == 0)  # an incomplete block has no label
    return table[sorted(table)]


def render(cohort: Cohort, *, fs: float, seed: int) -> Float[np.ndarray, "record lead time"]:
    """Draw what an amplifier without noise would see: I, II, V1 to V6 in millivolts."""
    generator = np.random.default_rng([seed, 1])
    time = np.arange(int(fs * SECONDS)) / fs
    dipole = heart.dipole(cohort.hearts, cohort.beats, cohort.visits, fs)
    dipole += atrial_waves(cohort.visits, cohort.beats, cohort.flutter, time, generator)
    return cohort.traits.torso[cohort.visits.patient] @ dipole


def record_cohort(cohort: Cohort, *, fs: float, seed: int) -> Float[np.ndarray, "record lead time"]:
    """Draw the twelve leads as recorded, in millivolts of whole microvolts."""
    eight = render(cohort, fs=fs, seed=seed)
    eight += draw_noise(len(eight), fs, eight.shape[-1], np.random.default_rng([seed, 2]))
    return np.round(heart.twelve_leads(eight), 3)
