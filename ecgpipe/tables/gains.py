"""Does one network gain more from pretraining than another? Gains over scratch, held together.

The gain of an arm is its macro AUROC less that of scratch of the same network. It is held against
the gain of the same pretraining and recipe on the study's first network. Intervals are 95 % over
resampled test patients, the same for all four scores, and the verdict is by the margin of
`transfer`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from ecgpipe import predictions, registry, transfer
from ecgpipe.render import Needs, distinct
from ecgpipe.scores import INTERVAL, Sample, estimate, replicate, resample_patients
from ecgpipe.tables import _text
from ecgpipe.transfer import AT, DIFFERENCE, METRIC, judge

NEEDS = ("costs", "predictions")
GAIN = ["gain", "gain_low", "gain_high"]
Scores = Float[np.ndarray, " score"]  # of the test part as it is, then of every resample


def build(needs: Needs) -> pd.DataFrame:
    """Set each arm's `gain`, with its ends, beside its `difference` from that of `first_arm`.

    `network` and `first` name the untrained networks of both.
    """
    pairs = transfer.pair(needs.study, needs.table("costs"))
    if pairs["reference"].isna().all():
        raise ValueError(f"gains: {transfer.NONE}; add such an arm to the study's grids")
    networks = distinct(list(pairs["backbone"].dropna().unique()))
    pairs = pairs.assign(
        upstream=pairs["pretraining"].map(transfer.name_upstreams(pairs)),
        network=pairs["backbone"].map(networks),
        scored_on=pairs["task"],
    )
    same = pairs.groupby([*AT, "upstream", "recipe"], sort=False)
    pairs = pairs.assign(
        first_arm=same["arm"].transform("first"), first=same["network"].transform("first")
    )
    lines = [
        line
        for place, own in pairs.groupby(AT, sort=False)
        for line in hold_together(own, score_runs(needs, place))
    ]
    return _text.name_lines(pd.DataFrame(lines), needs)


def layout(table: pd.DataFrame) -> pd.DataFrame:
    """Set one line an arm."""
    lines = [line for _, line in table.iterrows()]
    return pd.DataFrame(
        {
            **_text.heading(table),
            "Gained over scratch": [_text.difference(*line[GAIN]) for line in lines],
            "Held against": table["first"].fillna("–"),
            "Gained more": [_text.difference(*line[DIFFERENCE]) for line in lines],
            "Verdict": table["verdict"],
        }
    )


def score_runs(needs: Needs, place: tuple[str, str, str]) -> dict[tuple[str, int], Scores]:
    """Score the runs of one task, split and budget, by arm and seed, on the same resamples."""
    metric = registry.load("metrics", METRIC)
    found = {}
    for run, path in needs.predictions:
        if (run.task, run.split, run.budget) == place and run.scored_on == run.task:
            test = predictions.read(path).of("test")
            sample = Sample(test.target, test.probability, np.zeros(len(test.labels)))
            macro = replicate(metric, sample, resample_patients(test.patient))[:, 0]
            found[run.arm, run.seed] = np.append(estimate(metric, sample)[0], macro)
    return found


def hold_together(
    pairs: pd.DataFrame, scored: dict[tuple[str, int], Scores]
) -> Iterator[dict[str, Any]]:
    """Bound the gain of every arm of a place, and how much more it is than that of `first_arm`."""
    held = pairs.dropna(subset="reference").itertuples()
    gains = {line.arm: gain(line.arm, line.reference, scored) for line in held}
    for line in pairs.to_dict("records"):
        own, first = gains.get(line["arm"]), gains.get(line["first_arm"])
        itself = line["arm"] == line["first_arm"]
        more = None if own is None or first is None or itself else own - first
        bounds = bound(more)
        verdict = "reference" if itself and own is not None else judge(*bounds[1:])
        ends = dict(zip([*GAIN, *DIFFERENCE], [*bound(own), *bounds], strict=True))
        yield {**line, **ends, "verdict": verdict}


def gain(arm: str, reference: str, scored: dict[tuple[str, int], Scores]) -> Scores | None:
    """Average over the seeds that both have how much more an arm scores; None of a reference."""
    seeds = [seed for one, seed in scored if one == arm and (reference, seed) in scored]
    if arm == reference or not seeds:
        return None
    return np.mean([scored[arm, seed] - scored[reference, seed] for seed in seeds], axis=0)


def bound(replicates: Scores | None) -> tuple[float, float, float]:
    """Return the score and the ends of its interval; NaN where there is none."""
    if replicates is None:
        return np.nan, np.nan, np.nan
    low, high = np.quantile(replicates[1:], INTERVAL)
    return float(replicates[0]), float(low), float(high)
