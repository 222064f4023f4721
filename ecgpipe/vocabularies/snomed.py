"""The SNOMED CT codes of the PhysioNet Challenge 2021, and what other sources say by their names.

`snomed.csv` beside this file restates code, name and abbreviation of the Challenge's table, whether
it is scored, and the code that it counts as (`equivalent`). `snomed_sources.csv` says which code a
statement of PTB-XL (scp), a class of CPSC 2018 or of CODE, an AHA code of SPH or a phrase of LUDB
means, so that one vocabulary serves tasks over all of them; where none means the same, or it is
doubtful, there is none and a note. PTB-XL's statements follow the headers that the Challenge gave
it, where their counts agree.

Labels are the Challenge's abbreviations. `all`: every code its own. `merged`: equivalents are one,
and so are ventricular ectopics and premature contractions. `scored`: the 26 labels of the Challenge
after merging; `scored-unmerged`: its 30 codes. `ce-ssl-*`: the codes with more than 200 recordings
in a dataset, unmerged, after Zhou et al. (2024, arXiv 2406.14377).
"""

import csv
from functools import cache
from pathlib import Path

from ecgpipe.vocabularies import _answer

CE_SSL = {
    "ce-ssl-georgia": "AF IAVB IRBBB LAD LBBB LQRSV NSIVCB NSR PAC LQT QAb RBBB SA SB STach TAb "
    "TInv VPB",
    "ce-ssl-ptbxl": "AF CRBBB IAVB IRBBB LAD LAnFB LBBB NSIVCB NSR PAC PR LPR QAb RAD SA SB STach "
    "TAb TInv",  # LAD and RAD were told by the Challenge's headers alone
    "ce-ssl-ningbo": "AFL BBB CLBBB CRBBB IAVB IRBBB LAD LAnFB LQRSV NSIVCB NSR PAC PR PRWP PVC "
    "LQT QAb RAD SA SB STach TAb TInv",
    "ce-ssl-chapman": "AF AFL IAVB LAD LBBB LQRSV NSIVCB NSR PAC QAb RAD RBBB SB STach TAb VPB",
}
SELECTIONS = ("all", "merged", "scored", "scored-unmerged", *CE_SSL)


def mapping(selection: str | tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Map the codes of a selection to their labels; listed labels are those of `merged`."""
    label = _labels(selection)
    found = {code: {name} for code, name in label.items()}
    for row in sources():
        if row["snomed"] in label:
            found.setdefault(row["code"], set()).add(label[row["snomed"]])
    return {code: tuple(sorted(names)) for code, names in found.items()}


def _labels(selection: str | tuple[str, ...]) -> dict[str, str]:
    """Give the label of each SNOMED CT code of a selection."""
    own = {row["code"]: row["abbreviation"] for row in concepts()}
    merged = {row["code"]: own[row["equivalent"] or row["code"]] for row in concepts()}
    if not isinstance(selection, str):
        wanted = _answer.one_by_one(selection, sorted(set(merged.values())), "snomed")
        return {code: label for code, label in merged.items() if label in wanted}
    _answer.check(selection, SELECTIONS, "snomed")
    if selection in CE_SSL:
        chosen = CE_SSL[selection].split()
        return {code: label for code, label in own.items() if label in chosen}
    label = merged if selection in ("merged", "scored") else own
    every = selection in ("all", "merged")
    return {row["code"]: label[row["code"]] for row in concepts() if every or row["scored"]}


@cache
def concepts() -> tuple[dict[str, str], ...]:
    """Read the table of SNOMED CT codes."""
    return _read("snomed.csv")


@cache
def sources() -> tuple[dict[str, str], ...]:
    """Read the table of what other sources say; `snomed` is empty where no code means the same."""
    return _read("snomed_sources.csv")


def _read(name: str) -> tuple[dict[str, str], ...]:
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))
