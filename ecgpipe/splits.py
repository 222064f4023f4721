"""Who is in train, valid and test, and who is labeled.

Everything is decided by patient, and by hashes: neither the order of the records nor a library's
random generator plays a part.

A dataset without published folds gets ten: a patient's fold is a hash of its id and of nothing
else. Counting within strata, or letting the stratum into the hash, would balance rare labels
exactly, but both move patients when a record is added (a new record can change which label is a
patient's rarest, or which label is rarer). So strata are kept in expectation only: each label is
split 80:10:10 up to the chance of independent draws. Draws are remade with their table and can
afford strata by count.

Sources of a few dozen patients cannot: a tenth of twelve may be nobody. `va-rotation-0` to `-4`
deal patients with and without ventricular arrhythmias to five folds, by count. Adding a recording
may move others there, so these splits are for small, finished databases.
"""

import hashlib
import logging
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int, UInt64

from ecgpipe import registry, writing

log = logging.getLogger(__name__)

FOLDS = {"train": tuple(range(1, 9)), "valid": (9,), "test": (10,)}
ROTATIONS = tuple(f"rotation-{k}" for k in range(5))
DEALT = tuple(f"va-rotation-{k}" for k in range(5))  # 60:20:20, within the arrhythmias of `va`
REDRAWN = tuple(f"redrawn-{k}" for k in range(10))  # new test sets, as studies of other methods use
EXTERNAL = "external"  # every patient is test: of datasets that nothing is trained on


def split_patients(
    table: pd.DataFrame, folds: dict[str, tuple[int, ...]] | None, split: str
) -> pd.DataFrame:
    """Assign every patient of one dataset to train, valid or test; `folds` are the publisher's."""
    if split not in (known := ("standard", EXTERNAL, *ROTATIONS, *DEALT, *REDRAWN)):
        raise ValueError(f"no split {split!r}; there are: {', '.join(known)}")
    if split == EXTERNAL:
        return pd.DataFrame({"patient": np.sort(table["patient"].unique()), "part": "test"})
    if split == "standard" and folds is not None:
        return _published(table, folds)
    if split in DEALT:
        return _dealt(table, DEALT.index(split))
    parts = _rotated(ROTATIONS.index(split)) if split in ROTATIONS else FOLDS
    patients = np.sort(table["patient"].unique())
    salt = f"fold/{split}" if split in REDRAWN else "fold"
    fold = pd.Series((hashes(salt, patients) % np.uint64(10)).astype(int) + 1)
    return pd.DataFrame({"patient": patients, "part": fold.map(_part_of_fold(parts))})


def draw_labeled(
    table: pd.DataFrame,
    labels: tuple[str, ...],
    target: Bool[np.ndarray, "record label"],
    budget: str,
    *,
    seed: int,
) -> pd.DataFrame:
    """Choose the labeled records out of the train part, a prefix of one order of its patients.

    A larger budget of the same kind and seed holds the smaller one.
    """
    names, patient = np.unique(table["dataset"] + ":" + table["patient"], return_inverse=True)
    has = np.zeros((len(names), len(labels)), bool)
    row, label = np.nonzero(target)
    has[patient[row], label] = True
    order = _order(names, has, labels, seed)
    if shots := re.fullmatch(r"([1-9]\d*)-shot", budget):
        chosen = np.isin(patient, _first_of_each(order, has, labels, int(shots[1])))
    elif count := re.fullmatch(r"([1-9]\d*)-records", budget):
        chosen = _first_records(table, np.argsort(order)[patient], int(count[1]), seed)
    else:
        share = round(_share(budget) * len(names))
        chosen = np.isin(patient, order[: max(1, share)])
    drawn = table.loc[chosen, ["dataset", "record", "patient"]]
    log.info("%s: %d of %d records labeled", budget, len(drawn), len(table))
    return drawn.sort_values(["dataset", "record"], ignore_index=True)


def read_split(paths: dict[str, Path]) -> pd.DataFrame:
    """Read the parts of the patients of some datasets: dataset, patient, part."""
    return pd.concat(
        [
            pd.read_csv(path, dtype=str, keep_default_na=False).assign(dataset=dataset)
            for dataset, path in paths.items()
        ],
        ignore_index=True,
    )[["dataset", "patient", "part"]]


def with_parts(table: pd.DataFrame, split: pd.DataFrame) -> pd.DataFrame:
    """Add the column `part` to records; a patient without one is refused."""
    merged = table.merge(split, how="left", on=["dataset", "patient"])
    if (lost := merged["part"].isna()).any():
        named = sorted(set(merged.loc[lost, "dataset"] + ":" + merged.loc[lost, "patient"]))
        raise ValueError(
            f"{len(named)} patients have records but no part, among them {', '.join(named[:5])}; "
            "make the split again from the metadata that the records come from"
        )
    return merged


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table, whole."""
    with writing.whole(path) as part:
        frame.to_csv(part, index=False)


def _published(table: pd.DataFrame, folds: dict[str, tuple[int, ...]]) -> pd.DataFrame:
    """Follow the publisher's folds, after checking that they are folds of patients."""
    part = table["fold"].map(_part_of_fold(folds))
    if part.isna().any():
        named = table.loc[part.isna(), "record"].sort_values().tolist()
        raise ValueError(
            f"{len(named)} records are in none of the folds {folds}, among them {named[:5]}; "
            "see FOLDS in the dataset's file"
        )
    parts = table[["patient"]].assign(part=part).drop_duplicates()
    if (twice := parts["patient"].duplicated()).any():
        named = sorted(parts.loc[twice, "patient"])
        raise ValueError(f"the publisher's folds put patients in two parts: {named[:5]}")
    return parts.sort_values("patient", ignore_index=True)


def _rotated(k: int) -> dict[str, tuple[int, ...]]:
    """Test on folds 2k+1 and 2k+2, validate on the next one, train on the other seven."""
    turned = [1 + (2 * k + step) % 10 for step in range(10)]
    return {"test": tuple(turned[:2]), "valid": (turned[2],), "train": tuple(turned[3:])}


def _dealt(table: pd.DataFrame, k: int) -> pd.DataFrame:
    """Deal patients to five folds, those with and without ventricular arrhythmias evenly.

    Test on fold k, validate on the next one, train on the other three.
    """
    codes = set(registry.load("vocabularies", "ventricular").mapping("va"))
    arrhythmic = table["rhythms"].map(lambda rhythms: not codes.isdisjoint(rhythms))
    by_patient = arrhythmic.groupby(table["patient"]).any().sort_index()
    order = np.lexsort((hashes("deal", by_patient.index), ~by_patient))
    turn = np.empty(len(order), int)
    turn[order] = (np.arange(len(order)) - k) % 5
    part = np.array(["test", "valid", "train", "train", "train"])[turn]
    return pd.DataFrame({"patient": by_patient.index, "part": part})


def _part_of_fold(folds: dict[str, tuple[int, ...]]) -> dict[int, str]:
    return {fold: part for part, members in folds.items() for fold in members}


def hashes(salt: str, names: Iterable[str]) -> UInt64[np.ndarray, " name"]:
    """Hash names to 64 bits, the same on every machine."""
    joined = b"".join(
        hashlib.blake2b(f"{salt}/{name}".encode(), digest_size=8).digest() for name in names
    )
    return np.frombuffer(joined, "<u8").astype(np.uint64)


def _order(
    names: np.ndarray, has: Bool[np.ndarray, "patient label"], labels: tuple[str, ...], seed: int
) -> Int[np.ndarray, " patient"]:
    """Order patients so that every prefix holds its share of each stratum, give or take one.

    A patient's stratum is its rarest label. Stratum members take evenly spaced places between 0 and
    1, in an order by hash; the first place is random, so that no patient is likelier than another
    to be within a share, however small its stratum.
    """
    rarest_first = np.argsort(has.sum(axis=0), kind="stable")
    labeled = np.column_stack([has[:, rarest_first], np.ones(len(has), bool)])
    stratum = labeled.argmax(axis=1)  # the last one is of patients with none of the labels
    key = hashes(f"draw/{seed}", names)
    size = np.bincount(stratum, minlength=labeled.shape[1])
    grouped = np.lexsort((key, stratum))
    rank = np.empty(len(names), int)
    rank[grouped] = np.arange(len(names)) - (np.cumsum(size) - size)[stratum[grouped]]
    strata = [*(labels[label] for label in rarest_first), ""]
    first = hashes(f"stratum/{seed}", strata) / 2.0**64
    return np.lexsort((key, (rank + first[stratum]) / size[stratum]))


def _first_of_each(
    order: Int[np.ndarray, " patient"],
    has: Bool[np.ndarray, "patient label"],
    labels: tuple[str, ...],
    shots: int,
) -> Int[np.ndarray, " chosen"]:
    """Take the first patients with each label; all there are, logged, where there are fewer."""
    for name, count in zip(labels, has.sum(axis=0), strict=True):
        if count < shots:
            log.info("%s: %d patients, all taken for %d shots", name, count, shots)
    ordered = has[order]
    return order[(ordered & (ordered.cumsum(axis=0) <= shots)).any(axis=1)]


def _first_records(
    table: pd.DataFrame, place: Int[np.ndarray, " record"], count: int, seed: int
) -> Bool[np.ndarray, " record"]:
    """Take records patient by patient until there are enough; the last patient may be cut."""
    if len(table) < count:
        log.info("%d records, all taken for %d", len(table), count)
    key = hashes(f"record/{seed}", table["dataset"] + ":" + table["record"])
    chosen = np.zeros(len(table), bool)
    chosen[np.lexsort((key, place))[:count]] = True
    return chosen


def _share(budget: str) -> float:
    """Read a share of the patients, such as 0.05."""
    if not re.fullmatch(r"0\.\d*[1-9]\d*|1\.0", budget):
        raise ValueError(
            f"budget {budget!r}; expected a share of the patients such as 0.05 or 1.0, "
            "labeled patients per label such as 10-shot, or a number of records such as 500-records"
        )
    return float(budget)
