"""A synthetic cohort, made here: twelve leads, fourteen labels, noise, the true wave boundaries.

Patients keep their traits over one to four records. A dipole in space is drawn beat by beat and
seen through Dower's leads; labels follow from what was drawn, so that none is wrong, though many
are borderline.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int

from ecgpipe.datasets._cohort import Cohort, draw_cohort, record_cohort
from ecgpipe.records import Record, Signal, Wave
from ecgpipe.wfdb_records import LEADS, read_record, write_record
from ecgpipe.writing import write_text

TITLE = "Synthetic cohort of ecgpipe"
RELEASE = "1"
LICENCE = "MIT"
CITATION = "Made by ecgpipe from Gaussian waves of a cardiac dipole (after McSharry et al. 2003)."
PATIENTS = "column patient of records.csv"
URL = None
MIRROR = "synthetic/1"
FOLDS = {"train": (1, 2, 3, 4, 5, 6), "valid": (7, 8), "test": (9, 10)}  # balanced by label
EXCLUDED: dict[str, str] = {}
SHARDS = 4
SOURCES = ("metadata", "100hz")
WAVES = True  # as they were drawn

COHORT = 1600  # patients
SEED = 20240229
SITES = ("north", "south")  # two hospitals: one to pretrain on, one to adapt to
FS = 100.0  # Hz
SIGNALS = "100hz"  # folder of the signals
CERTAIN = 100.0  # likelihood of a statement, in percent


def make(folder: Path) -> None:
    """Write the whole cohort; the same bytes every time."""
    write_cohort(folder, COHORT, seed=SEED)


def write_cohort(folder: Path, patients: int, *, seed: int) -> None:
    """Write signals as WFDB, records.csv, waves.csv and, last, RECORDS."""
    cohort = draw_cohort(patients, seed=seed)
    names = [f"{number:05d}" for number in range(1, len(cohort.labels) + 1)]
    (folder / SIGNALS).mkdir(parents=True, exist_ok=True)
    for name, signal in zip(names, record_cohort(cohort, fs=FS, seed=seed), strict=True):
        write_record(folder / SIGNALS, name, Signal(FS, LEADS, signal))
    _write_csv(folder / "records.csv", _records_table(cohort, names))
    waves = cohort.waves.assign(record=np.array(names)[cohort.waves["row"]])
    _write_csv(folder / "waves.csv", waves[["record", "kind", "onset", "peak", "offset"]].round(3))
    write_text(folder / "RECORDS", "".join(f"{SIGNALS}/{name}\n" for name in names))


def _records_table(cohort: Cohort, names: list[str]) -> pd.DataFrame:
    visits = cohort.visits
    codes = cohort.labels.columns.to_numpy()
    return pd.DataFrame(
        {
            "record": names,
            "patient": [f"p{number:04d}" for number in visits.patient + 1],
            "age": visits.age.astype(int),
            "site": np.array(SITES)[visits.patient % 2],
            "fold": balance_folds(cohort)[visits.patient],
            "sex": np.where(cohort.traits.male[visits.patient], "male", "female"),
            "statements": [" ".join(codes[row]) for row in cohort.labels.to_numpy(bool)],
        }
    )


def balance_folds(cohort: Cohort) -> Int[np.ndarray, " patient"]:
    """Spread the patients of each site over ten folds, evenly within the rarest label of each."""
    labels = cohort.labels.groupby(cohort.visits.patient).max().to_numpy(bool)
    common = np.append(labels.sum(axis=0), len(labels) + 1)  # last: no label at all
    padded = np.column_stack([labels, ~labels.any(axis=1)])
    rarest = np.where(padded, common, len(labels) + 2).argmin(axis=1)
    site = np.arange(len(labels)) % 2
    order = np.lexsort((rarest, site))
    folds = np.empty(len(labels), int)
    folds[order] = np.arange(len(labels)) % 10 + 1
    return folds


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def files(source: str, listing: list[str], records: list[str]) -> list[str]:
    """Name the files of a source."""
    if source == "metadata":
        return ["RECORDS", "records.csv", "waves.csv"]
    return [f"{record}.{suffix}" for record in records for suffix in ("hea", "dat")]


def records(folder: Path) -> list[Record]:
    """Describe every record, with its true waves."""
    waves = _read_waves(folder / "waves.csv")
    table = pd.read_csv(folder / "records.csv", dtype=str, keep_default_na=False)
    return [
        Record(
            id=row.record,
            patient=row.patient,
            path=Path(SIGNALS, f"{row.record}.hea"),
            statements=dict.fromkeys(row.statements.split(), CERTAIN),
            age=float(row.age),
            sex=row.sex,
            fold=int(row.fold),
            site=row.site,
            waves=tuple(waves[row.record]),
        )
        for row in table.itertuples()
    ]


def _read_waves(path: Path) -> dict[str, list[Wave]]:
    table = pd.read_csv(path, dtype={"record": str, "kind": str})
    waves: dict[str, list[Wave]] = defaultdict(list)
    for row in table.itertuples():
        waves[row.record].append(Wave(row.kind, row.onset, row.peak, row.offset))
    return waves


def read(folder: Path, record: Record, source: str) -> Signal:
    """Read the signal of a record."""
    return read_record(folder / record.path)
