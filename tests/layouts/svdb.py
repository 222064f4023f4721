"""Two minutes of two recordings as PhysioNet publishes svdb 1.0.0; the second has no gain."""

from pathlib import Path

from tests.layouts._ambulatory import beats, write_recording
from tests.layouts._release import write_sums

FS, SAMPLES = 128, 128 * 120
CALIBRATED = """800 2 128 15360
800.dat 212 200 10 0 -101 -25183 0 ECG1
800.dat 212 200 10 0 123 10510 0 ECG2
"""
UNCALIBRATED = """820 2 128 15360
820.dat 212 0 10 0 -14 -6899 0 ECG1
820.dat 212 0 10 0 -7 -19211 0 ECG2
"""
NOISY, CLEAN, RHYTHM = (4000, "~", 1, ""), (5000, "~", 0, ""), (9000, "+", 0, "(N")


def write(place: Path) -> None:
    """Write the release."""
    marks = sorted([*beats(20, SAMPLES, FS, "NNSVJaBFQ"), (700, "|", 0, ""), NOISY, CLEAN, RHYTHM])
    for header in (CALIBRATED, UNCALIBRATED):
        write_recording(place, header, marks)
    (place / "RECORDS").write_text("800\n820\n")
    (place / "ANNOTATORS").write_text("atr\treference beat annotations\n")
    write_sums(place)
