"""Four recordings as figshare collection 5779802 has 25,770: two tables and a tar."""

import io
import tarfile
from pathlib import Path

import h5py
import numpy as np

from tests.layouts._release import twelve_leads, write_sums

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
METADATA = """ECG_ID,AHA_Code,Patient_ID,Age,Sex,N,Date
A00001,22;23,S00001,55,M,5000,2020-03-04
A00002,1,S00002,32,M,6000,2019-09-03
A00003,60+310;147+367,S00003,63,M,28000,2020-07-16
A00004,1;1,S00001,55,M,5000,2020-07-14
"""
CODES = """Category,Code,Description
A,1,Normal ECG
C,22,Sinus bradycardia
C,23,Sinus arrhythmia
F,60,Ventricular premature complex(es)
L,147,T-wave abnormality
Modifier,310,Frequent
Modifier,367,Inversion
"""


def write(place: Path) -> None:
    """Write the tables and the archive, which is not compressed."""
    place.mkdir(parents=True)
    (place / "metadata.csv").write_text(METADATA)
    (place / "code.csv").write_text(CODES)
    rows = [line.split(",") for line in METADATA.splitlines()[1:]]
    with tarfile.open(place / "records.tar.gz", "w") as archive:
        folder = tarfile.TarInfo("records")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for number, row in enumerate(rows):
            content = _hdf5(int(row[5]), number)
            member = tarfile.TarInfo(f"records/{row[0]}.h5")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    write_sums(place)


def _hdf5(samples: int, seed: int) -> bytes:
    """Make the file of one recording: millivolts as 16-bit floating point, (lead, time)."""
    leads = twelve_leads(samples, seed)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["ecg"] = np.stack([leads[name] for name in LEADS]).astype(np.float16)
    return buffer.getvalue()
