"""What is asked of where trained networks look: the files of `config/explanations/`."""

import dataclasses
from typing import Any

from ecgpipe import registry


@dataclasses.dataclass(frozen=True)
class Explanation:
    """How the networks of a grid are explained, and on how many records."""

    attributions: tuple[dict[str, Any], ...]  # name, and what differs from its defaults
    records: int = 300  # of test, at most: the same ones for every arm
    examples: int = 1  # records of each label whose relevance is kept for pictures

    def __post_init__(self) -> None:
        names = [told.get("name") for told in self.attributions]
        if not names or None in names or len(set(names)) < len(names):
            raise ValueError(
                f"attributions {names}: expected such as [{{name: occlusion}}], each named once"
            )
        known = registry.names("attributions")
        if unknown := [str(name) for name in names if name not in known]:
            raise ValueError(f"attributions {', '.join(unknown)}; there are: {', '.join(known)}")
        if self.records < 1 or self.examples < 0:
            raise ValueError(
                f"records {self.records} must be positive, examples {self.examples} not negative"
            )
