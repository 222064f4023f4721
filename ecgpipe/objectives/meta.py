"""Meta-learning: weights from which a few windows of a patient are enough to adapt to them.

A patient is a task with a support to adapt to and a query that judges the adapted weights:

- `fomaml`: their gradient, as if they did not depend on where they came from; `maml`: the exact one
  (Finn et al. 2017)
- `anil`: only the head adapts, on tokens that the backbone gives once; exact (Raghu et al. 2020)
- `reptile`: the way from the weights to the adapted ones, whatever the query (Nichol et al. 2018)

All tasks of a batch adapt at once (`ecgpipe.per_task`). Norms with running statistics use those
they started with, so no patient's windows change another's: start from a trained network, or take
a backbone without such norms (`va_net`). MetaVA (Zhang et al. 2022, arXiv:2202.12450) is `fomaml`
of 9 tasks with 20 shots, 50 inner steps at 0.001, and the order `published`.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Float64, Int
from torch import Generator, Tensor, nn

from ecgpipe import curriculum, parallel, per_task
from ecgpipe.cohort import Cohort, derive
from ecgpipe.curriculum import Curriculum
from ecgpipe.episodes import Draw, Episodes, Pool, Windows, list_patients
from ecgpipe.features import behind
from ecgpipe.fit_settings import Fit
from ecgpipe.inference import autocast
from ecgpipe.inner_loop import InnerLoop, adapt, adapt_through, batches, losses_on
from ecgpipe.model import Classifier
from ecgpipe.per_task import Weights

log = logging.getLogger(__name__)

DESCENTS: dict[str, Callable[..., Weights]] = {
    "fomaml": adapt,
    "maml": adapt_through,
    "anil": adapt_through,
    "reptile": adapt,
}


@dataclass(frozen=True)
class Config:
    """Defaults for two cores."""

    algorithm: str = "fomaml"  # of `DESCENTS`
    tasks: int = 8  # patients of a batch; the `batch` of a fit is not looked at
    draw: Draw = Draw()
    inner: InnerLoop = InnerLoop()
    curriculum: Curriculum = Curriculum()
    draws: int = 5  # episodes of a patient whose mean says how well weights adapt to them
    held_out: float = 0.2  # of the train patients, by whom weights are chosen

    def __post_init__(self) -> None:
        if self.algorithm not in DESCENTS:
            raise ValueError(f"algorithm: {self.algorithm!r}; allowed: {', '.join(DESCENTS)}")
        if min(self.tasks, self.draws) < 1 or not 0 < self.held_out < 1:
            raise ValueError(
                f"meta: tasks {self.tasks} and draws {self.draws} must be positive, held_out "
                f"{self.held_out} between 0 and 1"
            )


class Objective(nn.Module):
    """The loss of a batch of patients after each has adapted."""

    difficulty: Float64[Tensor, " patient"]
    used: Float64[Tensor, " patient"]

    def __init__(self, model: Classifier, config: Config) -> None:
        super().__init__()
        if model.head is None:
            raise ValueError("meta-learning needs labels: name `tasks`, not `datasets`")
        self.model, self.config = model, config

    def forward(self, batch: Episodes) -> dict[str, Tensor]:
        """Return a loss with the algorithm's gradient, and the query's before and after."""
        learner, seen = view(self.model, self.config, batch)
        start = per_task.stack(learner, len(seen.support.weight))
        steps = batches(seen.support, seen.classes, self.config.inner, seen.generator)
        descend = DESCENTS[self.config.algorithm]
        adapted = descend(learner, start, steps, self.config.inner.rate)
        after = losses_on(learner, adapted, seen.query).mean()
        with torch.no_grad():
            before = losses_on(learner, start, seen.query).mean()
        loss = displacement(learner, adapted) if self.config.algorithm == "reptile" else after
        return {"loss": loss, "query_before": before, "query_after": after, **batch.told}

    def batches(self, learned: Cohort, judged: Cohort, fit: Fit, seed: int) -> dict[str, Any]:
        """Say how a fit draws patients and is judged; what it keeps is kept with the objective."""
        own = Batches(self, learned, judged, fit, seed)
        return {
            "make_batch": own.make,
            "name_records": own.name_records,
            "validate": own.validate,
            "measure": "valid_loss_negated",
            "samples": own.samples,
        }


def view(model: Classifier, config: Config, batch: Episodes) -> tuple[nn.Module, Episodes]:
    """Return what adapts, and the batch as it sees it."""
    if config.algorithm != "anil":
        return model, batch
    support, query = encode(model, batch.support), encode(model, batch.query)
    return behind(model), replace(batch, support=support, query=query)


def encode(model: Classifier, windows: Windows) -> Windows:
    """Replace signals by tokens, which are the same whatever the head's weights."""
    assert model.head is not None
    with per_task.statistics_fixed(model):
        tokens, recorded = model.backbone.encode(windows.signal.flatten(0, 1))
    few = model.head.summarise(tokens, recorded)
    return replace(windows, signal=few.unflatten(0, windows.weight.shape))


def displacement(model: nn.Module, adapted: Weights) -> Float[Tensor, ""]:
    """Return half the squared way to the mean of the adapted weights; its gradient is the way."""
    own = dict(model.named_parameters())
    ways = [own[name] - weight.detach().mean(dim=0) for name, weight in adapted.items()]
    return torch.stack([way.square().sum() for way in ways]).sum() / 2


def losses_after(
    model: Classifier, config: Config, pool: Pool, seed: int
) -> Float64[Tensor, " patient"]:
    """Return every patient's query loss after adaptation: the mean over draws, the same each time.

    Classes count alike, so that how many windows carry a label is no difficulty.
    """
    was_training = model.training
    model.eval()
    device, count = pool.cohort.signal.device, len(pool.patients)
    whole = torch.arange(-(-count // config.tasks) * config.tasks, device=device) % count
    losses = []
    for draw in range(config.draws):
        for place, task in enumerate(whole.split(config.tasks)):
            generator = torch.Generator(device).manual_seed(derive(seed, draw, place))
            learner, seen = view(model, config, pool.sample(task, generator))
            start = per_task.stack(learner, len(seen.support.weight))
            steps = batches(seen.support, seen.classes, config.inner, generator)
            adapted = adapt(learner, start, steps, config.inner.rate)
            with torch.no_grad():
                losses.append(parallel.gather(losses_on(learner, adapted, seen.query)))
    model.train(was_training)
    return torch.cat(losses).double().unflatten(0, (config.draws, -1))[:, :count].mean(dim=0)


class Batches:
    """Patients step by step, as the curriculum has it, and those held out as the judges."""

    def __init__(
        self, objective: Objective, learned: Cohort, judged: Cohort, fit: Fit, seed: int
    ) -> None:
        self.objective, self.config, self.fit, self.seed = objective, objective.config, fit, seed
        draw, length = self.config.draw, learned.samples(fit.crop)
        self.pool = Pool(learned, list_patients(learned, draw), draw, length)
        held_out = list_patients(judged, draw)
        two_classes = held_out.shared().sum(dim=1) > 1
        self.judges = Pool(judged, held_out.of(two_classes), draw, length)
        self.positive = self.pool.patients.shared()[:, 1:].any(dim=1)
        self.refuse_few(len(self.pool.patients), len(self.judges.patients))
        log.info("%d patients are tasks, %d with a label", len(self.positive), self.positive.sum())
        told = "%d held-out patients judge, %d have windows of one class and cannot"
        log.info(told, len(self.judges.patients), (~two_classes).sum())
        for name in ("difficulty", "used"):
            objective.register_buffer(name, torch.zeros(len(self.positive), dtype=torch.float64))
        self.drawn: dict[int, Tensor] = {}

    @property
    def samples(self) -> int:
        """Count the windows of a step."""
        draw, classes = self.config.draw, self.pool.patients.count.shape[1]
        return self.config.tasks * classes * (draw.shots + draw.query)

    def refuse_few(self, tasks: int, judges: int) -> None:
        """Raise where there are too few patients to learn from or to judge by."""
        if tasks < self.config.tasks or not self.positive.any():
            raise ValueError(
                f"meta: {tasks} patients have two windows of a class, {int(self.positive.sum())} "
                f"two with a label; a batch takes {self.config.tasks} (`tasks` of the objective)"
            )
        if not judges:
            raise ValueError(
                "meta: none of the held-out patients has two windows of two classes; raise "
                f"`held_out` of the objective, {self.config.held_out}"
            )

    def make(self, step: int, generator: Generator) -> tuple[Episodes]:
        """Draw the patients of a step and their windows."""
        if self.config.curriculum.looks(step, self.fit.steps):
            self.look(step)
        task, told = self.choose(step, generator)
        self.objective.used.index_add_(0, task, torch.ones_like(task, dtype=torch.float64))
        self.drawn[step] = task
        batch = self.pool.sample(task, generator)
        parallel.diverge(generator)
        return (replace(batch, told=told),)

    def look(self, step: int) -> None:
        """Take the difficulty of every patient to the weights as they are now."""
        new = losses_after(self.objective.model, self.config, self.pool, derive(self.seed, step))
        kept = self.config.curriculum.kept if step else 0.0
        self.objective.difficulty.lerp_(new, 1 - kept)

    def choose(
        self, step: int, generator: Generator
    ) -> tuple[Int[Tensor, " task"], dict[str, Tensor]]:
        """Choose the patients of a step; tell of the choice what a history should show."""
        asked, few = self.config.curriculum, self.config.tasks
        difficulty, used = self.objective.difficulty, self.objective.used
        if asked.order == "published":
            given = difficulty, self.positive, used, step, few, generator
            task, told = curriculum.draw_published(*given), {}
        else:
            share = asked.share(step, self.fit.steps)
            place = curriculum.places(asked.order, difficulty, self.seed)
            admitted = curriculum.admit(place, share, few)
            weight = 1 / (1 + used) if share < 1 else torch.ones_like(used)
            task = curriculum.draw(admitted, self.positive, weight, few, generator)
            told = {"admitted": admitted.double().mean()}
        hard = {"difficulty": difficulty[task].mean()} if asked.by_difficulty else {}
        return task, {"seen": (used > 0).double().mean(), **told, **hard}

    def name_records(self, step: int) -> list[str]:
        """Name the records of the patients of a step."""
        code = self.pool.patients.code[self.drawn[step]]
        table = self.pool.cohort.table
        mine = torch.isin(self.pool.cohort.patient, code).cpu().numpy()
        return sorted(set(table.loc[mine, "record"]))

    def validate(self, network: nn.Module) -> float:
        """Judge weights by the loss of the held-out patients after adaptation, negated."""
        assert isinstance(network, Classifier)
        with autocast(self.pool.cohort.signal.device, self.fit.mixed):
            losses = losses_after(network, self.config, self.judges, derive(self.seed, 0))
        return -float(losses.mean())
