"""Two parts as Zenodo record 4916206 has eighteen: an archive each, and exams.csv for all."""

import csv
import io
import zipfile
from pathlib import Path

import h5py
import numpy as np

from tests.layouts._release import twelve_leads, write_sums

STATEMENTS = ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF", "normal_ecg")
COLUMNS = ("exam_id", "age", "is_male", "nn_predicted_age", *STATEMENTS[:-1])
COLUMNS += ("patient_id", "death", "timey", "normal_ecg", "trace_file")
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
LONGEST = 4096  # samples at 400 Hz
PARTS = {0: (214626, 1169160, 887305, 52), 1: (4000001, 77)}  # exams, in the order of the rows
SAMPLES = {214626: 2934, 1169160: 4096, 887305: 4000, 52: 4000, 4000001: 2800, 77: 4096}
SAME = {52: 887305}  # byte-identical, of another patient
PATIENTS = {214626: 7, 1169160: 7, 887305: 8, 52: 9, 4000001: 10, 77: 11}
STATED = {214626: ("AF", "RBBB"), 4000001: ("1dAVb",), 1169160: ("normal_ecg",)}


def write(place: Path) -> None:
    """Write the table and both archives."""
    place.mkdir(parents=True)
    with (place / "exams.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(_line(exam) for exam in sorted(SAMPLES, reverse=True))
    for part, exams in PARTS.items():
        with zipfile.ZipFile(place / f"exams_part{part}.zip", "w") as archive:
            archive.writestr(f"exams_part{part}.hdf5", _hdf5(exams))
    write_sums(place)


def recording(exam: int) -> np.ndarray:
    """Give the recording of an exam, before it was padded: (lead, time)."""
    exam = SAME.get(exam, exam)
    leads = twelve_leads(SAMPLES[exam], exam)
    return np.stack([leads[name] for name in LEADS])


def _line(exam: int) -> dict[str, object]:
    """Make the line of an exam; follow-up is told for the first exam of a patient only."""
    stated = STATED.get(exam, ())
    part = next(number for number, exams in PARTS.items() if exam in exams)
    line: dict[str, object] = {code: code in stated for code in STATEMENTS}
    line |= {"exam_id": exam, "age": 38, "is_male": PATIENTS[exam] == 7, "nn_predicted_age": 40.16}
    line |= {"patient_id": PATIENTS[exam], "trace_file": f"exams_part{part}.hdf5"}
    followed = exam != 1169160
    return line | {"death": False if followed else "", "timey": 2.098628 if followed else ""}


def _hdf5(exams: tuple[int, ...]) -> bytes:
    """Make a part: a row an exam, and a last one of zeros with the id 0."""
    tracings = np.zeros((len(exams) + 1, LONGEST, 12), np.float32)
    for row, exam in enumerate(exams):
        signal = recording(exam)
        before = (LONGEST - signal.shape[1]) // 2
        tracings[row, before : before + signal.shape[1]] = signal.T
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["exam_id"] = np.array([*exams, 0], np.int64)
        file["tracings"] = tracings
    return buffer.getvalue()
