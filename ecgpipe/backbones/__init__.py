"""Encoders of signals: one file each.

A file offers `Config`, a frozen dataclass with the published values as defaults, and
`Backbone(config, leads)`, a `model.Backbone`: `dim` is the width of a token, `stem(signal)` takes
`(batch, lead, time)` to whatever `trunk` takes, `trunk(stemmed)` returns `(batch, token, dim)`, and
calling it does one after the other. It runs at any length and on any number of leads, draws its
weights from torch's generator, and `layers()` lists its parts from input to output.
Where no token stands for a part of the time, `timed` says so.
Objectives that predict ask for more: `causal` says that the stem gives tokens, `width` wide, and
that a token of the trunk has seen none of them beyond its own; `patch` says that they are patches
of so many leads and samples, any of which the trunk can do without.
`tests/contracts/test_backbones.py` holds every file to this.
"""
