"""Greedy forward chaining: pretexts one after another, each the one that helps a probe the most.

At every place of the chain each pretext that is not in it yet is tried: from the chain's encoder as
it is, with a head and an optimiser of its own (Reed et al. 2021 hand over the encoder alone). A
linear probe then reads the labels of `tasks` off the encoder's embeddings, on train patients that
no link learns from. The best pretext is appended if the probe gains more by it than the standard
error of that gain; else the chain ends. So n pretexts cost at most n (n + 1) / 2 links, and all of
them are counted.

Labels serve the probe only: links see none, and the network that comes out has no head.
"""

import logging
import time
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ecgpipe import parallel, states
from ecgpipe.cohort import derive
from ecgpipe.fit_settings import Fit
from ecgpipe.model import Classifier
from ecgpipe.objectives._links import Link, sum_up
from ecgpipe.pretraining import Learnt, Material, find
from ecgpipe.probing import Probe, gain
from ecgpipe.scores import Measured
from ecgpipe.settings import build

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Config:
    """Which pretexts there are, and what is worth a place."""

    pretexts: tuple[dict[str, Any], ...]  # objectives; `fit` of each: what differs from the chain's
    most: int | None = None  # links of the chain; None: as many as there are pretexts
    standard_errors: float = 1.0  # of its gain, by more than which a link must help
    held_out: float = 0.2  # of the train patients, by whom links are judged

    def __post_init__(self) -> None:
        names = [pretext.get("name") for pretext in self.pretexts]
        if not names or {None, "chain"} & set(names) or len(set(names)) < len(names):
            raise ValueError(
                f"chain: pretexts {names}: expected the names of objectives, each once"
            )
        if self.most is not None and self.most < 1:
            raise ValueError(f"chain: most {self.most} must be 1 or more")
        if self.standard_errors < 0 or not 0 < self.held_out < 1:
            raise ValueError(
                f"chain: standard_errors {self.standard_errors} must not be negative, held_out "
                f"{self.held_out} lie between 0 and 1"
            )


def search(
    network: Classifier, config: Config, material: Material, settings: Fit, seed: int, state: Path
) -> Learnt:
    """Chain pretexts until none gains; links tried lie in `state` until the whole is done."""
    chain = Classifier(network.backbone)
    left = read_pretexts(config, settings, chain)
    probe = Probe(material.learned, material.judged, settings.crop)
    bench = Bench(material.without_labels(), probe, seed, state)
    tried: list[Link] = []
    start = before = probe(chain)
    for place in range(1, len(left) + 1)[: config.most]:
        here = [bench.link(place, pretext, chain, before) for pretext in left]
        tried += [link for link, _ in here]
        best, weights = max(here, key=lambda pair: pair[0].valid_probe)
        if best.gain <= config.standard_errors * best.standard_error:
            break
        best.kept = True
        left = [pretext for pretext in left if pretext.name != best.pretext]
        chain.load_state_dict(weights)
        before = probe(chain)
    return sum_up(chain, tried, (start, before), material.labels)


@dataclass(frozen=True)
class Pretext:
    """An objective, and how it is minimised."""

    number: int  # among all pretexts
    objective: dict[str, Any]
    fit: Fit

    @property
    def name(self) -> str:
        """Name the objective."""
        return self.objective["name"]


def read_pretexts(config: Config, settings: Fit, network: Classifier) -> list[Pretext]:
    """Read what each link would be; refuse at once what would otherwise fail after hours."""
    pretexts = []
    for number, told in enumerate(config.pretexts):
        objective = {key: value for key, value in told.items() if key != "fit"}
        where = f"objective chain: pretext {told['name']}"
        own = build(Fit, asdict(settings) | told.get("fit", {}), f"{where}: fit")
        if not own.steps or own.ema is not None or len(own.trials) != 1:
            raise ValueError(
                f"{where}: steps {own.steps}, ema {own.ema}, {len(own.trials)} trials; a link "
                "takes steps, at one rate and weight decay, and its own weights are judged"
            )
        chosen, values = find(objective, "objective")
        chosen.Objective(deepcopy(network), values)
        pretexts.append(Pretext(number, objective, own.trials[0]))
    return pretexts


@dataclass(frozen=True)
class Bench:
    """Where links are tried: all on the same patients."""

    material: Material
    probe: Probe
    seed: int
    state: Path

    def link(
        self, place: int, pretext: Pretext, chain: Classifier, before: Measured
    ) -> tuple[Link, dict[str, Tensor]]:
        """Try a pretext from the chain's encoder, or read what came of it before a break."""
        folder = self.state / f"{place}-{pretext.name}"
        kept = states.read(folder / "done", self.material.identity)
        if kept is not None:
            weights, told = kept
            return Link(**told["link"]), weights
        link, weights = self.fit(place, pretext, chain, before, folder)
        if parallel.rank() == 0:
            told = {"identity": self.material.identity, "link": asdict(link)}
            states.write(folder / "done", weights, told)
        return link, weights

    def fit(
        self, place: int, pretext: Pretext, chain: Classifier, before: Measured, folder: Path
    ) -> tuple[Link, dict[str, Tensor]]:
        """Fit one link with a new head and optimiser, and probe what comes out."""
        own = derive(self.seed, 3, place, pretext.number)
        torch.manual_seed(derive(own, 0))  # the new head's weights
        network = deepcopy(chain)
        learnt = self.material.learn(network, pretext.objective, pretext.fit, own, folder)
        began = time.monotonic()
        after = self.probe(network)
        told = torch.tensor([float(after.value[0]), *gain(after, before)], dtype=torch.float64)
        told = parallel.mean(told.to(self.material.learned.signal.device))
        score, gained, error = told.tolist()
        log.info("%d: %s probes at %.4f, %+.4f (%.4f)", place, pretext.name, score, gained, error)
        probing = time.monotonic() - began
        more = {key: learnt.cost[key] + probing for key in ("seconds", "validation_seconds")}
        assert isinstance(pretext.fit.rate, float), "one rate each"
        link = Link(
            place=place,
            pretext=pretext.name,
            rate=pretext.fit.rate,
            loss=learnt.history[-1]["loss"],
            gain=gained,
            standard_error=error,
            valid_probe=score,
            cost=learnt.cost | more,
        )
        return link, states.snapshot(network)
