"""Draw one figure of a study: PDF with embedded fonts, and PNG at 300 dpi."""

import argparse
from pathlib import Path

from ecgpipe import registry, render, writing
from ecgpipe.settings import parse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this stage."""
    parser.add_argument("--figure", required=True, help="a file of ecgpipe/figures")
    parser.add_argument("--settings", required=True, help="study, conditions, as JSON")
    parser.add_argument("--results", type=Path, required=True, help="folder of all results")
    for name in render.COLLECTED:
        parser.add_argument(f"--{name}", type=Path, nargs="?", help=f"collected {name}, if needed")
    parser.add_argument("--shards", type=Path, nargs="*", default=[], help="records, if needed")
    parser.add_argument("--out", type=Path, required=True, help="PDF; the .png lies beside it")


def run(
    *,
    figure: str,
    settings: str,
    results: Path,
    shards: list[Path],
    out: Path,
    **collected: Path | None,
) -> None:
    """Draw the figure and write both forms."""
    plugin = registry.load("figures", figure)
    drawn = plugin.draw(render.gather(plugin.NEEDS, parse(settings), results, collected, shards))
    for path in (out.with_suffix(".png"), out):
        with writing.whole(path) as part:
            drawn.savefig(part, format=path.suffix[1:])
