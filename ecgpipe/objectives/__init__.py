"""What pretraining minimises: one file each.

A file offers `Config`, a frozen dataclass with the published values as defaults, and
`Objective(model, config)`, an `nn.Module` called on a `Pretext` batch that returns terms, among
them `"loss"`. `model` is a `Classifier`: without labels it has a backbone and no head. An objective
that keeps an average of weights offers `after_step(step, steps)`.
`tests/contracts/test_objectives.py` holds every file to this.
"""
