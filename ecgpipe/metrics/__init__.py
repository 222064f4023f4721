"""Metrics, one file each.

A metric offers
    PER               `label` (one score a label; their mean is the macro score) or `record`
    HIGHER_IS_BETTER  True, False, or None where the best value lies between (a slope of one)
    score(sample, weight)

`sample` is a `scores.Sample`: target, probability and the labels' thresholds. `weight` says how
often each record stands in each resample, `(resample, record)`; the point estimate is one row of
ones. All resamples are scored at once and in the precision of `weight`: `(resample, label)` for PER
label, `(resample,)` for PER record. A score is NaN where it is undefined, and the order of records
never matters.
"""
