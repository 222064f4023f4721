"""Which weights learn in finetuning, and what is added to them: one file each.

A file offers `Config`, a frozen dataclass with the published values as defaults, `attach(model,
config, labeled)` and `merge(model)`. Both change a `Classifier` in place. `attach` says what
learns through `requires_grad`, the head always (without labels there is none), though its hidden
layers by an update where other layers have one, and adds what it adds without changing an output.
`merge` folds in what was added and leaves the plain model: same outputs, same parameter names as
before `attach`.

`labeled` yields labeled batches without end for those who look before they train, and may be None;
`labeled.epoch` of them show every record once. Who looks leaves no trace in weights, statistics or
gradients.

An adapter may also offer, and the loop or the stage then calls:

- `before_step(model, generator)`, before every update. The generator, on the host, follows from
  seed and step. What a step draws (gates, ranks) is drawn here, as plain values set on modules.
- `penalty(model)`, a tensor that is added to the loss.
- `after_step(model, step, steps)`, after every update, the first of which is 1.
- `factors(model)`, before `merge`: what merging adds, by the names of weights, as pairs of `up`
  (block, outputs, rank) and `down` (block, rank, inputs). Adapter files keep these; without them
  they keep such weights whole.
- `describe(model)`, before `merge`: what is worth knowing of a run, for the adapter file.

What must survive an interruption is in `state_dict()`, or follows from seed and step. A batch norm
of which nothing learns keeps its statistics (`model.Classifier.train`).
`tests/contracts/test_adapters.py` and `tests/test_adapter_files.py` hold every file to this.
"""
