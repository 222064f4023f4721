"""Three recordings of two people as the Challenge 2021 has 516 of PTB, at 1000 Hz."""

from pathlib import Path

from tests.layouts._challenge import write_source

PEOPLE = {
    "S0001": ("81", "Female", "164865005"),
    "S0002": ("81", "Female", "164865005,425419005"),
    "S0003": ("NaN", "Male", "426783006"),
}


def write(place: Path) -> None:
    """Write the release."""
    write_source(place, "ptb", 1000, PEOPLE)
