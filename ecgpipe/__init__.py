"""Ecgpipe: from raw, published ECG recordings to the tables and figures of a paper."""

__version__ = "0.1.0"
