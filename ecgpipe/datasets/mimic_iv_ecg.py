"""MIMIC-IV-ECG, 800,035 ten-second recordings with 12 leads of 161,352 patients (Gow et al. 2023).

For pretraining: the machine's reports are free text and make no statements here, and neither age
nor sex is in this module of MIMIC-IV. Headers name aVF before aVL. About one recording in 76 lacks
samples, so preparations of it say `missing_samples: leave_out`.
"""

import csv
from pathlib import Path

from ecgpipe import archives
from ecgpipe.records import Record, Signal
from ecgpipe.wfdb_records import read_record

TITLE = "MIMIC-IV-ECG: Diagnostic Electrocardiogram Matched Subset"
RELEASE = "1.0"
LICENCE = "ODbL 1.0"
CITATION = (
    "Gow B, Pollard T, Nathanson LA, Johnson A, Moody B, Fernandes C, Greenbaum N, Waks JW, Eslami "
    "P, Carbonati T, Chaudhari A, Herbst E, Moukheiber D, Berkowitz S, Mark R, Horng S. "
    "MIMIC-IV-ECG: Diagnostic Electrocardiogram Matched Subset (version 1.0). PhysioNet (2023), "
    "doi:10.13026/4nqg-sb35"
)
PATIENTS = "column subject_id of record_list.csv"
URL = "https://physionet.org/files/mimic-iv-ecg/1.0/"
MIRROR = "mimic-iv-ecg/1.0"
SIZE = 800_035
FOLDS = None
EXCLUDED: dict[str, str] = {}
SHARDS = 64
SOURCES = ("metadata", "signals")

TABLE = "record_list.csv"


def files(source: str, listing: list[str], records: list[str]) -> list[str]:
    """Pick the files of a source; a mirror may hold only some of the recordings."""
    if source == "metadata":
        return [TABLE, *({archives.RECORDS} & set(listing))]
    here = records or [name.removesuffix(".hea") for name in listing if name.endswith(".hea")]
    return [name + suffix for name in here for suffix in (".dat", ".hea")]


def records(folder: Path) -> list[Record]:
    """List the records of record_list.csv that this release, or this part of it, holds."""
    here = set(archives.own_records(folder))
    with (folder / TABLE).open(newline="", encoding="utf-8") as file:
        found = [
            Record(row["study_id"], row["subject_id"], Path(row["path"] + ".hea"))
            for row in csv.DictReader(file)
            if not here or row["path"] in here
        ]
    return sorted((each for each in found if each.id not in EXCLUDED), key=lambda each: each.id)


def read(folder: Path, record: Record, source: str) -> Signal:
    """Read a recording; its header names the leads."""
    return read_record(folder / record.path)
