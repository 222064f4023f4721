"""Long recordings, made here: two leads for ten minutes, ventricular arrhythmia in half of them.

Every patient has a look of ordinary and of ventricular beats, rates and habits of his or her own,
so that a few windows of a patient tell much about the rest. Beats, rhythms and unreadable
stretches are annotated as in the MIT-BIH databases.
"""

import csv
import io
from pathlib import Path

import numpy as np
from jaxtyping import Int

from ecgpipe.datasets import _ambulatory
from ecgpipe.datasets._ambulatory_annotations import write_annotations
from ecgpipe.datasets._ambulatory_looks import LEADS
from ecgpipe.datasets._ambulatory_patients import Patient, draw_patients
from ecgpipe.datasets._ambulatory_recording import record_patient
from ecgpipe.records import Record, Signal
from ecgpipe.wfdb_records import read_record, write_record
from ecgpipe.writing import write_text

TITLE = "Synthetic ambulatory recordings of ecgpipe"
RELEASE = "1"
LICENCE = "MIT"
CITATION = "Made by ecgpipe from Gaussian waves of a cardiac dipole (after McSharry et al. 2003)."
PATIENTS = "column patient of records.csv"
URL = None
MIRROR = "synthetic_ambulatory/1"
FOLDS = {"train": (1, 2, 3, 4, 5), "valid": (6, 7), "test": (8, 9, 10)}  # balanced by arrhythmia
EXCLUDED: dict[str, str] = {}
SHARDS = 4
SOURCES = ("metadata", "signals")

COHORT = 80  # patients, of one recording each
SEED = 20240301
FS = 250.0  # Hz
TABLE = "records.csv"


def make(folder: Path) -> None:
    """Write all recordings; the same bytes every time."""
    write_cohort(folder, COHORT, seed=SEED)


def write_cohort(folder: Path, patients: int, *, seed: int) -> None:
    """Write signals and annotations as WFDB, records.csv and, last, RECORDS."""
    folder.mkdir(parents=True, exist_ok=True)
    cohort = draw_patients(patients, seed=seed)
    names = [f"{number:03d}" for number in range(1, patients + 1)]
    for number, (name, patient) in enumerate(zip(names, cohort, strict=True)):
        drawn = record_patient(patient, fs=FS, seed=seed, number=number)
        write_record(folder, name, Signal(FS, LEADS, drawn.millivolts))
        write_annotations(folder / f"{name}.atr", drawn.sample, drawn.symbol, drawn.aux)
    write_text(folder / TABLE, _describe(names, cohort))
    write_text(folder / "RECORDS", "".join(f"{name}\n" for name in names))


def balance_folds(cohort: list[Patient]) -> Int[np.ndarray, " patient"]:
    """Spread the patients over ten folds, evenly within each worst arrhythmia."""
    order = np.argsort([patient.worst for patient in cohort], kind="stable")
    folds = np.empty(len(cohort), int)
    folds[order] = np.arange(len(cohort)) % 10 + 1
    return folds


def _describe(names: list[str], cohort: list[Patient]) -> str:
    """Write the table of records."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["record", "patient", "age", "sex", "fold"])
    for name, patient, fold in zip(names, cohort, balance_folds(cohort).tolist(), strict=True):
        sex = "male" if patient.male else "female"
        writer.writerow([name, f"a{name}", f"{patient.age:.0f}", sex, fold])
    return text.getvalue()


def files(source: str, listing: list[str], records: list[str]) -> list[str]:
    """Pick the files of a source."""
    extra = [TABLE] if source == "metadata" else []
    return _ambulatory.files(source, records) + extra


def records(folder: Path) -> list[Record]:
    """Describe every recording, with what is annotated of it."""
    text = (folder / TABLE).read_text(encoding="utf-8")
    return [
        Record(
            id=row["record"],
            patient=row["patient"],
            path=Path(f"{row['record']}.hea"),
            age=float(row["age"]),
            sex=row["sex"],
            fold=int(row["fold"]),
            **_ambulatory.annotated(folder / f"{row['record']}.hea"),
        )
        for row in csv.DictReader(io.StringIO(text))
    ]


def read(folder: Path, record: Record, source: str) -> Signal:
    """Read both leads of a recording."""
    return read_record(folder / record.path)
