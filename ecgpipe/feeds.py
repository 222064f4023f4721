"""What a finetuning is fed: crops and views of signals, or the tokens of a frozen backbone."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn

from ecgpipe import fit, inference, parallel, registry
from ecgpipe.augment import make_view
from ecgpipe.batches import Labeled, Unlabeled
from ecgpipe.cohort import Cohort, Sampler, TaskRows, are_listed, derive
from ecgpipe.features import Features, behind, encode
from ecgpipe.mixing import mix
from ecgpipe.model import Classifier
from ecgpipe.operations import count_operations
from ecgpipe.scores import Sample, estimate
from ecgpipe.settings import Recipe

log = logging.getLogger(__name__)


class Batches:
    """Labeled and unlabeled records on the device, and the views a recipe makes of them."""

    def __init__(
        self, recipe: Recipe, rows: TaskRows, draw: Path, seed: int, device: torch.device
    ) -> None:
        self.recipe, self.seed, self.device = recipe, seed, device
        train = rows.part == "train"
        drawn = train & are_listed(rows.table, draw)
        self.labeled = rows.load(drawn, device, "labeled train")
        self.valid = rows.load(rows.part == "valid", device, "valid")
        if recipe.shuffled:
            self.labeled = self.labeled.shuffled(derive(seed, 6))
            self.valid = self.valid.shuffled(derive(seed, 7))
        self.sampler = Sampler(len(self.labeled), recipe.fit.batch, derive(seed, 2))
        self.length = self.labeled.samples(recipe.fit.crop)
        self.example = torch.ones(1, self.labeled.signal.shape[1], self.length, device=device)
        self.features: tuple[Features, Features] | None = None
        self.unlabeled: Cohort | None = None
        if recipe.views.keys() & {"weak", "strong"}:
            # with every record labeled, all of them once more stand in for unlabeled ones
            rest = train & ~drawn
            self.unlabeled = rows.load(rest if rest.any() else train, device, "unlabeled train")
            self.unlabeled_sampler = Sampler(
                len(self.unlabeled), recipe.fit.unlabeled, derive(seed, 3)
            )

    def labeled_batch(self, step: int, generator: Generator) -> Labeled:
        """Make the labeled view of a step."""
        index = self.sampler.indices(step).to(self.device)
        signal = self.labeled.random_crops(index, self.length, generator)
        parallel.diverge(generator)
        view = self.view(signal, "labeled", generator)
        return Labeled(view, self.labeled.target[parallel.share(index)])

    def mixed_batch(self, step: int, generator: Generator) -> Labeled:
        """Make the labeled batch of a step, its records mixed where the recipe says so."""
        labeled = self.labeled_batch(step, generator)
        return mix(labeled, self.recipe.mix, generator) if self.recipe.mix else labeled

    def labeled_only(self) -> "LabeledOnly":
        """Yield labeled batches in order, for adapters that look at some before training."""
        return LabeledOnly(self)

    def unlabeled_batch(self, step: int, generator: Generator) -> Unlabeled | None:
        """Make the weak view and the strong one of a step, where the recipe has such."""
        if self.unlabeled is None:
            return None
        index = self.unlabeled_sampler.indices(step).to(self.device)
        signal = self.unlabeled.random_crops(index, self.length, generator)
        parallel.diverge(generator)
        weak = self.view(signal, "weak", generator)
        strong = [self.view(signal, "strong", generator)] if "strong" in self.recipe.views else []
        return Unlabeled(weak, strong, parallel.share(index), of_total=len(self.unlabeled))

    def view(self, signal: Tensor, kind: str, generator: Generator) -> Tensor:
        """Make the labeled, weak or strong view of crops, as the recipe describes it."""
        steps = self.recipe.views.get(kind, ())
        return make_view(signal, steps, self.labeled.montage, generator)

    def make(self, step: int, generator: Generator) -> tuple[Labeled, Unlabeled | None]:
        """Make everything a method sees in one step; each kind of record has its own draws."""
        other = torch.Generator(self.device).manual_seed(derive(generator.initial_seed(), 1))
        return self.mixed_batch(step, generator), self.unlabeled_batch(step, other)

    def make_labeled(self, step: int, generator: Generator) -> tuple[Labeled, None]:
        """Make what a method sees that does not look at unlabeled records."""
        return self.mixed_batch(step, generator), None

    def work(self, method: nn.Module, network: Classifier, identity: str) -> fit.Work:
        """Say what is fitted, and how its progress is judged: by macro AUROC on valid."""

        def name_records(step: int) -> list[str]:
            return list(self.labeled.table["record"].iloc[self.sampler.indices(step).numpy()])

        ignored = self.unlabeled is None or not getattr(method, "uses_unlabeled", True)
        return fit.Work(
            loss=method,
            model=network,
            make_batch=self.make_labeled if ignored else self.make,
            name_records=name_records,
            validate=partial(
                inference.macro_score,
                registry.load("metrics", "auroc"),
                cohort=self.valid,
                seconds=self.recipe.fit.crop,
                mixed=self.recipe.fit.mixed,
            ),
            measure="valid_auroc",
            example=self.example,
            samples=self.recipe.fit.batch + (0 if ignored else self.recipe.fit.unlabeled),
            identity=identity,
        )

    def encoded(
        self, network: Classifier, method: type[nn.Module]
    ) -> tuple[Classifier, "Encoded"] | None:
        """Let the head of a frozen backbone learn from tokens computed once; None if it cannot.

        It can where nothing else learns, the method sees labeled records alone, as they are.
        """
        frozen = not any(parameter.requires_grad for parameter in network.backbone.parameters())
        seen = self.recipe.views or self.recipe.mix
        if not frozen or seen or getattr(method, "uses_unlabeled", True):
            return None
        if self.features is None:  # once for all trials of a search
            told = (self.recipe.fit.crop, self.recipe.fit.mixed)
            labeled, valid = (encode(network, of, *told) for of in (self.labeled, self.valid))
            if labeled is None or valid is None:
                log.info("the tokens of all crops are too many to keep: encoded in every step")
                return None
            self.features = labeled, valid
        return behind(network), Encoded(self, *self.features)

    def cost_of(self, network: Classifier) -> dict[str, Any]:
        """Correct nothing of what the loop measured."""
        return {}


class LabeledOnly:
    """Labeled batches without end, each time from the first."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches
        self.epoch = -(-len(batches.labeled) // batches.recipe.fit.batch)  # show every record once

    def __iter__(self) -> Iterator[Labeled]:
        for step in count():
            seed = derive(self.batches.seed, 4, step)
            generator = torch.Generator(self.batches.device).manual_seed(seed)
            yield self.batches.labeled_batch(step, generator)


class Encoded:
    """Tokens of labeled and valid records, for a head alone."""

    def __init__(self, batches: Batches, labeled: Features, valid: Features) -> None:
        self.batches, self.labeled, self.valid = batches, labeled, valid

    def make(self, step: int, generator: Generator) -> tuple[Labeled, None]:
        """Make the labeled batch of a step: one crop of each record."""
        index = self.batches.sampler.indices(step).to(self.batches.device)
        tokens = self.labeled.draw(index, generator)
        return Labeled(tokens, self.labeled.target[parallel.share(index)]), None

    def validate(self, network: nn.Module) -> float:
        """Score the head by macro AUROC on valid."""
        assert isinstance(network, Classifier) and network.head is not None
        probability = self.valid.probabilities(network.head)
        target = self.valid.target.cpu().numpy().astype(bool)
        sample = Sample(target, probability, np.zeros(target.shape[1]))
        return float(estimate(registry.load("metrics", "auroc"), sample)[0])

    def work(self, method: nn.Module, network: Classifier, identity: str) -> fit.Work:
        """Say what is fitted, and how its progress is judged."""
        return replace(
            self.batches.work(method, network, identity),
            make_batch=self.make,
            validate=self.validate,
            example=self.labeled.tokens[:1],
            samples=self.batches.recipe.fit.batch,
        )

    def cost_of(self, network: Classifier) -> dict[str, Any]:
        """State the cost of the whole model, and of encoding what is learnt from."""
        flops = count_operations(network, self.batches.example)
        return {
            "encoding_seconds": self.labeled.seconds,
            "encoding_flops": flops * len(self.labeled.tokens),
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "flops_per_sample": flops,
        }
