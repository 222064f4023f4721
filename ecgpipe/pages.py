"""The page of a data card, made of the card's numbers alone."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ecgpipe import quality
from ecgpipe.markup import (
    Html,
    Share,
    beside,
    duration,
    element,
    facts,
    number,
    page,
    paragraph,
    percent,
    picture,
    section,
    table,
)

QUALITY = (
    f"Each lead is judged in pieces of {quality.PIECE:g} s, as recorded. Flat: it changes by less "
    f"than {quality.FLAT} mV. Saturated: it stays at its highest or lowest value for "
    f"{quality.HELD} s between corners, {quality.AWAY} mV from its median. Drifting: means over "
    f"one second differ by more than {quality.DRIFT} mV, a large square. Noisy: the noise has a "
    f"standard deviation of more than {quality.NOISE} mV, so that most of it fills a small square. "
    "Nothing is left out for its quality."
)
FIGURE = (
    "Records chosen at random, as prepared, at 25 mm/s and 10 mm/mV on a grid of 1 and 5 mm; each "
    "lead about its median."
)
LEFT_OUT = {
    "cropped": "cut off at the end",
    "padded": "filled with zeros at the end",
    "missing": "without samples in some lead",
    "unreadable": "annotated as unreadable",
}
SHOWN = 10  # sites, devices, groups of identical records; the rest is counted


def write(card: dict[str, Any], figure: bytes) -> str:
    """Write the page of a card, with its figure (PNG)."""
    name = f"{card['dataset']}, {card['preparation']['name']}"
    return page(
        f"Data card: {name}",
        element("h1", card["release"]["title"]),
        paragraph("Data card of ", element("b", name)),
        _glance(card),
        section("Where it comes from", _source(card), paragraph(card["release"]["citation"])),
        section("What is here, and what is not", *_here(card)),
        section("Who is in it", *_people(card)),
        section("How it is labeled", *_labels(card)),
        section("How good the signals are", paragraph(QUALITY), _leads(card["quality"])),
        section("What it looks like", paragraph(FIGURE), picture(figure, f"records of {name}")),
    )


def _glance(card: dict[str, Any]) -> Html:
    counts, recorded, people = card["counts"], card["recorded"], card["patients"]
    windows = f"{number(counts['rows'])}, {number(counts['hours in windows'] or 0)} h"
    quartiles = [number(value) for value in people["age"]["quartiles"]]
    return facts(
        {
            "Records": f"{number(counts['records'])} of {number(counts['patients'])} patients",
            "Recorded": f"{number(counts['hours recorded'])} h",
            "Length of a recording": _spread(recorded["lengths"], duration),
            "Sampling frequency": _spread(recorded["fs"], lambda fs: f"{number(fs)} Hz"),
            "Leads": ", ".join(card["quality"]["leads"]),
            "Windows": counts["hours in windows"] and windows,
            "Age": quartiles and "median {2} (quartiles {1}, {3}) years".format(*quartiles),
            "Sex": ", ".join(
                f"{percent(count, counts['records'])} {sex}" for sex, count in people["sex"].items()
            ),
            "Prepared": _settings(card["preparation"]),
        }
    )


def _settings(preparation: dict[str, Any]) -> str:
    """Write what a preparation states."""
    stated = [item for item in preparation.items() if item[1] not in (None, [None, None])]
    return "; ".join(
        f"{key} {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in stated
        if key != "name"
    )


def _source(card: dict[str, Any]) -> Html:
    release = card["release"]
    files = f"{number(release['files'])} files, {number(release['bytes'] / 1e6)} MB"
    return facts(
        {
            "Published at": release["url"],
            "Release": release["release"],
            "Licence": release["licence"],
            "Files": f"{files}, each known by its SHA-256",
            "Sum of the manifests": element("code", card["sources"]),
            "A patient is": release["patients"],
        }
    )


def _here(card: dict[str, Any]) -> Iterator[Html]:
    """Follow the records from the release to the shards."""
    release, left_out = card["release"], card["left out"]
    steps = {
        "in the release": release["size"],
        "not in the part of the release that is here": release["size"] and release["not here"],
        "excluded": len(release["excluded"]),
        "here": release["here"],
        "of which nothing could be kept": left_out["empty"]["records"],
        "in the shards": card["counts"]["records"],
    }
    yield table("Records", ("", "records"), [line for line in steps.items() if line[1] is not None])
    yield table(
        "Parts of recordings",
        ("", "records", "time"),
        [
            (said, left_out[kind]["records"], duration(left_out[kind]["seconds"]))
            for kind, said in LEFT_OUT.items()
            if left_out[kind]["records"]
        ],
    )
    reasons: dict[str, list[str]] = defaultdict(list)
    for record, reason in release["excluded"].items():
        reasons[reason].append(record)
    for reason, of in reasons.items():
        yield paragraph(f"Excluded, {number(len(of))}: {reason}: {', '.join(of)}.")
    if release["unlisted"]:
        yield paragraph(f"Recordings without metadata: {', '.join(release['unlisted'])}")
    same = card["identical"]
    more = f"; {len(same) - SHOWN} more groups" if len(same) > SHOWN else ""
    named = "; ".join(" = ".join(group) for group in same[:SHOWN])
    yield paragraph(f"Identical in every sample: {named or 'no two recordings'}{more}.")


def _people(card: dict[str, Any]) -> Iterator[Html]:
    people, records = card["patients"], card["counts"]["records"]
    told = {name: people[name] for name in ("site", "device") if set(people[name]) != {"unknown"}}
    yield beside(
        _counts("Age in years", _ages(people["age"]), records),
        _counts("Sex", people["sex"], records),
        *(_counts(name.capitalize(), counts, records) for name, counts in told.items()),
        table(
            "Records of a patient",
            ("records", "patients"),
            [(int(count), of) for count, of in people["records of a patient"].items()][:SHOWN],
        ),
    )
    yield table(
        "The publisher's split",
        ("part", "folds", "records", "patients"),
        [
            (part, ", ".join(map(str, of["folds"])), of["records"], of["patients"])
            for part, of in (card["split"] or {}).items()
        ],
    )


def _ages(age: dict[str, Any]) -> dict[str, int]:
    """Name the decades of age; none, where nobody's age is known."""
    *starts, oldest = map(int, age["decades"])
    names = [*(f"{start}–{start + 9}" for start in starts), f"{oldest} and over"]
    decades = dict(zip(names, age["decades"].values(), strict=True))
    return (decades if any(decades.values()) else {}) | {"unknown": age["unknown"]}


def _counts(title: str, counts: dict[str, int], whole: int) -> Html:
    """Write counts with their shares; the rarest of many are put together."""
    lines = list(counts.items())
    if len(lines) > SHOWN + 2:
        rest = lines[SHOWN:]
        lines = [*lines[:SHOWN], (f"{len(rest)} others", sum(count for _, count in rest))]
    most = max((count for _, count in lines), default=0) or 1
    return table(
        title,
        ("", "records", "", ""),
        [(name, count, percent(count, whole), Share(count / most)) for name, count in lines],
    )


def _labels(card: dict[str, Any]) -> Iterator[Html]:
    records, hours = card["counts"]["records"], card["counts"]["hours recorded"]
    labels = card["labels"]
    yield table(
        "Statements",
        ("code", "meaning", "patients", "records", "", ""),
        [
            (*of.values(), percent(of["records"], records), Share(of["records"] / records))
            for of in labels["statements"]
        ],
    )
    yield table(
        "Rhythms, as annotated",
        ("code", "meaning", "patients", "records", "hours", ""),
        [(*of.values(), Share(of["hours"] / hours)) for of in labels["rhythms"]],
    )
    yield table(
        "Beats, as annotated",
        ("symbol", "meaning", "patients", "records", "beats"),
        [of.values() for of in labels["beats"]],
    )
    if not any(labels.values()):
        yield paragraph("It carries no labels.")


def _leads(judged: dict[str, Any]) -> Html:
    kinds = list(judged["records"])
    lines = [
        (lead, of["judged"], *(percent(of[kind], of["judged"]) for kind in kinds))
        for lead, of in judged["leads"].items()
    ]
    concerned = ("records with such a lead", "", *judged["records"].values())
    return table("Pieces of ten seconds", ("lead", "judged", *kinds), [*lines, concerned])


def _spread(counts: dict[str, int], write: Callable[[float], str]) -> str:
    """Name each of a few values with its count, or the range of many."""
    values = {float(value): count for value, count in counts.items()}
    if len(values) == 1:
        return write(*values)
    if len(values) <= 4:
        return ", ".join(f"{write(value)} ({number(count)})" for value, count in values.items())
    every = np.repeat(list(values), list(values.values()))
    return f"{write(every.min())} to {write(every.max())}, median {write(float(np.median(every)))}"
