"""Where models look: how much relevance lies in a region, by patients, beside nulls and other arms.

The enrichment of a region is mass over area: the share of a record's relevance that lies in it,
over the share of its samples; 1 is chance. A patient counts by the mean over its records and seeds,
and over labels where they are pooled, an arm by the mean over patients. Beside every measure stands
what it is under each null: with the regions shifted in time, and of a model with random weights.

All arms explain the same records and meet the same resamples of their patients; a difference
between arms is the mean of the patients' differences. Records that a model is sure and right about,
their label's probability above one half, are also shown by themselves; there, arms are compared on
the patients that both are sure of.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from ecgpipe.expected_regions import expected
from ecgpipe.regions import REGIONS
from ecgpipe.render import PLACE, Needs
from ecgpipe.scores import INTERVAL, ratio, resample_patients

EVERY = "all"  # labels pooled; records, however sure a model is of them
SURE = "sure"
CERTAIN = 0.5  # the probability above which a model is right about a label that a record carries
EXPECTED = "expected"  # the regions declared for a label, together
CONFOUNDERS = ("TP", "padding")  # together, where no evidence is, unless it was declared
CONFOUNDING = " + ".join(CONFOUNDERS)
UNITED = (*REGIONS, EXPECTED, CONFOUNDING)
TRAINED = ""  # the null that is none
NULLS = ("shifted", "random")
MEASURES = ["enrichment", "mass", "pointing", "rank_accuracy", "drop"]
TEXT = ["record", "patient", "label", "attribution", "null", "region"]
NUMBERS = ["probability", "area", "mass", "pointing", "rank_accuracy", "drop"]
SUMMED = ["area", "mass", "pointing", "drop"]  # what adds up over regions
AT = [*PLACE, "budget"]
WHAT = ["label", "among", "attribution", "region", "measure"]
BLOCK = 500  # lines resampled at once


def gather(needs: Needs) -> pd.DataFrame:
    """Measure every explained patient: a line an arm, place, seed, null, `WHAT` and patient."""
    if not needs.attributions:
        raise ValueError(f"study {needs.study.study}: no grid names an `explanation`; give it one")
    found = []
    for run, path in needs.attributions:
        told = {name: getattr(run, name) for name in ["arm", *AT, "seed"]}
        found.append(of_patients(add_unions(read(path))).assign(**told))
    return pd.concat(found, ignore_index=True)


def read(path: Path) -> pd.DataFrame:
    """Read what `explain` measured of one run."""
    text, missing = dict.fromkeys(TEXT, str), dict.fromkeys(NUMBERS, "")
    return pd.read_csv(path, dtype=text, keep_default_na=False, na_values=missing)


def add_unions(lines: pd.DataFrame) -> pd.DataFrame:
    """Add what lies in the regions declared for the label together, and in the confounders.

    The drops of regions that were each replaced alone are added up.
    """
    declared = {label: expected(label) for label in lines["label"].unique()}
    pairs = zip(lines["label"], lines["region"], strict=True)
    among = np.array([region in declared[label] for label, region in pairs], bool)
    within = {
        EXPECTED: among,
        CONFOUNDING: lines["region"].isin(CONFOUNDERS).to_numpy() & ~among,
    }
    window = lines.groupby(TEXT).cumcount()  # of a long recording several may be explained
    by = [*TEXT[:-1], "probability", window.rename("window")]
    sums = [
        lines[rows].groupby(by, sort=False)[SUMMED].sum(min_count=1).reset_index()
        for rows in within.values()
    ]
    named = [each.assign(region=name) for name, each in zip(within, sums, strict=True)]
    return pd.concat([lines, *named], ignore_index=True)


def of_patients(lines: pd.DataFrame) -> pd.DataFrame:
    """Average the records of each patient: of a label or of all, of all records or the sure ones.

    Gives a line `value` for each null, `WHAT` and patient, where there is one.
    """
    lines = lines.assign(enrichment=ratio(lines["mass"].to_numpy(), lines["area"].to_numpy()))
    lines = pd.concat([lines, lines.assign(label=EVERY)])
    sure = lines[lines["probability"] > CERTAIN]
    lines = pd.concat([lines.assign(among=EVERY), sure.assign(among=SURE)])
    by = ["null", *WHAT[:-1], "patient"]
    means = lines.groupby(by, sort=False)[MEASURES].mean().rename_axis(columns="measure")
    return means.stack().dropna().rename("value").reset_index()


def summarise(patients: pd.DataFrame, first: str) -> pd.DataFrame:
    """Summarise patients: a line an arm, place and `WHAT`: `value`, and the interval of patients.

    `shifted` and `random` are what the nulls give. `difference` is from the arm `first`, over the
    patients of both. `seed_sd` is the deviation of seeds, `patients` how many there are.
    """
    tables = [
        _place(here, first).assign(**dict(zip(AT, place, strict=True)))
        for place, here in patients.groupby(AT, sort=False)
    ]
    return pd.concat(tables, ignore_index=True)


def _place(here: pd.DataFrame, first: str) -> pd.DataFrame:
    """Summarise one place at one budget."""
    line = ["null", "arm", *WHAT]
    of_seeds = here.groupby([*line, "seed"])["value"].mean()
    means = here.groupby([*line, "patient"])["value"].mean().unstack("patient")
    trained = means.loc[TRAINED]
    table = bootstrap(trained, "value", "low", "high")
    table["patients"] = trained.notna().sum(axis=1)
    table["seed_sd"] = of_seeds.loc[TRAINED].groupby(["arm", *WHAT]).std()
    for null in NULLS:
        under = means[means.index.get_level_values("null") == null].droplevel("null")
        table = table.join(bootstrap(under, null, f"{null}_low", f"{null}_high"))
    return table.join(contrast(trained, first)).reset_index()


def contrast(means: pd.DataFrame, first: str) -> pd.DataFrame:
    """Average over patients how far each line is from the same line of the arm `first`."""
    arm = means.index.get_level_values("arm")
    reference = means[arm == first].droplevel("arm")
    others = means[arm != first]
    same = reference.reindex(others.index.droplevel("arm")).to_numpy()
    return bootstrap(others - same, "difference", "difference_low", "difference_high")


def bootstrap(means: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Average each line over patients, the columns; with the 95 % interval of their resamples.

    NaN counts for nobody; the three columns have the given names.
    """
    weight = resample_patients(means.columns.to_numpy(str)).T
    values = means.to_numpy(float)
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    ends = [np.empty((0, 2))]
    for block in (slice(first, first + BLOCK) for first in range(0, len(values), BLOCK)):
        drawn = ratio(filled[block] @ weight, known[block] @ weight)
        ends.append(pd.DataFrame(drawn.T).quantile(INTERVAL).to_numpy().T)
    mean = ratio(filled.sum(axis=1), known.sum(axis=1))
    columns = np.column_stack([mean, np.concatenate(ends)])
    return pd.DataFrame(columns, means.index, names)
