"""The test release of CODE, 827 recordings with 12 leads of 827 patients (Ribeiro et al. 2020).

The statements are the gold standard of three cardiologists. Nothing has an identifier: line `i` of
every table is tracing `i`, which makes the place of a recording its id and its patient's. No
recording is called normal, and none of CODE-15% is known to be among them.

The augmented leads come as aVL, aVF, aVR here, unlike in CODE-15%. As there, amplitudes are taken
as millivolts, and the zeros on both sides of shorter recordings are cut off.
"""

import csv
from pathlib import Path

from ecgpipe import hdf5
from ecgpipe.datasets._padding import without_padding
from ecgpipe.records import Record, Signal

TITLE = "Annotated 12 lead ECG dataset (test set of CODE)"
RELEASE = "1.0.3"
LICENCE = "CC BY 4.0"
CITATION = (
    "Ribeiro AH, Ribeiro MH, Paixao GMM, Oliveira DM, Gomes PR, Canazart JA, Ferreira MPS, "
    "Andersson CR, Macfarlane PW, Meira Jr W, Schon TB, Ribeiro ALP. Automatic diagnosis of the "
    "12-lead ECG using a deep neural network. Nat Commun 11:1760 (2020), "
    "doi:10.1038/s41467-020-15432-4; Zenodo, doi:10.5281/zenodo.3765780"
)
PATIENTS = "every recording is another patient's, as the publisher says; no identifiers"
URL = "https://zenodo.org/records/3765780/"
MIRROR = "zenodo/3765780"
SIZE = 827
FOLDS = None  # all of it is a test set: tasks on it say `external: true`
EXCLUDED: dict[str, str] = {}
SHARDS = 1
SOURCES = ("metadata", "signals")

ARCHIVE = "data.zip"
ATTRIBUTES, GOLD = "data/attributes.csv", "data/annotations/gold_standard.csv"
TRACINGS = "data/ecg_tracings.hdf5"
STATED = 100.0  # likelihood of a statement, in percent
SEX = {"M": "male", "F": "female"}
FS = 400.0  # Hz
LEADS = ("I", "II", "III", "aVL", "aVF", "aVR", "V1", "V2", "V3", "V4", "V5", "V6")
REMEDY = "remove it and fetch it again"


def files(source: str, listing: list[str], records: list[str]) -> list[str]:
    """Pick the files of a source."""
    names = (ATTRIBUTES, GOLD) if source == "metadata" else (TRACINGS,)
    return [f"{ARCHIVE}!{name}" for name in names]


def records(folder: Path) -> list[Record]:
    """List the records; the tables must be of one length, for nothing else joins them."""
    attributes, gold = _rows(folder / ATTRIBUTES), _rows(folder / GOLD)
    if len(attributes) != len(gold):
        raise ValueError(
            f"{folder}: {len(attributes)} lines in {ATTRIBUTES}, {len(gold)} in {GOLD}; expected "
            "one a tracing in both"
        )
    pairs = enumerate(zip(attributes, gold, strict=True))
    found = (_record(f"{place:03d}", person, stated) for place, (person, stated) in pairs)
    return [each for each in found if each.id not in EXCLUDED]


def read(folder: Path, record: Record, source: str) -> Signal:
    """Read a recording without its padding."""
    with hdf5.opened(folder / record.path, REMEDY) as file:
        return Signal(FS, LEADS, without_padding(file["tracings"][int(record.id)]))


def _rows(path: Path) -> list[dict[str, str]]:
    """Read a table."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _record(name: str, person: dict[str, str], stated: dict[str, str]) -> Record:
    """Turn a line of both tables into a record."""
    return Record(
        id=name,
        patient=name,
        path=Path(TRACINGS),
        statements={code: STATED for code, value in stated.items() if float(value)},
        age=float(person["age"]) if person["age"] else None,
        sex=SEX.get(person["sex"]),
    )
