"""Whole corpora to shards: records a second, and how that compares with reading the same bytes.

`python benchmarks/preprocess.py DATASET:PREPARATION ...` where `download` has been; one process.
"""

import argparse
import time
from pathlib import Path

import yaml

from ecgpipe import registry
from ecgpipe.settings import Preparation, build
from ecgpipe.stages import preprocess

MOST = 4000  # records of a corpus


def main() -> None:
    """Print a line for every corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", nargs="+", help="such as ptbxl:100hz-10s")
    print("| corpus | preparation | records | MB/s | records/s | share of plain reading |")
    print("| --- | --- | --- | --- | --- | --- |")
    for corpus in parser.parse_args().corpora:
        measure(*corpus.split(":"))


def measure(dataset: str, preparation: str) -> None:
    """Read every file of some records, then prepare them; both from the page cache."""
    plugin, folder = registry.load("datasets", dataset), Path("resources", dataset)
    told = yaml.safe_load(Path("config/preparations", f"{preparation}.yaml").read_text())
    records = plugin.records(folder)[:MOST]
    stems = [folder / record.path.with_suffix("") for record in records]
    files = [path for stem in stems for path in stem.parent.glob(f"{stem.name}.[hdm]*")]
    for _ in range(2):  # the first time fills the page cache
        began = time.process_time()
        size = sum(len(path.read_bytes()) for path in files)
        plain = time.process_time() - began
    began = time.process_time()
    preprocess.prepare(plugin, build(Preparation, told, preparation), folder, records)
    taken = time.process_time() - began
    megabytes, rate = size / 1e6 / taken, len(records) / taken
    print(
        f"| {dataset} | {preparation} | {len(records):,} | {megabytes:.0f} | {rate:,.1f} "
        f"| {100 * plain / taken:.1f} % |"
    )


if __name__ == "__main__":
    main()
