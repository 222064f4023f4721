"""Four tracings as Zenodo record 3765780 has 827: one archive, tables without identifiers."""

import io
import zipfile
from pathlib import Path

import h5py
import numpy as np

from tests.layouts._release import twelve_leads, write_sums

LEADS = ("I", "II", "III", "aVL", "aVF", "aVR", "V1", "V2", "V3", "V4", "V5", "V6")
LONGEST = 4096  # samples at 400 Hz
SAMPLES = (2800, 4000, 4000, 2800)
READERS = (
    "cardiologist1",
    "cardiologist2",
    "cardiology_residents",
    "dnn",
    "emergency_residents",
    "medical_students",
)
ATTRIBUTES = "age,sex\n34,M\n70,F\n52,F\n41,F\n"
GOLD = "1dAVb,RBBB,LBBB,SB,AF,ST\n0,0,0,0,0,0\n0,0,1,0,0,0\n1,0,1,0,0,0\n0,0,0,0,0,1\n"
OTHERS = "1dAVb,RBBB,LBBB,SB,AF,ST\n0,0,0,0,0,0\n0,0,0,0,0,0\n1,0,1,0,0,0\n0,1,0,0,0,1\n"


def write(place: Path) -> None:
    """Write the archive."""
    place.mkdir(parents=True)
    with zipfile.ZipFile(place / "data.zip", "w") as archive:
        archive.writestr("data/README.md", "made up\n")
        archive.writestr("data/attributes.csv", ATTRIBUTES)
        archive.writestr("data/annotations/gold_standard.csv", GOLD)
        for reader in READERS:
            archive.writestr(f"data/annotations/{reader}.csv", OTHERS)
        archive.writestr("data/ecg_tracings.hdf5", _hdf5())
    write_sums(place)


def _hdf5() -> bytes:
    """Make the tracings, 64-bit floating point as published."""
    tracings = np.zeros((len(SAMPLES), LONGEST, 12))
    for row, samples in enumerate(SAMPLES):
        leads = twelve_leads(samples, row)
        before = (LONGEST - samples) // 2
        tracings[row, before : before + samples] = np.stack([leads[name] for name in LEADS]).T
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["tracings"] = tracings
    return buffer.getvalue()
