"""Three recordings as MIMIC-IV-ECG 1.0 has 800,035; the last lacks samples of V3."""

from pathlib import Path

import numpy as np

from tests.layouts._release import twelve_leads, write_sums

LEADS = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
STUDIES = {49036311: 10000032, 40689238: 10000032, 44458630: 10000117}  # and their subjects
INCOMPLETE = 49036311
MISSING = slice(1200, 1250)  # its missing samples
GAIN = 200  # steps a millivolt


def write(place: Path) -> None:
    """Write the recordings, their list and RECORDS."""
    place.mkdir(parents=True)
    paths = {study: _path(study, subject) for study, subject in STUDIES.items()}
    lines = [
        f"{STUDIES[study]},{study},{study},2180-07-23 08:44:00,{path}\n"
        for study, path in paths.items()
    ]
    header = "subject_id,study_id,file_name,ecg_time,path\n"
    (place / "record_list.csv").write_text(header + "".join(lines))
    (place / "RECORDS").write_text("".join(f"{path}\n" for path in paths.values()))
    (place / "LICENSE.txt").write_text("Open Data Commons Open Database License v1.0\n")
    for study, path in paths.items():
        _write_recording(place / path, study)
    write_sums(place)


def _path(study: int, subject: int) -> str:
    """Say where a recording lies, without a suffix."""
    return f"files/p{subject // 10_000}/p{subject}/s{study}/{study}"


def _write_recording(path: Path, study: int) -> None:
    """Write header and signals, aVF before aVL."""
    leads = twelve_leads(5000, study)
    steps = np.stack([np.rint(leads[name] * GAIN) for name in LEADS]).astype("<i2")
    if study == INCOMPLETE:
        steps[LEADS.index("V3"), MISSING] = -(2**15)
    path.parent.mkdir(parents=True)
    path.with_suffix(".dat").write_bytes(steps.T.tobytes())
    lines = [f"{study} 12 500 5000 08:44:00 23/07/2180\n"]
    for name, values in zip(LEADS, steps, strict=True):
        total = values.sum(dtype=np.int16)
        lines.append(f"{study}.dat 16 {GAIN}.0(0)/mV 16 0 {values[0]} {total} 0 {name}\n")
    path.with_suffix(".hea").write_text("".join(lines))
