"""Three recordings of two people as the Challenge 2021 has 74 of INCART, at 257 Hz but of 12 s."""

from pathlib import Path

from tests.layouts._challenge import write_source

PEOPLE = {
    "I0001": ("65", "Female", "427393009,164884008"),
    "I0002": ("65", "Female", "427393009"),
    "I0003": ("53", "Male", "426783006,251182009,164884008"),
}


def write(place: Path) -> None:
    """Write the release."""
    write_source(place, "st_petersburg_incart", 257, PEOPLE)
