"""The loop: step, schedule, validate, stop, resume, cost.

Everything random in a step follows from (seed, step): batches, crops, views, dropout. A resumed
run therefore equals an uninterrupted one without any generator's state being kept.
"""

import copy
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Generator, Tensor, nn

from ecgpipe import outcomes, parallel, states
from ecgpipe.cohort import derive
from ecgpipe.fit_settings import Fit
from ecgpipe.inference import autocast
from ecgpipe.model import Classifier
from ecgpipe.operations import Counter
from ecgpipe.outcomes import History, Progress
from ecgpipe.schedules import parameter_groups, rate_factor

log = logging.getLogger(__name__)

SAVE_SECONDS = 30.0  # at least, between two states kept for resuming


@dataclass(frozen=True)
class Hooks:
    """What is done around an update beside the loss: an adapter's part in the loop."""

    before_step: Callable[[Generator], None] | None = None  # a step's generator, on the host
    penalty: Callable[[], Tensor] | None = None  # added to the loss
    after_step: Callable[[int, int], None] | None = None  # the update, from 1, and how many

    @classmethod
    def of(cls, adapter: ModuleType, network: Classifier) -> "Hooks":
        """Say what an adapter does around every update of a network, as far as it offers it."""
        names = ("before_step", "penalty", "after_step")
        offered = {name: getattr(adapter, name) for name in names if hasattr(adapter, name)}
        return cls(**{name: partial(hook, network) for name, hook in offered.items()})


@dataclass(frozen=True)
class Work:
    """What is to be fitted: a loss on batches, and how its progress is judged."""

    loss: nn.Module  # an objective or a method: called on a batch, returns terms with "loss"
    model: Classifier  # what is validated and kept; a part of the loss
    make_batch: Callable[[int, Generator], tuple[Any, ...]]  # of a step, with its generator
    name_records: Callable[[int], list[str]]  # in a step's batch, for the message about a NaN
    validate: Callable[[nn.Module], float]  # higher is better
    measure: str  # what `validate` returns: a column of the history
    example: Tensor  # one crop, for counting operations
    samples: int  # signals a step, in all processes
    identity: str  # settings and inputs; a state kept under another identity is not resumed
    hooks: Hooks = Hooks()


def fit(work: Work, settings: Fit, *, seed: int, state: Path) -> tuple[History, dict[str, Any]]:
    """Minimise the loss, leave the best weights in `work.model`, return history and cost."""
    loop = Loop(work, settings, seed, state)
    loop.resume()
    while loop.progress.step < settings.steps and not loop.exhausted:
        loop.run_until_validation()
        loop.validate()
        loop.keep()
    work.model.load_state_dict(loop.best)
    work.model.requires_grad_(True)
    return loop.progress.history, loop.cost()


class Loop:
    """One fit in progress."""

    def __init__(self, work: Work, settings: Fit, seed: int, state: Path) -> None:
        self.work, self.settings, self.seed, self.state = work, settings, seed, state
        self.device = work.example.device
        work.loss.to(self.device)
        parallel.share_statistics(work.loss)
        groups = parameter_groups(work.model, work.loss, settings)
        self.learning = [parameter for group in groups for parameter in group["params"]]
        self.optimizer = torch.optim.AdamW(groups, fused=True) if groups else None
        self.average = copy.deepcopy(work.model).requires_grad_(False) if settings.ema else None
        self.best = states.snapshot(work.model)
        self.progress = Progress()
        self.called = torch.compile(work.loss) if settings.compile else work.loss
        self.first_bad = torch.full((), -1, device=self.device)
        self.kept_at = time.monotonic()
        self.held = self.hold_backbone() if settings.head_steps else []

    @property
    def exhausted(self) -> bool:
        """Whether patience is at its end."""
        patience = self.settings.patience
        return patience is not None and self.progress.stale >= patience

    def hold_backbone(self) -> list[nn.Parameter]:
        """Freeze what learns in the backbone; the head goes first."""
        held = [p for p in self.work.model.backbone.parameters() if p.requires_grad]
        for parameter in held:
            parameter.requires_grad_(False)
        return held

    def start_training(self) -> None:
        """Let the norms that learn use the statistics of batches, and the others what they have."""
        self.work.loss.train()
        self.work.model.train()  # a loss may hold only the backbone, which does not tell them apart

    def run_until_validation(self) -> None:
        """Take the steps up to the next validation; write one line of history."""
        began = time.monotonic()
        progress, every = self.progress, self.settings.validate_every
        end = min((progress.step // every + 1) * every, self.settings.steps)
        totals: dict[str, Tensor] = {}
        steps: dict[str, int] = {}  # that have such a term
        self.start_training()
        for step in range(progress.step, end):
            for name, value in self.take_step(step).items():
                totals[name] = totals.get(name, 0) + value.detach()
                steps[name] = steps.get(name, 0) + 1
        means = {name: float(parallel.mean(total)) / steps[name] for name, total in totals.items()}
        self.refuse_nan()
        progress.step = end
        progress.fit_seconds += time.monotonic() - began
        assert self.optimizer is not None
        rate = max(group["lr"] for group in self.optimizer.param_groups)
        seconds = round(progress.fit_seconds, 3)
        row = {"step": end, "seconds": seconds, "flops": progress.flops, "rate": rate, **means}
        progress.history.append(row)

    def take_step(self, step: int) -> dict[str, Tensor]:
        """Make one update; everything random in it follows from the seed and the step."""
        assert self.optimizer is not None, "nothing learns, so there is no step to take"
        if self.held and step >= self.settings.head_steps:
            for parameter in self.held:
                parameter.requires_grad_(True)
            self.held = []
            self.start_training()
        torch.manual_seed(derive(self.seed, step, 1, parallel.rank()))  # dropout
        generator = torch.Generator(self.device)
        generator.manual_seed(derive(self.seed, step, 2))
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * rate_factor(self.settings, step)
        if self.work.hooks.before_step is not None:
            host = torch.Generator().manual_seed(derive(self.seed, step, 3))
            self.work.hooks.before_step(host)
        kind = self.kind_of(step)
        with autocast(self.device, self.settings.mixed):
            batch = self.work.make_batch(step, generator)
        if kind in self.progress.flops_of:
            terms = self.find_gradients(self.called, batch)
        else:
            terms, self.progress.flops_of[kind] = self.count(batch)
        self.progress.flops += self.progress.flops_of[kind]
        parallel.average_gradients(self.learning)
        if self.settings.clip is not None:
            nn.utils.clip_grad_norm_(self.learning, self.settings.clip)
        self.optimizer.step()
        bad = ~torch.isfinite(terms["loss"].detach()) & (self.first_bad < 0)
        self.first_bad = torch.where(bad, step, self.first_bad)
        self.after_step(step)
        return terms

    def kind_of(self, step: int) -> str:
        """Name what sets a step apart: what its loss says that it does, and whether all learns."""
        tell = getattr(self.work.loss, "before_step", None)
        return ("" if tell is None else tell(step)) + (" by the head" if self.held else "")

    def find_gradients(
        self, loss: Callable[..., dict[str, Tensor]], batch: tuple[Any, ...]
    ) -> dict[str, Tensor]:
        """Evaluate the loss on a batch, forward and backward."""
        assert self.optimizer is not None
        with autocast(self.device, self.settings.mixed):
            terms = loss(*batch)
        if self.work.hooks.penalty is not None:
            penalty = self.work.hooks.penalty()
            terms = {**terms, "loss": terms["loss"] + penalty, "penalty": penalty}
        self.optimizer.zero_grad(set_to_none=True)
        terms["loss"].backward()
        return terms

    def count(self, batch: tuple[Any, ...]) -> tuple[dict[str, Tensor], int]:
        """Find the gradients of a step, not compiled, and count the operations of it.

        They stand for the steps of its kind that follow; of what an adapter draws in each (gates,
        ranks), this is one draw.
        """
        with Counter() as counter:
            terms = self.find_gradients(self.work.loss, batch)
        return terms, parallel.size() * counter.operations

    def after_step(self, step: int) -> None:
        """Let the adapter, the average of weights, and a loss that keeps one, follow."""
        if self.work.hooks.after_step is not None:
            self.work.hooks.after_step(step + 1, self.settings.steps)
        if self.average is not None:
            young = (1 + step) / (10 + step)  # at first the average is little but the last weights
            states.follow(self.average, self.work.model, min(self.settings.ema or 0.0, young))
        tell = getattr(self.work.loss, "after_step", None)
        if tell is not None:
            tell(step + 1, self.settings.steps)

    def refuse_nan(self) -> None:
        """Stop at a loss that is no number, naming the records of its batch."""
        step = int(self.first_bad)
        if step >= 0:
            records = self.work.name_records(step)
            raise ValueError(
                f"the loss of step {step} is not a finite number; its batch had the records "
                f"{', '.join(records)}; look at their signals, or lower `rate` or set `clip`"
            )

    def validate(self) -> None:
        """Judge the model, remember it if it is the best so far, log one line."""
        began = time.monotonic()
        progress = self.progress
        score = self.work.validate(self.average or self.work.model)
        if not math.isfinite(score):
            raise ValueError(
                f"{self.work.measure} is {score} at step {progress.step}: the valid part needs "
                "records with and without some label; look at the task's `where` and its split"
            )
        score = float(parallel.mean(torch.tensor(score, dtype=torch.float64, device=self.device)))
        progress.validation_seconds += time.monotonic() - began
        progress.history[-1][self.work.measure] = score
        if score > progress.best or self.settings.keep == "last":
            progress.best, progress.best_step, progress.stale = score, progress.step, 0
            self.best = states.snapshot(self.average or self.work.model)
        else:
            progress.stale += 1
        row = progress.history[-1]
        left = (self.settings.steps - progress.step) * progress.fit_seconds / progress.step
        log.info(
            "step %d/%d  loss %.4f  %s %.4f  %.0f samples/s  %.0f s left",
            progress.step,
            self.settings.steps,
            row["loss"],
            self.work.measure,
            score,
            progress.step * self.work.samples / progress.fit_seconds,
            left,
        )

    def cost(self) -> dict[str, Any]:
        """State what the fit took."""
        work = self.work
        given = (self.progress, work.model, self.learning, work.example, work.samples)
        return outcomes.cost(*given)

    def keep(self) -> None:
        """Keep everything needed to go on after an interruption, beside and renamed."""
        if time.monotonic() - self.kept_at < SAVE_SECONDS or parallel.rank():
            return
        tensors = {f"loss/{k}": v for k, v in states.distinct(self.work.loss.state_dict()).items()}
        tensors |= {f"best/{k}": v for k, v in self.best.items()}
        if self.average is not None:
            tensors |= {f"average/{k}": v for k, v in self.average.state_dict().items()}
        for i, parameter in enumerate(self.learning):
            for key, value in self.optimizer.state[parameter].items():  # type: ignore[union-attr]
                tensors[f"optimizer/{i}/{key}"] = value
        told = {"identity": self.work.identity, "progress": asdict(self.progress)}
        states.write(self.state, tensors, told)
        self.kept_at = time.monotonic()

    def resume(self) -> None:
        """Go on from a kept state, if there is one of the same settings and inputs."""
        kept = states.read(self.state, self.work.identity)
        if kept is None:
            return
        tensors, told = kept
        self.progress = Progress(**told["progress"])
        loss = self.work.loss
        missing, unknown = loss.load_state_dict(states.below("loss/", tensors), strict=False)
        assert not unknown and not set(missing) & states.distinct(loss.state_dict()).keys()
        self.best = states.below("best/", tensors)
        if self.average is not None:
            self.average.load_state_dict(states.below("average/", tensors))
        for i, parameter in enumerate(self.learning):
            state = states.below(f"optimizer/{i}/", tensors)
            self.optimizer.state[parameter] = {  # type: ignore[union-attr]
                key: value.to(parameter.device) for key, value in state.items()
            }
        log.info("resumed at step %d of %d", self.progress.step, self.settings.steps)
