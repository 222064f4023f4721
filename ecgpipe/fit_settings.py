"""How a loss is minimised: the part of the settings that pretrainings and recipes share."""

import dataclasses
from itertools import product


@dataclasses.dataclass(frozen=True)
class Fit:
    """How a loss is minimised; shared by pretraining and finetuning."""

    steps: int  # optimiser updates
    validate_every: int  # steps; one line of history and one look at the valid part
    batch: int = 64  # records (labeled ones, where there are unlabeled ones too)
    unlabeled: int = 64  # unlabeled records in a batch, where the method uses them
    crop: float = 2.5  # seconds
    rate: float | tuple[float, ...] = 1e-2  # of learning; several are tried on valid, the best kept
    rate_decay: float = 1.0  # the stem learns at rate times this, the layers between in even steps
    head_steps: int = 0  # at first only the head learns, this long
    schedule: str = "one_cycle"  # or `cosine`, `linear`, `constant`
    warmup: float = 0.0  # share of the steps; a cycle has its own
    weight_decay: float | tuple[float, ...] = 1e-2  # several are tried as rates are
    clip: float | None = None  # largest norm of the gradient
    ema: float | None = None  # decay of the average of weights that is validated and kept
    keep: str = "best"  # the weights that did best on valid, or the `last`, where a loss misleads
    patience: int | None = None  # so many validations without improvement end the fit
    mixed: bool = True  # compute in bfloat16 where the hardware does so natively
    compile: bool = False

    def __post_init__(self) -> None:
        schedules = ("one_cycle", "cosine", "linear", "constant")
        if self.schedule not in schedules:
            raise ValueError(f"schedule: {self.schedule!r}; allowed: {', '.join(schedules)}")
        if self.keep not in ("best", "last"):
            raise ValueError(f"keep: {self.keep!r}; allowed: best, last")
        allowed = {
            "steps": self.steps >= 0,
            "validate_every": self.validate_every >= 1,
            "batch": self.batch >= 1,
            "unlabeled": self.unlabeled >= 1,
            "crop": self.crop > 0,
            "rate": self.rate != () and all(rate > 0 for rate in several(self.rate)),
            "weight_decay": self.weight_decay != () and min(several(self.weight_decay)) >= 0,
            "head_steps": self.head_steps >= 0,
            "warmup": 0 <= self.warmup < 1 and (not self.warmup or self.schedule != "one_cycle"),
            "ema": self.ema is None or 0 < self.ema < 1,
            "patience": self.patience is None or (self.patience >= 1 and self.keep == "best"),
        }
        if wrong := [f"{name} {getattr(self, name)}" for name, fine in allowed.items() if not fine]:
            raise ValueError(f"out of range (config/README.md has the keys): {', '.join(wrong)}")

    @property
    def trials(self) -> tuple["Fit", ...]:
        """What to try, with one rate and one weight decay each: one fit, or a search."""
        pairs = product(several(self.rate), several(self.weight_decay))
        return tuple(dataclasses.replace(self, rate=r, weight_decay=w) for r, w in pairs)


def several(value: float | tuple[float, ...]) -> tuple[float, ...]:
    """List the values of a setting that may be searched."""
    return value if isinstance(value, tuple) else (value,)
