"""Data cards: what a dataset holds, in numbers, from its shards and what preprocess told of them.

What a card tells follows Datasheets for Datasets (Gebru et al. 2021): where the recordings come
from, who is in them, how they are labeled, how good they are, and what was left out and why.
"""

import json
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from ecgpipe import records, registry

KINDS = ("flat", "saturated", "drifting", "noisy")  # of `quality`, in the order they are shown
DECADES = (*range(0, 100, 10), np.inf)  # years


def describe(
    dataset: str, shards: list[Path], reports: list[Path], manifests: list[Path]
) -> dict[str, Any]:
    """Put together everything that a card tells; counts are of what is in the shards."""
    plugin = registry.load("datasets", dataset)
    told = [_read_report(path) for path in reports]
    table = records.read_table(shards)
    table = table.sort_values(["record", "start"], ignore_index=True)
    once = table.drop_duplicates("record")
    preparation = json.loads(records.read_attributes(shards[0])["preparation"])
    return {
        "dataset": dataset,
        "preparation": {"name": told[0]["preparation"]} | preparation,
        "release": _release(plugin, told, manifests),
        "sources": records.read_sources(shards)[dataset],
        "counts": _counts(table, once, preparation, told),
        "recorded": _recorded(told),
        "patients": _patients(once),
        "split": _split(once, plugin),
        "labels": _labels(table, once, told),
        "quality": _quality(told),
        "left out": _left_out(told),
        "identical": _identical(once),
    }


def _read_report(path: Path) -> dict[str, Any]:
    told = json.loads(path.read_text())
    if "pieces" not in told:
        raise ValueError(f"{path} tells nothing of quality; remove it, and preprocess writes it")
    return told


def _release(plugin: ModuleType, told: list[dict], manifests: list[Path]) -> dict[str, Any]:
    """Say where the recordings come from, and how many of the release are here."""
    names = ("TITLE", "RELEASE", "LICENCE", "CITATION", "URL")
    files = pd.concat([pd.read_csv(path) for path in manifests]).drop_duplicates("file")
    here = told[0]["release"]  # of the whole dataset, the same in each shard
    return {name.lower(): getattr(plugin, name) for name in names} | {
        "size": plugin.SIZE if plugin.URL else None,
        "here": here["records"],
        "not here": here["not in this part of the release"],
        "excluded": here["excluded"],
        "unlisted": told[0].get("unlisted", []),
        "files": len(files),
        "bytes": int(files["bytes"].sum()),
        "patients": plugin.PATIENTS,
    }


def _counts(
    table: pd.DataFrame, once: pd.DataFrame, preparation: dict, told: list[dict]
) -> dict[str, Any]:
    """Count records, patients, rows and hours."""
    window = preparation["window"]
    gaps = table.groupby("record")["start"].diff(-1).abs().fillna(np.inf)  # to the next window
    return {
        "records": len(once),
        "patients": once["patient"].nunique(),
        "rows": len(table),
        "hours recorded": round(sum(each["seconds"] for each in told) / 3600, 4),
        "hours in windows": round(gaps.clip(upper=window).sum() / 3600, 4) if window else None,
    }


def _recorded(told: list[dict]) -> dict[str, Any]:
    """Give how many recordings have each sampling frequency (Hz) and each length (seconds)."""
    return {name: _by_number(_added(told, name)) for name in ("fs", "lengths")}


def _patients(once: pd.DataFrame) -> dict[str, Any]:
    """Count records by age, sex, site and device, and patients by how many records they have."""
    age = once["age"].dropna()
    quartiles = age.quantile([0, 0.25, 0.5, 0.75, 1]).tolist() if len(age) else []
    decades = np.histogram(age, DECADES)[0].tolist()
    return {
        "age": {
            "unknown": int(once["age"].isna().sum()),
            "quartiles": [round(value, 1) for value in quartiles],
            "decades": dict(zip(map(str, DECADES[:-1]), decades, strict=True)),
        },
        "sex": _tally(once["sex"]),
        "site": _tally(once["site"]),
        "device": _tally(once["device"]),
        "records of a patient": _by_number(_tally(once.groupby("patient").size().astype(str))),
    }


def _split(once: pd.DataFrame, plugin: ModuleType) -> dict[str, dict] | None:
    """Count the publisher's parts, if there are any."""
    if plugin.FOLDS is None:
        return None
    parts = {part: once[once["fold"].isin(folds)] for part, folds in plugin.FOLDS.items()}
    return {
        part: {
            "folds": list(plugin.FOLDS[part]),
            "records": len(of),
            "patients": of["patient"].nunique(),
        }
        for part, of in parts.items()
    }


def _labels(table: pd.DataFrame, once: pd.DataFrame, told: list[dict]) -> dict[str, list[dict]]:
    """Count statements, rhythms and beats, the most frequent first."""
    hours = {code: seconds / 3600 for code, seconds in _added(told, "rhythms").items()}
    beats = _added(told, "beats")
    found = {
        "statements": _carried(once, "statements", ()),
        "rhythms": _carried(table, "rhythms", hours),
        "beats": _carried(table, "beats", beats),
    }
    for line in found["rhythms"]:
        line["hours"] = round(hours[line["code"]], 4)
    for line in found["beats"]:
        line["count"] = beats[line["code"]]
    return {
        kind: sorted(lines, key=lambda line: (-list(line.values())[-1], line["code"]))
        for kind, lines in found.items()
    }


def _carried(table: pd.DataFrame, column: str, known: Any) -> list[dict[str, Any]]:
    """Count the records and patients of every code; `known` ones may be in no row."""
    lines = zip(table["record"], table["patient"], table[column], strict=True)
    pairs = [(code, record, patient) for record, patient, codes in lines for code in codes]
    frame = pd.DataFrame(pairs, columns=["code", "record", "patient"])
    counts = frame.groupby("code").nunique()
    counts = counts.reindex(sorted({*counts.index, *known}), fill_value=0)
    words = meanings(set(counts.index))
    return [
        {"code": code, "meaning": words.get(code, ""), "patients": patients, "records": found}
        for code, found, patients in counts.itertuples()
    ]


def meanings(codes: set[str]) -> dict[str, str]:
    """Say what codes mean, in the words of the vocabulary whose table knows most of them."""
    folder = registry.ROOT / "vocabularies"
    paths = [folder / f"{name}.csv" for name in registry.names("vocabularies")]
    tables = [_described(path) for path in paths if path.exists()]
    return max(tables, key=lambda table: len(codes & table.keys()))


def _described(path: Path) -> dict[str, str]:
    """Read a vocabulary's table: codes stand in its first column."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    words = "description" if "description" in table else "name"
    return dict(zip(table.iloc[:, 0], table[words], strict=True))


def _quality(told: list[dict]) -> dict[str, Any]:
    """Count pieces of each lead, and records of which a lead is of poor quality somewhere."""
    kinds = ("judged", *KINDS)
    pieces = {kind: _added([each["pieces"] for each in told], kind) for kind in kinds}
    return {
        "leads": {
            lead: {kind: pieces[kind].get(lead, 0) for kind in kinds} for lead in pieces["judged"]
        },
        "records": {kind: sum(len(each[kind]) for each in told) for kind in KINDS},
    }


def _left_out(told: list[dict]) -> dict[str, dict[str, Any]]:
    """Count the records concerned, and their seconds."""
    kinds = ("cropped", "padded", "missing", "unreadable")
    found = {kind: [value for each in told for value in each[kind].values()] for kind in kinds}
    return {
        kind: {"records": len(values), "seconds": round(sum(values), 2)}
        for kind, values in found.items()
    } | {"empty": {"records": sum(len(each["empty"]) for each in told)}}


def _identical(once: pd.DataFrame) -> list[list[str]]:
    """Group the records whose recordings agree in every sample."""
    several = once[once["digest"].duplicated(keep=False)]
    return sorted(sorted(group) for _, group in several.groupby("digest")["record"])


def _added(told: list[dict], name: str) -> dict[str, Any]:
    """Add the counts that several shards give."""
    total: Counter[str] = Counter()
    for each in told:
        total.update(each.get(name, {}))
    return dict(total)


def _tally(values: pd.Series) -> dict[str, int]:
    """Count every value, the most frequent first, and those unknown."""
    counts = values.value_counts().to_dict()
    unknown = int(values.isna().sum())
    return {str(value): int(count) for value, count in counts.items()} | (
        {"unknown": unknown} if unknown else {}
    )


def _by_number(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: float(pair[0])))
