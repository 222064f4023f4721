"""Make one table of a study: CSV with the numbers, LaTeX and Markdown for people."""

import argparse
import re
from pathlib import Path

import pandas as pd

from ecgpipe import registry, render, writing
from ecgpipe.settings import parse

LONGEST = 45  # lines that fit a page; longer tables break over pages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this stage."""
    parser.add_argument("--table", required=True, help="a file of ecgpipe/tables")
    parser.add_argument("--settings", required=True, help="study, conditions, as JSON")
    parser.add_argument("--results", type=Path, required=True, help="folder of all results")
    for name in render.COLLECTED:
        parser.add_argument(f"--{name}", type=Path, nargs="?", help=f"collected {name}, if needed")
    parser.add_argument("--out", type=Path, required=True, help="CSV; .tex and .md lie beside it")


def run(
    *,
    table: str,
    settings: str,
    results: Path,
    out: Path,
    **collected: Path | None,
) -> None:
    """Build the table and write its three forms."""
    plugin = registry.load("tables", table)
    built = plugin.build(render.gather(plugin.NEEDS, parse(settings), results, collected))
    shown = plugin.layout(built)
    out.parent.mkdir(parents=True, exist_ok=True)
    writing.write_text(out.with_suffix(".tex"), latex(shown))
    writing.write_text(out.with_suffix(".md"), markdown(shown))
    writing.write_text(out, built.to_csv(index=False))


def markdown(table: pd.DataFrame) -> str:
    """Write a pipe table."""
    lines = [list(table.columns), ["---"] * table.shape[1], *table.to_numpy().tolist()]
    return "".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


def latex(table: pd.DataFrame) -> str:
    """Write a booktabs table; a name that repeats the line above is printed once."""
    environment = "longtable" if len(table) > LONGEST else "tabular"
    lines = [[escape(str(cell)) for cell in line] for line in table.to_numpy().tolist()]
    heading = " & ".join(escape(column) for column in table.columns) + " \\\\\n\\midrule\n"
    body = ""
    for line, before in zip(lines, [None, *lines], strict=False):
        if before and line[0] != before[0]:
            body += "\\addlinespace\n"
        body += " & ".join(_unrepeated(line, before)) + " \\\\\n"
    head = "\\endhead\n" if environment == "longtable" else ""
    return (
        f"% needs \\usepackage{{booktabs{',longtable' if head else ''}}}\n"
        f"\\begin{{{environment}}}{{{'l' * table.shape[1]}}}\n"
        f"\\toprule\n{heading}{head}{body}\\bottomrule\n\\end{{{environment}}}\n"
    )


def escape(text: str) -> str:
    """Make text safe for LaTeX; `**bold**` becomes bold."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {character: f"\\{character}" for character in "&%$#_{}"}
    special |= {
        "±": r"$\pm$",
        "\N{MINUS SIGN}": "$-$",
        "≤": r"$\leq$",
        "–": "--",
        "µ": r"$\mu$",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
    }
    safe = "".join(special.get(character, character) for character in text)
    return re.sub(r"\*\*(.+?)\*\*", r"\\textbf{\1}", safe)


def _unrepeated(line: list[str], before: list[str] | None) -> list[str]:
    """Blank the leading cells that equal those of the line above."""
    if before is None:
        return line
    same = 0
    while same < len(line) - 1 and line[same] == before[same]:
        same += 1
    return [""] * same + line[same:]
