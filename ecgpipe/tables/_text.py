"""How numbers are written in every table."""

import math

import pandas as pd

from ecgpipe.render import Needs, arm_labels, budget_label, budget_order, place_labels

PREFIXES = ((12, "T"), (9, "G"), (6, "M"), (3, "k"), (0, ""), (-3, "m"), (-6, "µ"))


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


def heading(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Say of which task, budget and arm each named line tells: the first columns of a table."""
    return {"Task": table["place"], "Budget": table["labeled"], "Arm": table["name"]}


def score(mean: float, seed_sd: float, low: float, high: float, best: bool = False) -> str:
    """Write `0.931 ± 0.002 [0.920, 0.941]`; the seeds' deviation is left out where one seed ran."""
    text = f"**{mean:.3f}**" if best else f"{mean:.3f}"
    if not math.isnan(seed_sd):
        text += f" ± {seed_sd:.3f}"
    return text if math.isnan(low) else f"{text} [{low:.3f}, {high:.3f}]"


def number(value: float) -> str:
    """Write three decimals."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def difference(value: float, low: float, high: float) -> str:
    """Write `+0.012 [+0.003, +0.021]`; the interval is left out where it is not known."""
    if math.isnan(value):
        return "–"
    text = f"{value:+.3f}" if math.isnan(low) else f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"
    return text.replace("-", "\N{MINUS SIGN}")


def quantity(value: float, unit: str = "") -> str:
    """Write three digits and a decimal prefix, but whole numbers below a thousand in full."""
    if math.isnan(value):
        return "–"
    power = next((p for p, _ in PREFIXES if value >= 10.0**p), 0)
    scaled = value / 10.0**power
    exact = power == 0 and value == int(value)
    digits = 0 if exact else max(0, 2 - math.floor(math.log10(scaled)))
    return f"{scaled:.{digits}f} {dict(PREFIXES)[power]}{unit}".rstrip()


def size(value: float) -> str:
    """Write bytes."""
    return quantity(value, "B")


def duration(seconds: float) -> str:
    """Write seconds, from two minutes on minutes, from two hours on hours."""
    if seconds >= 7200:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 120 else quantity(seconds, "s")
