"""MIT-BIH Noise Stress Test Database: three half hours of noise (Moody, Muldrow and Mark 1984).

`bw` is baseline wander, `em` electrode motion and `ma` muscle artefact, recorded with electrodes
placed where the heart is not seen. Conditions such as `noise: nstdb/em` add it to test signals;
nothing is trained on it, and it has no patients. Its headers give no gain, so its scale means
nothing: a condition states the signal-to-noise ratio. The publisher made no split.
"""

from pathlib import Path

from ecgpipe.datasets import _ambulatory
from ecgpipe.records import Record, Signal
from ecgpipe.wfdb_records import read_record

TITLE = "MIT-BIH Noise Stress Test Database"
RELEASE = "1.0.0"
LICENCE = "ODC-By 1.0"
CITATION = (
    "Moody GB, Muldrow WE, Mark RG. A noise stress test for arrhythmia detectors. Computers in "
    "Cardiology 11:381-384 (1984); PhysioNet: Goldberger AL et al. Circulation "
    "101(23):e215-e220 (2000), doi:10.13026/C2HS3T"
)
PATIENTS = "none: each record of noise stands for itself"
URL = "https://physionet.org/files/nstdb/1.0.0/"
MIRROR = "nstdb/1.0.0"
SIZE = 15
FOLDS = None
COPY = "a record of mitdb with noise of em added"
EXCLUDED = {
    f"{record}e{snr}": COPY for record in (118, 119) for snr in ("24", "18", "12", "06", "00", "_6")
}
SHARDS = 1
SOURCES = ("metadata", "signals")

PER_MILLIVOLT = 200.0  # steps, as WFDB takes them where a header does not say


def files(source: str, listing: list[str], records: list[str]) -> list[str]:
    """Pick the files of a source; noise has no annotations."""
    found = _ambulatory.files(source, [name for name in records if name not in EXCLUDED])
    return [name for name in found if not name.endswith(".atr")]


def records(folder: Path) -> list[Record]:
    """List the records."""
    here = (name for name in _ambulatory.names(folder) if name not in EXCLUDED)
    return [Record(id=name, patient=name, path=Path(f"{name}.hea")) for name in here]


def read(folder: Path, record: Record, source: str) -> Signal:
    """Read both channels of noise: noise1 and noise2."""
    return read_record(folder / record.path, uncalibrated=PER_MILLIVOLT)
