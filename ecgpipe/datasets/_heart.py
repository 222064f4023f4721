"""The beats of the synthetic hearts in time: intervals, dipole, leads and true boundaries."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from ecgpipe.datasets import _morphology as morphology
from ecgpipe.datasets._patients import SINUS, Traits, Visits, pick
from ecgpipe.datasets._rhythm import BEATS, SECONDS, Beats
from ecgpipe.datasets._waves import OFFSET, ONSET, Waves

PARTS = {"P": slice(0, 2), "QRS": slice(2, 9), "ST": slice(9, 11), "T": slice(11, 13)}
NAMED = ("P", "QRS", "T")  # parts with boundaries
BEFORE, AFTER = 0.55, 0.75  # seconds around the R peak that a beat reaches
RATE_DEPENDENCE = 0.154  # of QT on RR (Sagie et al. 1992)


@dataclass(frozen=True)
class Heart:
    """What each record's beats look like; the tuples go by kind of beat."""

    waves: tuple[Waves, ...]
    bounds: tuple[Float[np.ndarray, "record named point"], ...]  # NaN where there is no such wave
    interval: Float[np.ndarray, " record"]  # seconds between beats, which T was placed for
    pr: Float[np.ndarray, " record"]  # seconds
    limb: Float[np.ndarray, " record"]  # largest QRS of the limb leads, mV


def build_heart(host: Traits, visits: Visits) -> Heart:
    """Put the waves of every record's ordinary and premature beats together."""
    interval = 60 / visits.rate
    qt = host.qtc + RATE_DEPENDENCE * (1 - np.minimum(interval, 1.3))
    pr = np.clip(host.pr - 0.0003 * (visits.rate - 70), 0.12, 0.5 * interval)
    sinus = (visits.rhythm == SINUS)[:, None, None]
    p, early_p = morphology.p_vectors(host)
    qrs, scale, limb = morphology.to_voltage(morphology.ordinary_qrs(host), host, visits)
    late = morphology.repolarisation(host, visits, qrs, scale)
    early = morphology.aberrant(host)
    early_qrs, scale, _ = morphology.to_voltage(morphology.ordinary_qrs(early), early, visits)
    early_late = morphology.repolarisation(early, visits, early_qrs, scale)
    ventricular = morphology.premature_qrs(host, scale)
    beats = [
        _beat(p * sinus, qrs, late, pr, qt),
        _beat(early_p * sinus, early_qrs, early_late, 0.9 * pr, qt),
        _beat(p * 0, ventricular, morphology.discordant(ventricular), pr, qt),
    ]
    waves, bounds = zip(*beats, strict=True)
    return Heart(waves, bounds, interval, pr, limb)


def _beat(
    p: Float[np.ndarray, "record wave axis"],
    qrs: Waves,
    late: Float[np.ndarray, "record part axis"],
    pr: Float[np.ndarray, " record"],
    qt: Float[np.ndarray, " record"],
) -> tuple[Waves, Float[np.ndarray, "record named point"]]:
    """Place P before, ST and T after the QRS."""
    qrs_bounds = qrs.bounds()
    onset, offset = qrs_bounds[:, ONSET], qrs_bounds[:, OFFSET]
    size = 1 + np.linalg.norm(p, axis=(1, 2))[:, None]
    atria = Waves(size * [0.0, 0.033], size * [0.0135, 0.0135], p)
    atria, p_bounds = atria.moved(ONSET, onset - pr)
    end = onset + qt + 0.7 * (offset - onset - 0.09)
    size = ((end - onset) / 0.4)[:, None]
    t = Waves(size * [-0.052, 0.0], size * [0.044, 0.031], late[:, 1:] * [[0.5], [0.75]])
    t, t_bounds = t.moved(OFFSET, end)
    plateau = (t.centre[:, 1] - offset)[:, None]
    st_vector = 0.77 * np.repeat(late[:, :1], 2, axis=1)
    st = Waves(offset[:, None] + plateau * [0.15, 0.5], plateau * [0.19, 0.19], st_vector)
    bounds = np.stack([p_bounds, qrs_bounds, t_bounds], axis=1)
    return Waves.joined([atria, qrs, st, t]), bounds


def dipole(
    heart: Heart, beats: Beats, visits: Visits, fs: float
) -> Float[np.ndarray, "record axis time"]:
    """Add the beats up, one by one for all records together; breathing moves them a little."""
    margin = 2 * int(fs * (BEFORE + AFTER))
    samples = int(fs * SECONDS)
    total = np.zeros((len(beats.time), 3, samples + 2 * margin))
    window = np.arange(int(fs * (BEFORE + AFTER)))
    breath = 1 + 0.05 * np.sin(2 * np.pi * visits.breath[:, None] * beats.time)
    for beat in range(BEATS):
        near = (beats.time[:, beat] > -AFTER) & (beats.time[:, beat] < SECONDS + BEFORE)
        for kind, waves in enumerate(heart.waves):
            rows = np.flatnonzero(near & (beats.kind[:, beat] == kind))
            time = beats.time[rows, beat]
            first = np.ceil((time - BEFORE) * fs).astype(int)
            index = first[:, None] + window
            away = index / fs - time[:, None]
            drawn = paced(pick(waves, rows), _delay(heart, beats)[rows, beat]).dipole(away)
            where = (rows[:, None, None], np.arange(3)[:, None], index[:, None] + margin)
            total[where] += drawn * breath[rows, beat, None, None]
    return total[..., margin:-margin]


def _delay(heart: Heart, beats: Beats) -> Float[np.ndarray, "record beat"]:
    """How much later T comes than usual, by the beat before; most of QT's memory is longer."""
    change = np.minimum(beats.interval, 1.3) - np.minimum(heart.interval, 1.3)[:, None]
    return np.clip(0.3 * RATE_DEPENDENCE * change, -0.03, 0.03)


def paced(waves: Waves, delay: Float[np.ndarray, " record"]) -> Waves:
    """Move T by the delay and ST by half of it."""
    share = np.zeros(waves.centre.shape[1])
    share[PARTS["ST"]] = 0.5
    share[PARTS["T"]] = 1.0
    return Waves(waves.centre + share * delay[:, None], waves.width, waves.vector)


def true_waves(heart: Heart, beats: Beats) -> pd.DataFrame:
    """List every wave that lies in the recording as a whole, by record and time."""
    bounds = np.stack(heart.bounds, axis=1)[np.arange(len(beats.time))[:, None], beats.kind]
    bounds = bounds + beats.time[..., None, None]
    bounds[:, :, NAMED.index("T")] += _delay(heart, beats)[..., None]
    whole = (bounds[..., ONSET] >= 0) & (bounds[..., OFFSET] < SECONDS)
    row, beat, named = np.nonzero(whole)
    onset, peak, offset = bounds[row, beat, named].T
    return pd.DataFrame(
        {
            "row": row,
            "kind": np.array(NAMED)[named],
            "beat": beats.kind[row, beat],
            "onset": onset,
            "peak": peak,
            "offset": offset,
        }
    )


def twelve_leads(
    eight: Float[np.ndarray, "record lead time"],
) -> Float[np.ndarray, "record twelve time"]:
    """Derive III and the augmented leads from I and II (Einthoven, Goldberger)."""
    one, two, chest = eight[:, :1], eight[:, 1:2], eight[:, 2:]
    augmented = [-(one + two) / 2, one - two / 2, two - one / 2]
    return np.concatenate([one, two, two - one, *augmented, chest], axis=1)
