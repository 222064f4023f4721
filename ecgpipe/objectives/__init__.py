"""What pretraining minimises: one file each.

A file offers `Config`, a frozen dataclass with the published values as defaults, and
`Objective(model, config)`, an `nn.Module` called on a `Pretext` batch that returns terms, among
them `"loss"`. `model` is a `Classifier`: without labels it has a backbone and no head. An objective
that keeps an average of weights offers `after_step(step, steps)`. One whose steps differ in kind
offers `before_step(step)`, which returns the kind's name; operations are counted once for each. One
that draws some records more often than others offers `draw_weights(learned)`: a weight a record, or
None if all are alike. One whose batches are of another kind offers `batches(learned, judged, fit,
seed)`, which returns the fields of a `fit.Work` that differ then. Its `Config` may say as
`held_out` which share of the patients is not learned from but judges; if that may be 0, those of
valid judge, and what goes on from such a pretraining should hold nobody out either.

In place of `Objective` a file may offer `search(network, config, material, settings, seed, state)`:
a series of fits, each of another objective, that takes what it needs of `ecgpipe.pretraining` and
returns its `Learnt`.
`tests/contracts/test_objectives.py` holds every file to this.
"""
