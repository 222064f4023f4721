"""The command line: find the stage by its name, import it alone, parse, run."""

import argparse
import logging
import sys

from ecgpipe import registry


def main(arguments: list[str] | None = None) -> int:
    """Run one stage; return the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    stages = registry.names("stages")
    if not arguments or arguments[0] not in stages:
        listed = "\n  ".join(stages)
        sys.stderr.write(
            f"usage: python -m ecgpipe STAGE --option value ...\n\nstages:\n  {listed}\n"
        )
        return 0 if arguments in (["-h"], ["--help"]) else 2
    stage = registry.load("stages", arguments[0])
    parser = argparse.ArgumentParser(
        prog=f"python -m ecgpipe {arguments[0]}", description=stage.__doc__, allow_abbrev=False
    )
    stage.add_arguments(parser)
    options = parser.parse_args(arguments[1:])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # tells of every font it cuts down
    stage.run(**vars(options))
    return 0
