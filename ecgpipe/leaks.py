"""What crosses the parts of a split: patients, signals, copies, one recording under two names."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ecgpipe.splits import with_parts


def find(
    table: pd.DataFrame, copies: Mapping[str, str], splits: dict[str, pd.DataFrame]
) -> pd.DataFrame:
    """Find what crosses the parts of any split, over all datasets together; one line a finding.

    `patient`: one patient in two parts. `signal`: byte-identical signals in two parts, or under
    two patients of one dataset, whose patient ids cannot be trusted then. `copy`: near-identical
    signals in two parts, as `fingerprints.copies` groups them. `alias`: one recording in two parts
    under the names of two releases. `duplicate`: identical or near-identical signals inside one
    part; they are counted and fail nothing.
    """
    columns = ["dataset", "record", "patient", "digest", "aliases"]
    rows = table[columns].drop_duplicates(["dataset", "record", "digest"])  # one for all windows
    rows = rows.assign(
        name=rows["dataset"] + ":" + rows["record"], owner=rows["dataset"] + ":" + rows["patient"]
    )
    rows["copied"] = rows["name"].map(copies)
    found = []
    for split, parts in splits.items():
        read = rows[rows["dataset"].isin(parts["dataset"])]  # not every dataset has every split
        found.append(_leaks_of(with_parts(read, parts)).assign(split=split))
    return pd.concat(found, ignore_index=True)[
        ["split", "kind", "records", "patients", "parts", "fails"]
    ]


def _leaks_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Find the leaks of one split."""
    patient = _shared(rows, "owner", "part").assign(kind="patient", fails=True)
    signal = _shared(rows, "digest", "name")
    signal["fails"] = _crosses(signal) | signal["doubted"]
    signal["kind"] = np.where(signal["fails"], "signal", "duplicate")
    copy = _shared(rows, "copied", "digest")
    copy["fails"] = _crosses(copy)
    copy["kind"] = np.where(copy["fails"], "copy", "duplicate")
    names = rows["name"].map(lambda name: (name,)) + rows["aliases"].map(tuple)
    alias = _shared(rows.assign(known_as=names).explode("known_as"), "known_as", "name")
    alias = alias[_crosses(alias)].assign(kind="alias", fails=True)
    return pd.concat([patient, signal, copy, alias], ignore_index=True)


def _shared(rows: pd.DataFrame, by: str, unlike: str) -> pd.DataFrame:
    """Gather rows that agree in one column and differ in another: a line each group."""
    several = rows.groupby(by)[unlike].transform("nunique") > 1
    lines = [
        {
            "records": _joined(group["name"]),
            "patients": _joined(group["owner"]),
            "parts": _joined(group["part"]),
            "doubted": group["owner"].nunique() > group["dataset"].nunique(),
        }
        for _, group in rows[several].groupby(by)
    ]
    columns = ["records", "patients", "parts", "doubted"]
    return pd.DataFrame(lines, columns=columns).astype({"doubted": bool, "parts": str})


def _crosses(found: pd.DataFrame) -> pd.Series:
    """Tell which findings are in two parts."""
    return found["parts"].str.contains(" ")


def _joined(values: pd.Series) -> str:
    return " ".join(sorted(set(values)))
