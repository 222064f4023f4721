"""Adaptation to each patient: what every arm scores on the rest of the test patients, and before.

Patients of all splits are put together, each measured on what was not labeled of it; of an arm
that adapts to nobody every window is measured, too. The difference is from the first arm of a task,
where it was adapted by as many windows. The last columns are at a threshold chosen for one false
alarm an hour in valid patients. Tasks in which nobody is adapted to are left out.
"""

import pandas as pd

from ecgpipe import personal
from ecgpipe.render import Needs, arm_labels, budget_label, budget_order
from ecgpipe.tables import _text

NEEDS = ("predictions",)
HEADINGS = {
    "worst_decile": "Worst tenth",
    "patient_f1": "F1",
    "pooled_auroc": "Pooled AUROC",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "false_alarms_per_hour": "False alarms per hour",
    "event_sensitivity": "Events found",
    "time_to_detection": "Seconds to find",
    "limited_patient_f1": "F1, 1 alarm/h",
    "limited_sensitivity": "Sensitivity, 1 alarm/h",
    "limited_event_sensitivity": "Events found, 1 alarm/h",
    "limited_false_alarms_per_hour": "False alarms per hour, 1 alarm/h",
}
ORDERS = {"none": "none", "chronological": "first", "random": "any"}
ROW = ["task", "scored_on", "budget", "label", "order", "shots", "arm"]


def build(needs: Needs) -> pd.DataFrame:
    """Summarise the test patients of every arm by label, order and number of labeled windows."""
    arms = arm_labels(needs.study)
    table = personal.summarise(personal.gather(needs), list(arms))
    table = table.assign(name=table["arm"].map(arms))
    budgets, orders = budget_order(table["budget"]), list(ORDERS)
    place = {"arm": list(arms).index, "budget": budgets.index, "order": orders.index}
    return table.sort_values(
        ROW,
        key=lambda column: column.map(place.get(column.name, lambda value: value)),
        kind="stable",
        ignore_index=True,
    )


def layout(table: pd.DataFrame) -> pd.DataFrame:
    """Set one line an arm, label and way of labeling."""
    rows = []
    for _, own in table.groupby(ROW, sort=False):
        metrics = own.set_index("metric")
        auroc, one = metrics.loc["patient_auroc"], own.iloc[0]
        change, difference = (
            _text.difference(*auroc[[f"{name}_value", f"{name}_low", f"{name}_high"]])
            for name in ("change", "difference")
        )
        row = {"Task": where(one), "Label": one["label"], "Labeled": way(one), "Arm": one["name"]}
        row |= {"Patients": f"{one['both_classes']} of {one['patients']}"}
        row |= {"Lack a class": str(one["lacking"]), "AUROC of a patient": number(auroc)}
        row |= {"From before": change, "From the first arm": difference}
        rows.append(row | {name: number(metrics.loc[of]) for of, name in HEADINGS.items()})
    return pd.DataFrame(rows)


def where(line: pd.Series) -> str:
    """Name the task and its budget."""
    own = line["task"] == line["scored_on"]
    task = line["task"] if own else f"{line['task']} on {line['scored_on']}"
    return f"{task}, {budget_label(line['budget'])}"


def way(line: pd.Series) -> str:
    """Write `first 5 (9.2)`: how many of a class at most, and how many on average in all."""
    if not line["shots"]:
        return "none"
    return f"{ORDERS[line['order']]} {line['shots']} ({line['labeled']:.1f})"


def number(line: pd.Series) -> str:
    """Write a value with its interval, if it has one."""
    if pd.isna(line["low"]):
        return _text.number(line["value"])
    return f"{line['value']:.3f} [{line['low']:.3f}, {line['high']:.3f}]"
