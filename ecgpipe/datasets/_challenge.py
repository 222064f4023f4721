"""What the sources of the PhysioNet Challenge 2021 share: one release, one layout, one header.

A header's comments tell age, sex and, as `#Dx: 426783006,59118001` or `# Dx: ...`, the diagnoses:
SNOMED CT codes, but in most headers of CPSC 2018 the names of its classes. No patient ids ship, so
each recording is taken for a patient of its own. Recordings of equal samples (92 groups in Georgia,
250 in CPSC 2018) are one patient's: their headers tell the same first sample and the same checksum
of every lead, so that no signal has to be read to know them.
"""

from collections.abc import Container, Iterator
from dataclasses import replace
from pathlib import Path

from ecgpipe.records import Record

RELEASE = "1.0.3 of the PhysioNet/Computing in Cardiology Challenge 2021"
LICENCE = "CC BY 4.0"
CITATION = (
    "Reyna MA, Sadr N, Perez Alday EA, Gu A, Shah AJ, Robichaux C, et al. Will two do? Varying "
    "dimensions in electrocardiography: the PhysioNet/Computing in Cardiology Challenge 2021. "
    "Comput Cardiol 48 (2021), doi:10.23919/CinC53138.2021.9662687; Perez Alday EA, Gu A, Shah AJ, "
    "Robichaux C, Wong AI, Liu C, et al. Classification of 12-lead ECGs: the PhysioNet/Computing "
    "in Cardiology Challenge 2020. Physiol Meas 41:124003 (2020), doi:10.1088/1361-6579/abc960; "
    "PhysioNet: Goldberger AL et al. Circulation 101(23):e215-e220 (2000), doi:10.13026/34va-7q14"
)
PATIENTS = "none ship: each recording is its own patient, recordings of equal samples share one"
URL = "https://physionet.org/files/challenge-2021/1.0.3/"
MIRROR = "challenge-2021/1.0.3"
SOURCES = ("metadata", "signals")
SUFFIX = {"metadata": ".hea", "signals": ".mat"}

STATED = 100.0  # likelihood of a statement, in percent
SEX = {"female": "female", "f": "female", "male": "male", "m": "male"}
OLDEST = 120  # years; what is above, or no number, is no age
MISSING = "samples at -32768, the mark of a missing one, as users of the full release report"


def files(place: str, source: str, listing: list[str]) -> list[str]:
    """Pick the headers below a folder of the release, or the signals."""
    return [n for n in listing if n.startswith(f"{place}/") and n.endswith(SUFFIX[source])]


def records(folder: Path, place: str, excluded: Container[str]) -> list[Record]:
    """Describe the recordings below a folder of the release; raise ValueError for a bad header."""
    patients: dict[tuple[str, ...], str] = {}
    headers = sorted((folder / place).rglob("*.hea"), key=lambda path: path.stem)
    found = []
    for path in headers:
        if path.stem not in excluded:
            lines = path.read_text(encoding="latin-1").splitlines()
            patient = patients.setdefault(_signature(lines), path.stem)
            found.append(_record(path, path.relative_to(folder), patient, lines))
    return found


def by_age_and_sex(found: list[Record]) -> list[Record]:
    """Take recordings for one patient's where age and sex are the same."""
    return [replace(each, patient=f"{each.sex}, {each.age}") for each in found]


def _record(path: Path, below: Path, patient: str, lines: list[str]) -> Record:
    """Turn the comments of a header into a record."""
    told = dict(_comments(lines))
    if "Dx" not in told:
        raise ValueError(f"{path}: no comment `#Dx: CODE,CODE`; expected the diagnoses there")
    age = told.get("Age", "")
    codes = [code.strip() for code in told["Dx"].split(",")]
    return Record(
        id=path.stem,
        patient=patient,
        path=below,
        statements={code: STATED for code in codes if code},  # `1,,2` and `1,` occur
        age=float(age) if age.isdecimal() and int(age) <= OLDEST else None,
        sex=SEX.get(told.get("Sex", "").lower()),
        aliases=(f"challenge:{path.stem}",),
    )


def _comments(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Split `#Age: 67` or `# Age: 67` into a name and a value."""
    for line in lines:
        if line.startswith("#"):
            name, _, value = line.lstrip("# ").partition(":")
            yield name.strip(), value.strip()


def _signature(lines: list[str]) -> tuple[str, ...]:
    """Give each lead's first sample and checksum: equal for recordings of equal samples."""
    fields = [line.split() for line in lines if not line.startswith("#")]
    return tuple(field for line in fields[1:] for field in line[5:7])
