"""Five minutes of two recordings as PhysioNet publishes nsrdb 1.0.0; beats end before they do."""

from pathlib import Path

from tests.layouts._ambulatory import beats, write_recording
from tests.layouts._release import write_sums

FS, SAMPLES = 128, 128 * 300
FIRST, LAST = 30 * FS, 200 * FS  # of the beats
HEADER = """{name} 2 128 38400  8:04:00
{name}.dat 212 0 12 0 -33 15756 0 ECG1
{name}.dat 212 0 12 0 -65 -21174 0 ECG2
# {person}
"""
PEOPLE = {"16265": "32 M", "16272": "20 F"}


def write(place: Path) -> None:
    """Write the release."""
    marks = sorted(
        [*beats(FIRST, LAST, FS, "N" * 50 + "S"), (9000, "~", 3, ""), (9500, "~", 0, "")]
    )
    for name, person in PEOPLE.items():
        write_recording(place, HEADER.format(name=name, person=person), marks)
    (place / "RECORDS").write_text("".join(f"{name}\n" for name in PEOPLE))
    (place / "ANNOTATORS").write_text("atr\treference beat and signal quality annotations\n")
    write_sums(place)
