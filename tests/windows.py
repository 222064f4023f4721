"""Predictions of made-up windows."""

import numpy as np

from ecgpipe.predictions import Predictions


def predicted(target, probability, patient=None, record=None, start=None):
    """Windows of two seconds of one label, in one recording unless told otherwise."""
    count = len(target)
    patient = np.array(["here:a"] * count if patient is None else patient)
    start = 2.0 * np.arange(count) if start is None else np.array(start, float)
    record = patient if record is None else np.array(record)
    values = np.array(target, bool)[:, None], np.array(probability, float)[:, None]
    return Predictions(("VA",), record, patient, start, np.full(count, "test"), *values)
