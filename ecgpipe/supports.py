"""Which windows of a patient are labeled, to adapt to that patient, and which are left to score.

From the beginning on, as a patient is met: what is labeled lies in the first minutes, what is
scored comes later, a guard apart. Anywhere, as most of the literature draws: what is scored lies
between what was labeled, which flatters. Draws depend on nobody but the patient, so that every arm
learns from the same windows; and whatever the number of shots, the same windows are scored.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from ecgpipe.personal_settings import Personalization
from ecgpipe.splits import hashes


@dataclass(frozen=True)
class Draw:
    """One choice of windows to label, of every patient; more shots hold the fewer."""

    name: str
    rank: Int[np.ndarray, " window"]  # among its patient's labeled of its class; -1: not labeled
    scored: Bool[np.ndarray, " window"]

    def support(self, shots: int) -> Bool[np.ndarray, " window"]:
        """Tell which windows are labeled, so many of each class of a patient, or all there are."""
        return (self.rank >= 0) & (self.rank < shots)


def draw(
    windows: pd.DataFrame,
    kind: Int[np.ndarray, " window"],
    classes: int,
    settings: Personalization,
    seconds: float,
) -> list[Draw]:
    """Make every draw of the settings, of windows with a `patient`, a `record` and a `start`."""
    found, most = [], max(settings.shots)
    if "chronological" in settings.orders:
        period, guard = settings.period, settings.guard
        found.append(label_first(windows, kind, classes, most, seconds, period=period, guard=guard))
    if "random" in settings.orders:
        found += [label_anywhere(windows, kind, most, number) for number in range(settings.draws)]
    return found


def label_first(
    windows: pd.DataFrame,
    kind: Int[np.ndarray, " window"],
    classes: int,
    most: int,
    seconds: float,
    *,
    period: float,
    guard: float,
) -> Draw:
    """Label from the beginning of a patient's first recording until there is enough of each class.

    That is after `period` seconds at the latest, and a class may be short or lack altogether. What
    begins `guard` seconds after that, or lies in another recording, is scored.
    """
    patient, record = windows["patient"], windows["record"]
    first = record == record.groupby(patient).transform("min")
    begin = windows["start"].where(first).groupby(patient).transform("min")
    start = (windows["start"] - begin).where(first, np.inf)
    end = start + seconds
    rank = _rank(end.where(end <= period), [patient, kind])
    rank[rank >= most] = -1
    labeled = end.where(rank >= 0).groupby(patient)
    enough = labeled.transform("count") == classes * most
    until = labeled.transform("max").where(enough, period)
    return Draw("chronological", rank, (start >= until + guard).to_numpy())


def label_anywhere(
    windows: pd.DataFrame, kind: Int[np.ndarray, " window"], most: int, number: int
) -> Draw:
    """Label windows drawn at random of each class, half of those there are at most; score the rest.

    The number of the draw and what a window is called decide, not the windows beside it.
    """
    group = [windows["patient"], kind]
    key = _key(windows, f"support/{number}")
    rank = _rank(key, group)
    there = key.groupby(group).transform("size").to_numpy()
    rank[rank >= np.minimum(most, there // 2)] = -1
    return Draw(f"random-{number}", rank, rank < 0)


def halve(
    windows: pd.DataFrame,
    kind: Int[np.ndarray, " window"],
    chosen: Bool[np.ndarray, " window"],
    number: int,
) -> tuple[Bool[np.ndarray, " window"], Bool[np.ndarray, " window"]]:
    """Part the chosen windows of each class of a patient in two; a single one is in both halves.

    Another number makes other halves.
    """
    group = [windows.loc[chosen, "patient"], kind[chosen]]
    key = _key(windows[chosen], f"half/{number}")
    second = _rank(key, group) % 2 == 1
    alone = key.groupby(group).transform("size").to_numpy() == 1
    near, far = np.zeros(len(windows), bool), np.zeros(len(windows), bool)
    near[chosen], far[chosen] = ~second, second | alone
    return near, far


def balance(
    windows: pd.DataFrame, kind: Int[np.ndarray, " window"], chosen: Bool[np.ndarray, " window"]
) -> Float[np.ndarray, " window"]:
    """Weigh the chosen windows so that every class of a patient that is there counts the same."""
    size = pd.Series(chosen, windows.index).groupby([windows["patient"], kind]).transform("sum")
    return np.where(chosen, 1 / size.clip(lower=1), 0.0)


def count(
    windows: pd.DataFrame,
    kind: Int[np.ndarray, " window"],
    classes: int,
    support: Bool[np.ndarray, " window"],
    scored: Bool[np.ndarray, " window"],
) -> pd.DataFrame:
    """Count, a line a patient, what is labeled and scored, and the classes that each of them lacks.

    `labeled` is all that adaptation sees of a patient's labels: nothing more is kept to validate.
    """
    columns: dict[str, pd.Series] = {}
    for name, rows in {"labeled": support, "scored": scored}.items():
        there = pd.crosstab(windows["patient"], np.where(rows, kind, classes))
        there = there.reindex(columns=range(classes), fill_value=0)
        columns |= {name: there.sum(axis=1), f"{name}_lacks": (there == 0).sum(axis=1)}
    return pd.DataFrame(columns)


def describe(counts: pd.DataFrame) -> str:
    """Say in one line what was labeled of how many patients, and where a class is missing."""
    lacking = (counts[["labeled_lacks", "scored_lacks"]] > 0).sum()
    return (
        f"{counts['labeled'].sum()} windows of {len(counts)} patients labeled, "
        f"{lacking['labeled_lacks']} of whom lack a class there, {lacking['scored_lacks']} in what "
        "is scored"
    )


def _key(windows: pd.DataFrame, salt: str) -> pd.Series:
    """Give each window a number that depends on what it is called and on nothing else."""
    names = windows["patient"] + "/" + windows["record"] + windows["start"].map("/{:.3f}".format)
    return pd.Series(hashes(salt, names), windows.index)


def _rank(key: pd.Series, group: list) -> Int[np.ndarray, " window"]:
    """Number the windows of each group in the order of a key, from 0; without a key it is -1."""
    return key.groupby(group).rank(method="first").fillna(0).to_numpy(int) - 1
