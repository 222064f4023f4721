"""PTB-XL, 21,799 ten-second recordings with 12 leads of 18,869 patients (Wagner et al. 2020).

Every statement is kept, whatever its likelihood: the publisher writes 0 where it is not known,
which does not make the statement doubtful. Nothing is left out.
"""

import ast
import csv
from pathlib import Path

from ecgpipe.records import Record, Signal
from ecgpipe.wfdb_records import read_record

TITLE = "PTB-XL, a large publicly available electrocardiography dataset"
RELEASE = "1.0.3"
LICENCE = "CC BY 4.0"
CITATION = (
    "Wagner P, Strodthoff N, Bousseljot R-D, Kreiseler D, Lunze FI, Samek W, Schaeffter T. "
    "PTB-XL, a large publicly available electrocardiography dataset. Sci Data 7:154 (2020), "
    "doi:10.1038/s41597-020-0495-6; PhysioNet, doi:10.13026/kfzx-aw45"
)
PATIENTS = "column patient_id of ptbxl_database.csv"
URL = "https://physionet.org/files/ptb-xl/1.0.3/"
MIRROR = "ptb-xl/1.0.3"
SIZE = 21_799
FOLDS = {"train": tuple(range(1, 9)), "valid": (9,), "test": (10,)}
EXCLUDED: dict[str, str] = {}
SHARDS = 8
SOURCES = ("metadata", "100hz", "500hz")

TABLE = "ptbxl_database.csv"
METADATA = ("LICENSE.txt", "RECORDS", TABLE, "scp_statements.csv")
COLUMNS = {"100hz": "filename_lr", "500hz": "filename_hr"}
FOLDERS = {"100hz": "records100/", "500hz": "records500/"}
SEX = {"0": "male", "1": "female"}  # as the publisher documents them; men are 12 cm taller here
OLD = 300.0  # stands for every age above 89, which the publisher does not tell


def files(source: str, listing: list[str], records: list[str]) -> list[str]:
    """Pick the files of a source; a mirror's RECORDS may list only some of the recordings."""
    if source == "metadata":
        return list(METADATA)
    here = [name for name in records if name.startswith(FOLDERS[source])]
    return [name + suffix for name in here for suffix in (".dat", ".hea")]


def records(folder: Path) -> list[Record]:
    """List the records whose signals this release, or this part of it, holds."""
    here = set((folder / "RECORDS").read_text().split())
    with (folder / TABLE).open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if here & {row[c] for c in COLUMNS.values()}]
    found = (_record(row) for row in rows)
    return sorted((each for each in found if each.id not in EXCLUDED), key=lambda each: each.id)


def read(folder: Path, record: Record, source: str) -> Signal:
    """Read a recording at one of its two sampling frequencies."""
    name = record.path.as_posix()
    if source == "500hz":
        name = name.replace(FOLDERS["100hz"], FOLDERS[source]).replace("_lr.", "_hr.")
    return read_record(folder / name)


def _record(row: dict[str, str]) -> Record:
    """Turn a line of the table into a record."""
    number = int(row["ecg_id"])
    age = float(row["age"]) if row["age"] else None
    return Record(
        id=f"{number:05d}",
        patient=_whole(row["patient_id"]),
        path=Path(row["filename_lr"] + ".hea"),
        statements={k: float(v) for k, v in ast.literal_eval(row["scp_codes"]).items()},
        age=90.0 if age == OLD else age,
        sex=SEX.get(row["sex"]),
        fold=int(row["strat_fold"]),
        site=_whole(row["site"]) if row["site"] else None,
        device=row["device"].strip() or None,
        aliases=(
            f"challenge:HR{number:05d}",
        ),  # its name in the PhysioNet Challenges 2020 and 2021
    )


def _whole(text: str) -> str:
    """Write the whole numbers that the table writes as `15709.0`."""
    return text.removesuffix(".0")
