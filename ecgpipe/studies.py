"""A study: grids of runs, and the tables and figures made of them."""

from dataclasses import dataclass, field, replace
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
    explanation: str | None = None  # none: where the models look is not asked


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
    explanation: str | None = field(default=None, compare=False)  # asked of it, no part of it

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
    """Unite the grids of a study; a run that two grids name gets the conditions of both.

    Raises:
        ValueError: if two grids ask for two explanations of one run.

    """
    conditions: dict[Run, dict[str, None]] = {}
    explanations: dict[Run, set[str | None]] = {}
    for grid in study.grids:
        for values in product(
            grid.pretrainings, grid.recipes, grid.tasks, grid.splits, grid.budgets, grid.seeds
        ):
            for scored_on in grid.scored_on or (values[2],):
                run = Run(*values, scored_on, conditions=())
                conditions.setdefault(run, {}).update(dict.fromkeys(grid.conditions))
                explanations.setdefault(run, set()).add(grid.explanation)
    return [
        replace(run, conditions=tuple(names), explanation=_only(run, explanations[run] - {None}))
        for run, names in conditions.items()
    ]


def _only(run: Run, asked: set[str | None]) -> str | None:
    """Take the one explanation that grids ask of a run, if any."""
    if len(asked) > 1:
        raise ValueError(
            f"{run.arm}, scored on {run.scored_on}: several grids name it, with the explanations "
            f"{', '.join(sorted(map(str, asked)))}; give them the same one"
        )
    return next(iter(asked), None)
