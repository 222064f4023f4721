"""Where in a signal a network's evidence for a label lies: one file each.

A file offers `Config`, a frozen dataclass with the usual values as defaults, and
`attribute(network, signal, label, config, fs)`: the signed relevance of every sample of every lead
to the logit of each crop's own label, `(crop, lead, time)`. `signal` is in millivolts at `fs` Hz,
`label` says for each crop which of the network's labels is asked about. Relevance is that of the
network as it predicts, whatever mode it is in, of each crop on its own, and the same again when
asked again. Signal, weights, their gradients, statistics and modes are left as they were. One that
works on tokens says so by `OF_TOKENS`: it refuses networks whose tokens stand for no part of the
time (`Backbone.timed`), and `explain` leaves it out there.
`tests/contracts/test_attributions.py` holds every file to this.
"""
