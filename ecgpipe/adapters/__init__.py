"""Which weights learn in finetuning, and what is added to them: one file each.

A file offers `Config`, a frozen dataclass with the published values as defaults, `attach(model,
config, labeled)` and `merge(model)`. Both change a `Classifier` in place. `attach` says what
learns through `requires_grad`, the head always, and adds what it adds without changing an output;
`labeled` yields labeled batches for those who look before they train, and may be None. `merge`
folds in what was added and leaves the plain model: same outputs, same parameter names as before
`attach`. Where it has them, `penalty(model)` is added to the loss, and `after_step(model, step,
steps)` is called after every update. A batch norm of which nothing learns keeps its statistics
(`model.Classifier.train`). `tests/contracts/test_adapters.py` holds every file to this.
"""
