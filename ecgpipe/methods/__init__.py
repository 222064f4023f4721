"""The loss on labeled and unlabeled batches in finetuning: one file each.

A file offers `Config`, a frozen dataclass with the published values as defaults, and
`Method(model, config, teacher)`, an `nn.Module` called as `method(labeled, unlabeled)` that returns
terms, among them `"loss"` and `"supervised"`. `unlabeled` is None where a recipe makes no weak and
strong views, `teacher` is None in round 1. A method that keeps an average of weights offers
`after_step(step, steps)`; one that does not look at unlabeled records says so by
`uses_unlabeled = False`, and none are made for it. `tests/contracts/test_methods.py` holds every
file to this.
"""
