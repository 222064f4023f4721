"""Your own recordings: WFDB files and `labels.csv` in resources/wfdb_folder.

Put the recordings there, or link the folders that hold them. Columns of labels.csv: `record` (path
of the header without .hea), `patient`, `labels` (codes, separated by ;) and, where known, `age` in
years, `sex` (female, male), `fold`, `site`, `device`. What labels.csv does not list is left out,
and named in the report of each shard. A file named as in the PhysioNet Challenge (HR00001, E00001,
JS00001, A0001, Q0001, S0001, I0001) is taken for that recording: give another one another name.
"""

import csv
import io
import re
from collections import Counter
from pathlib import Path, PurePosixPath

from ecgpipe.records import Record, Signal
from ecgpipe.wfdb_records import read_record

TITLE = "The user's own recordings"
RELEASE = "as found in resources/wfdb_folder"
LICENCE = "the user's own"
CITATION = "none"
PATIENTS = "column patient of labels.csv"
URL = None
SIZE = 0  # unknown
MIRROR = "wfdb_folder"
FOLDS = None  # the column fold is for `where` in a task; the split is by a hash of the patient
EXCLUDED: dict[str, str] = {}
SHARDS = 8
SOURCES = ("metadata", "signals")

TABLE = "labels.csv"
REQUIRED = ("record", "patient", "labels")
SUFFIXES = (".hea", ".dat", ".mat")
UNKNOWN = ("", "na", "n/a", "nan", "none", "unknown")
SEX = {"female": "female", "f": "female", "male": "male", "m": "male"}
CHALLENGE = re.compile(r"(HR|E|JS)\d{5}|[AQSI]\d{4}")  # names of the Challenges 2020 and 2021
STATED = 100.0  # likelihood of a label, in percent


def files(source: str, listing: list[str], records: list[str]) -> list[str]:
    """Pick the files of a source."""
    if source == "metadata":
        return [TABLE]
    return [name for name in listing if name.endswith(SUFFIXES)]


def records(folder: Path) -> list[Record]:
    """List the records of labels.csv."""
    path = folder / TABLE
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; expected columns {', '.join(REQUIRED)}")
    with io.StringIO(_decoded(path), newline="") as file:
        reader = csv.DictReader(file, restval="")
        if absent := [name for name in REQUIRED if name not in (reader.fieldnames or ())]:
            raise ValueError(
                f"{path}: no column {', '.join(absent)}; there are: {reader.fieldnames}"
            )
        found = [_record(row, f"{path}, line {reader.line_num}") for row in reader]
    counts = Counter(record.id for record in found)
    if twice := sorted(name for name, count in counts.items() if count > 1):
        raise ValueError(f"{path}: records listed twice: {', '.join(twice[:5])}")
    if lost := [each.path.as_posix() for each in found if not (folder / each.path).exists()]:
        raise FileNotFoundError(
            f"{path} lists {len(lost)} records whose headers are not in {folder}, among them "
            f"{', '.join(lost[:5])}; `record` is a header's path below the folder, without .hea"
        )
    return sorted(found, key=lambda record: record.id)


def read(folder: Path, record: Record, source: str) -> Signal:
    """Read a recording; it has one sampling frequency, whatever source is asked for."""
    return read_record(folder / record.path)


def _decoded(path: Path) -> str:
    """Read a table as spreadsheets write it: UTF-8, with or without a mark at its start."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: expected UTF-8, found at byte {error.start} what is not"
        ) from None


def _record(row: dict[str, str], where: str) -> Record:
    """Turn a line of labels.csv into a record."""
    row = {name: (value or "").strip() for name, value in row.items() if isinstance(name, str)}
    name, sex = _without_suffix(row["record"]), row.get("sex", "").lower()
    pure = PurePosixPath(name)
    if not name or pure.is_absolute() or ".." in pure.parts:
        raise ValueError(f"{where}: record {name!r}; expected a path below the folder")
    if not row["patient"]:
        raise ValueError(f"{where}: no patient; without one the parts of a split would mix")
    if sex not in SEX and sex not in UNKNOWN:
        raise ValueError(f"{where}: sex {sex!r}; expected female, male or nothing")
    return Record(
        id=name,
        patient=row["patient"],
        path=Path(name + ".hea"),
        statements={code.strip(): STATED for code in row["labels"].split(";") if code.strip()},
        age=_number(row, "age", where),
        sex=SEX.get(sex),
        fold=_whole(row, "fold", where),
        site=row.get("site") or None,
        device=row.get("device") or None,
        aliases=(f"challenge:{pure.name}",) if CHALLENGE.fullmatch(pure.name) else (),
    )


def _without_suffix(name: str) -> str:
    """Name a record whose header or signal file was named."""
    return next((name.removesuffix(s) for s in SUFFIXES if name.endswith(s)), name)


def _number(row: dict[str, str], column: str, where: str) -> float | None:
    """Read a number, if there is one."""
    text = row.get(column, "")
    if text.lower() in UNKNOWN:
        return None
    if not text.replace(".", "", 1).isdecimal():
        raise ValueError(f"{where}: {column} {text!r}; expected a number or nothing")
    return float(text)


def _whole(row: dict[str, str], column: str, where: str) -> int | None:
    """Read a whole number, if there is one."""
    number = _number(row, column, where)
    if number is not None and number != int(number):
        raise ValueError(f"{where}: {column} {number}; expected a whole number or nothing")
    return None if number is None else int(number)
