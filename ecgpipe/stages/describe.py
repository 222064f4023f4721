"""Write a data card: who is in a dataset, how it is labeled, how good it is, what was left out.

Without options it describes the shards of the dataset that lie below results/shards.
"""

import argparse
import json
import logging
from pathlib import Path

from ecgpipe import cards, pages, registry, writing
from ecgpipe.render import Needs
from ecgpipe.studies import Study

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this stage."""
    parser.add_argument("dataset", help="a file of ecgpipe/datasets")
    parser.add_argument("--shards", type=Path, nargs="+", help="all, at one preparation")
    parser.add_argument("--reports", type=Path, nargs="+", help="of preprocess; else beside them")
    parser.add_argument("--manifests", type=Path, nargs="+", help="of what was fetched")
    parser.add_argument("--out", type=Path, help="HTML; card.json and records.png lie beside it")


def run(
    *,
    dataset: str,
    shards: list[Path] | None = None,
    reports: list[Path] | None = None,
    manifests: list[Path] | None = None,
    out: Path | None = None,
) -> None:
    """Write the card's numbers, its figure, and the page that is made of both."""
    shards = shards or find_shards(dataset)
    reports = reports or [shard.with_suffix(".json") for shard in shards]
    manifests = manifests or sorted(Path("resources", dataset).glob("*.manifest.csv"))
    if not manifests:
        raise FileNotFoundError(f"resources/{dataset} has no *.manifest.csv; give --manifests")
    card = cards.describe(dataset, shards, reports, manifests)
    out = out or Path("results/cards", dataset, card["preparation"]["name"], "card.html")
    drawn = registry.load("figures", "records").draw(
        Needs(Study(dataset, grids=()), shards=tuple(shards))
    )
    with writing.whole(out.with_name("records.png")) as part:
        drawn.savefig(part, format="png")
        writing.write_text(out.with_suffix(".json"), json.dumps(card, indent=1) + "\n")
        writing.write_text(out, pages.write(card, part.read_bytes()))
    log.info("%s: %d records described in %s", dataset, card["counts"]["records"], out)


def find_shards(dataset: str) -> list[Path]:
    """Find the shards of a dataset below results/shards, if they are of one preparation."""
    folder = Path("results/shards", dataset)
    by_preparation = {path.name: sorted(path.glob("*.h5")) for path in sorted(folder.glob("*"))}
    if len(by_preparation) != 1:
        there = ", ".join(by_preparation) or "no shards"
        raise ValueError(
            f"{folder} has {there}; expected those of one preparation, or --shards "
            f"{folder}/PREPARATION/*.h5"
        )
    return by_preparation.popitem()[1]
