"""A study: grids of runs, and the tables and figures made of them."""

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path


@dataclass(frozen=True)
class Grid:
    """A full grid of runs; a study is the union of its grids."""

    pretrainings: tuple[str, ...]
    recipes: tuple[str, ...]
    tasks: tuple[str, ...]
    splits: tuple[str, ...]
    budgets: tuple[str, ...]
    seeds: tuple[int, ...]
    conditions: tuple[str, ...] = ("clean",)
    scored_on: tuple[str, ...] = ()  # none: the run's own task


@dataclass(frozen=True)
class Study:
    """Which grids of runs, tables and figures."""

    study: str
    grids: tuple[Grid, ...]
    tables: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    mirror: str | None = None  # another place of the same shape to fetch releases from


@dataclass(frozen=True, order=True)
class Run:
    """One arm on one task, split, budget and seed, scored on one task."""

    pretraining: str
    recipe: str
    task: str
    split: str
    budget: str
    seed: int
    scored_on: str
    conditions: tuple[str, ...] = ("clean",)

    @property
    def folder(self) -> Path:
        """Where this run lives below `results/`."""
        return Path(
            "runs",
            self.pretraining,
            self.recipe,
            self.task,
            self.split,
            self.budget,
            str(self.seed),
        )

    @property
    def arm(self) -> str:
        """What a comparison compares."""
        return f"{self.pretraining} + {self.recipe}"


def runs(study: Study) -> list[Run]:
    """Unite the grids of a study; a run that two grids name gets the conditions of both."""
    conditions: dict[Run, dict[str, None]] = {}
    for grid in study.grids:
        for values in product(
            grid.pretrainings, grid.recipes, grid.tasks, grid.splits, grid.budgets, grid.seeds
        ):
            for scored_on in grid.scored_on or (values[2],):
                run = Run(*values, scored_on, conditions=())
                conditions.setdefault(run, {}).update(dict.fromkeys(grid.conditions))
    return [replace(run, conditions=tuple(names)) for run, names in conditions.items()]
