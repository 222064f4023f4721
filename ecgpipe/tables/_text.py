"""How numbers are written in every table."""

import math

import pandas as pd

from ecgpipe.render import Needs, arm_labels, budget_label, budget_order, place_labels


def name_lines(table: pd.DataFrame, needs: Needs) -> pd.DataFrame:
    """Name every line's place, budget and arm in words; order the lines as the study does."""
    arms, places = arm_labels(needs.study), place_labels(needs.study)
    budgets = budget_order(table["budget"])
    keys = list(zip(table["task"], table["split"], table["scored_on"], strict=True))
    order = pd.DataFrame(
        {
            "place": [list(places).index(key) for key in keys],
            "budget": [budgets.index(budget) for budget in table["budget"]],
            "arm": [list(arms).index(arm) for arm in table["arm"]],
        },
        index=table.index,
    ).sort_values(["place", "budget", "arm"], kind="stable")
    named = table.assign(
        place=[places[key] for key in keys],
        name=table["arm"].map(arms),
        labeled=table["budget"].map(budget_label),
    )
    return named.loc[order.index].reset_index(drop=True)


def score(mean: float, seed_sd: float, low: float, high: float, best: bool = False) -> str:
    """Write `0.931 ± 0.002 [0.920, 0.941]`; the seeds' deviation is left out where one seed ran."""
    text = f"**{mean:.3f}**" if best else f"{mean:.3f}"
    if not math.isnan(seed_sd):
        text += f" ± {seed_sd:.3f}"
    return text if math.isnan(low) else f"{text} [{low:.3f}, {high:.3f}]"


def quantity(value: float, unit: str = "") -> str:
    """Write a quantity with three digits and a decimal prefix: `1.23 M`, `4.56 kB`."""
    if math.isnan(value):
        return "–"
    prefixes = {1e12: "T", 1e9: "G", 1e6: "M", 1e3: "k", 1: "", 1e-3: "m", 1e-6: "µ"}
    if value == 0 or value < 1e-6:
        return f"{value:.3g} {unit}".rstrip()
    scale = next(scale for scale in prefixes if value >= scale)
    digits = max(0, 2 - math.floor(math.log10(value / scale)))
    number = (
        f"{value / scale:.{digits}f}" if value < 1 or value % 1 or value >= 1e3 else f"{value:g}"
    )
    return f"{number} {prefixes[scale]}{unit}".rstrip()
