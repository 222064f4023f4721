"""A generated study for the tables and figures: four arms, two tasks, and one from elsewhere."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

FS, LEADS = 100, ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
TASKS = {
    "ptbxl-superdiag": ("CD", "HYP", "MI", "NORM", "STTC"),
    "ptbxl-rhythm": ("AFIB", "SR"),
    "georgia-rhythm": ("AFIB", "SR"),
}
CONDITIONS = {"clean": {}, "limb-leads": {"missing": ["V1", "V6"]}, "half": {"gain": 0.5}}
CONDITIONS |= {f"white-{snr}db": {"noise": "white", "snr": snr} for snr in (24, 12, 6, 0, -6)}
CONDITIONS |= {f"muscle-{snr}db": {"noise": "nstdb/ma", "snr": snr} for snr in (12, 6, 0)}
RECORDS = 300


@pytest.fixture(scope="session")
def study():
    from ecgpipe.studies import Grid, Study

    own = {"splits": ("standard",), "seeds": (0, 1, 2)}
    both = own | {"tasks": ("ptbxl-superdiag", "ptbxl-rhythm"), "budgets": ("0.05", "1.0")}
    elsewhere = own | {"tasks": ("ptbxl-rhythm",), "budgets": ("1.0",)}
    elsewhere["scored_on"] = ("ptbxl-rhythm", "georgia-rhythm")
    explained = own | {"tasks": ("ptbxl-superdiag",), "budgets": ("1.0",), "explanation": "small"}
    random, supervised = ("random-xresnet1d18",), ("supervised-xresnet1d18",)
    grids = (
        Grid(random, ("probe", "scratch"), **both, conditions=tuple(CONDITIONS)),
        Grid(supervised, ("probe", "self_training"), **both, conditions=tuple(CONDITIONS)),
        Grid(supervised, ("probe",), **elsewhere),
        Grid(random, ("probe", "scratch"), **explained),
        Grid(supervised, ("probe", "self_training"), **explained),
    )
    return Study("generated", grids, ("main",), ("label_efficiency",))


@pytest.fixture(scope="session")
def needs(study, tmp_path_factory):
    """Everything a table or figure may read."""
    return make_needs(study, tmp_path_factory.mktemp("results"))


def make_needs(study, results):
    from ecgpipe import render, studies

    runs = studies.runs(study)
    skills = {arm: 0.5 + 0.2 * i for i, arm in enumerate(dict.fromkeys(run.arm for run in runs))}
    rng = np.random.default_rng(0)
    paths = tuple((run, results / f"{i}.h5") for i, run in enumerate(runs))
    scores = []
    for run, path in paths:
        skill = skills[run.arm] + (0.25 if run.budget == "1.0" else 0) + 0.02 * run.seed
        predicted = predict(TASKS[run.scored_on], skill, rng)
        write_predictions(path, predicted, embed(predicted, skill, rng) if frozen(run) else None)
        scores += score_lines(run, predicted, rng)
    explained = tuple(
        (run, path.with_name(f"attributions-{path.stem}.csv"))
        for run, path in paths
        if run.explanation
    )
    for run, path in explained:
        explain(skills[run.arm], rng).to_csv(path, index=False)
        write_examples(path.with_suffix(".h5"), skills[run.arm], rng)
    trained = {run.folder: run for run in runs}.values()
    costs = [*pretraining_costs(runs), *(line for run in trained for line in cost_lines(run, rng))]
    histories = [line for run in trained for line in history_lines(run, skills)]
    return render.Needs(
        study,
        scores=pd.DataFrame(scores),
        comparisons=pd.DataFrame(comparison_lines(runs, skills, rng)),
        costs=pd.DataFrame(costs),
        histories=pd.DataFrame([*histories, *search_lines(rng)]),
        estimates=pd.DataFrame(estimate_lines(trained)),
        conditions=render.read_conditions({"conditions": CONDITIONS}),
        predictions=paths,
        attributions=explained,
        shards=(make_shard(results / "shard.h5"),),
    )


def frozen(run):
    return run.recipe == "probe"


def key(run):
    names = ("pretraining", "recipe", "task", "split", "budget", "seed")
    return {name: getattr(run, name) for name in names}


def predict(labels, skill, rng):
    """Valid and test records whose logits are separated by `skill`."""
    truth = np.random.default_rng(7).random((2 * RECORDS, len(labels)))
    target = truth < np.linspace(0.08, 0.45, len(labels))
    logit = skill * (2 * target - 1) - 1 + rng.normal(size=target.shape)
    return {"labels": labels, "target": target, "probability": 1 / (1 + np.exp(-1.3 * logit))}


def embed(predicted, skill, rng):
    """Test records that lie apart by their labels, the more the better the arm."""
    target = predicted["target"][RECORDS:]
    corners = np.random.default_rng(11).normal(size=(target.shape[1], 16))
    return 2 * skill * target @ corners + rng.normal(size=(RECORDS, 16))


def write_predictions(path, predicted, embedding):
    from ecgpipe.predictions import Predictions, write

    names = np.array([f"{i:05d}" for i in range(2 * RECORDS)])
    part = np.repeat(["valid", "test"], RECORDS)
    patient = np.array([f"generated:{i // 10:03d}" for i in range(2 * RECORDS)])
    columns = {"record": names, "patient": patient, "start": np.zeros(len(names)), "part": part}
    clean = Predictions(**columns, **predicted)
    write(path, {"clean": clean}, {}, embedding, [] if embedding is None else adapt(clean))


def adapt(clean):
    """What is said after adaptation to the first two or four of each patient's ten records."""
    from ecgpipe.predictions import Adapted

    place = np.arange(2 * RECORDS) % 10
    rank, row = np.where(place < 4, place // 2, -1), np.flatnonzero(place >= 4)
    better = np.where(clean.target, 0.8, 0.2)[row]
    said = {shots: (clean.probability[row] + shots * better) / (1 + shots) for shots in (1, 2)}
    return [Adapted(draw, rank, row, said) for draw in ("chronological", "random-0")]


def score_lines(run, predicted, rng):
    from sklearn.metrics import average_precision_score, roc_auc_score

    target, probability = predicted["target"][RECORDS:], predicted["probability"][RECORDS:]
    lines = []
    for metric, score in {
        "auroc": roc_auc_score,
        "average_precision": average_precision_score,
        "f_beta": lambda t, p: float(((p > 0.3) == t).mean()),
    }.items():
        values = [float(score(t, p)) for t, p in zip(target.T, probability.T, strict=True)]
        own = {**key(run), "scored_on": run.scored_on, "condition": "clean", "metric": metric}
        rows = [("macro", np.mean(values), len(values), 1)]
        rows += [
            (label, value, count, 0)
            for label, value, count in zip(
                predicted["labels"], values, target.sum(axis=0), strict=True
            )
        ]
        empty = {"shots": np.nan, "draw": np.nan}
        for label, value, n, absent in rows:
            half = 0.05 * (1 - value) + 0.01 * rng.random()
            measured = {"value": value, "low": value - half, "high": value + half}
            counted = {"label": label, "n": int(n), "absent": absent}
            lines.append({**own, **empty, **counted, **measured})
        if metric == "auroc":
            lines += [lines[-len(rows)] | changed for changed in disturbed(run, lines[-len(rows)])]
    return lines


def disturbed(run, clean):
    """What is left of a macro score under noise, missing leads or half the gain."""
    for name in run.conditions[1:]:
        snr = CONDITIONS[name].get("snr", 15) + 5 * run.pretraining.startswith("supervised")
        change = -(clean["value"] - 0.5) / (1 + np.exp((snr + run.seed) / 5))
        yield {
            "condition": name,
            "value": clean["value"] + change,
            "low": clean["low"] + 1.1 * change,
            "high": clean["high"] + 0.9 * change,
            "change": change,
            "change_low": 1.2 * change - 0.004,
            "change_high": 0.8 * change + 0.004,
        }


def comparison_lines(runs, skills, rng):
    blocks = dict.fromkeys((run.task, run.budget) for run in runs)
    for (task, budget), (a, b) in itertools.product(blocks, itertools.combinations(skills, 2)):
        difference = 0.03 * (skills[a] - skills[b]) + rng.normal(scale=0.01)
        p = float(np.exp(-abs(difference) / 0.005))
        verdict = "tie" if p > 0.05 else "win" if difference > 0 else "loss"
        place = {"task": task, "split": "standard", "budget": budget, "scored_on": task}
        arms = {"condition": "clean", "metric": "auroc", "arm_a": a, "arm_b": b}
        interval = {"low": difference - 0.01, "high": difference + 0.01, "seed_sd": 0.004}
        yield {**place, **arms, "difference": difference, **interval, "p": p, "p_holm": p} | {
            "verdict": verdict
        }


def pretraining_costs(runs):
    for pretraining, split, seed in dict.fromkeys((r.pretraining, r.split, r.seed) for r in runs):
        told = {"pretraining": pretraining, "split": split, "seed": seed, "device": "cpu"}
        steps = 0 if pretraining.startswith("random") else 5000
        speed = {"seconds_per_step": 0.17, "samples_per_second": 377.0, "flops_per_sample": 3.1e7}
        speed["flops_per_step"] = 3 * 64 * 3.1e7
        own = {"seconds": 900.0, "steps": steps, "trainable": 1e6, **speed}
        yield {"stage": "pretrain", **told, **own}


def cost_lines(run, rng):
    rounds = 2 if run.recipe == "self_training" else 1
    for number in range(1, rounds + 1):
        yield {"stage": "finetune", **key(run), "round": number} | {
            "seconds": 150 + 9 * rng.random(),
            "seconds_per_step": 0.081,
            "steps": 1800,
            "samples_per_second": 790.0,
            "validation_seconds": 11.0,
            "peak_bytes": np.nan,
            "peak_host_bytes": 1.2e9,
            "trainable": 645 if run.recipe == "probe" else 4_056_773,
            "parameters": 4_056_773,
            "adapter_bytes": 2580,
            "encoding_seconds": 4.0 if frozen(run) else np.nan,
            "flops_per_sample": 3.1e7,
            "flops_per_step": 3 * 64 * 3.1e7,
            "device": "cpu",
            "threads": 1,
        }


def history_lines(run, skills):
    rng = np.random.default_rng(run.seed)
    for number in range(1, 3 if run.recipe == "self_training" else 2):
        for step in range(200, 2001, 200):
            learnt = 1 - np.exp(-step / 500)
            yield {"stage": "finetune", **key(run), "round": number, "step": step} | {
                "seconds": 0.08 * step,
                "flops": 3 * 64 * 3.1e7 * step,
                "rate": 0.01,
                "loss": 0.6 - 0.1 * skills[run.arm] * learnt + 0.01 * rng.normal(),
                "valid_auroc": 0.6 + 0.15 * skills[run.arm] * learnt + 0.005 * rng.normal(),
            }


def search_lines(rng):
    """What a search for a chain of two pretexts tried, and at which it stopped."""
    tried = {1: ("transforms", "location", "masked"), 2: ("transforms", "location")}
    for seed in (0, 1, 2):
        told = {"stage": "pretrain", "pretraining": "supervised-xresnet1d18", "split": "standard"}
        told |= {"seed": seed, "kept": 1}
        yield told | {"step": 0, "place": 0, "pretext": "start", "valid_probe": 0.6}
        links = [(place, pretext) for place, those in tried.items() for pretext in those]
        for number, (place, pretext) in enumerate(links, start=1):
            gain = {"masked": 0.1, "location": 0.04}.get(pretext, 0.01) + 0.01 * rng.random()
            link = {"step": 500 * number, "place": place, "pretext": pretext, "gain": gain}
            link |= {"kept": int(link["pretext"] == {1: "masked", 2: "location"}[place])}
            score = (0.6 if place == 1 else 0.7) + gain
            yield told | link | {"standard_error": 0.008, "valid_probe": score}


def explain(skill, rng):
    """How the relevance of 60 test records lies; expected regions have more, the better the arm."""
    area = np.array([0.08, 0.04, 0.12, 0.1, 0.2, 0.36, 0.1])
    records = np.repeat(np.arange(RECORDS, RECORDS + 60), 2)
    labels = np.where(records % 3, "CD", "STTC")
    labels[1::2] = "MI"
    lines = []
    for record, label in zip(records, labels, strict=True):
        told = {"record": f"{record:05d}", "patient": f"generated:{record // 10:03d}"}
        told |= {"label": label, "probability": 1 / (1 + np.exp(-skill - rng.normal()))}
        for way, null in itertools.product(
            ("gradient_input", "occlusion"), ("", "shifted", "random")
        ):
            pull = np.isin(np.arange(7), {"CD": [2], "STTC": [3, 4], "MI": [2, 3, 4]}[label])
            mass = area * np.exp((null == "") * skill * pull + 0.4 * rng.normal(size=7))
            mass /= mass.sum()
            ranks = {"mass": mass, "pointing": mass == mass.max(), "rank_accuracy": mass**0.8}
            lines += region_lines(told | {"attribution": way, "null": null}, area=area, **ranks)
        drop = skill * pull + 0.3 * rng.normal(size=7)
        lines += region_lines(told | {"attribution": "removal", "null": ""}, area=area, drop=drop)
    return pd.DataFrame(lines)


def write_examples(path, skill, rng):
    """Relevance of the shard's first two records; more lies in QRS, the better the arm."""
    from ecgpipe import examples
    from ecgpipe.regions import REGIONS

    time = np.arange(10 * FS) / FS % 0.8
    ends = (0.14, 0.26, 0.33, 0.39, 0.48, 0.7, 0.8)  # seconds: TP, P, PR, QRS, ST, T, TP
    names = ("TP", "P", "PR", "QRS", "ST", "T", "TP")
    order = np.array([REGIONS.index(name) for name in names], np.int8)
    region = np.broadcast_to(order[np.searchsorted(ends, time)], (2, len(LEADS), len(time)))
    relevance = rng.normal(size=region.shape) * np.where(region == REGIONS.index("QRS"), 1, 0.1)
    records = [f"{record:05d}" for record in (RECORDS, RECORDS + 1)]
    asked = pd.DataFrame({"record": records, "shard": 0, "row": [0, 1], "label": ["STTC", "CD"]})
    examples.write(path, examples.gather(asked, region, {"gradient_input": skill * relevance}), {})


def region_lines(told, **measures):
    from ecgpipe.regions import REGIONS

    for place, region in enumerate(REGIONS):
        yield told | {"region": region} | {n: float(of[place]) for n, of in measures.items()}


def estimate_lines(runs):
    """What the supervised pretraining foretells of each start, the less the better the seed."""
    keys = ("pretraining", "task", "split", "budget", "seed")
    starts = dict.fromkeys(tuple(getattr(run, name) for name in keys) for run in runs)
    for start in (dict(zip(keys, start, strict=True)) for start in starts):
        if start["pretraining"].startswith("supervised"):
            yield {**start, "records": 100, "melep": 0.5 - 0.05 * start["seed"]}


def make_shard(path: Path):
    """A shard of made signals; beats are bumps every 0.8 s."""
    from ecgpipe.records import Record, Row, write_shard
    from ecgpipe.settings import Preparation

    rng = np.random.default_rng(3)
    seconds = np.arange(10 * FS) / FS
    beats = sum(
        height * np.exp(-(((seconds % 0.8) - middle) ** 2) / (2 * width**2))
        for height, middle, width in ((150, 0.2, 0.02), (1100, 0.36, 0.01), (300, 0.58, 0.04))
    )
    rows = []
    for name in (f"{i:05d}" for i in range(RECORDS, RECORDS + 40)):
        gains = rng.uniform(-0.5, 1.2, (len(LEADS), 1))
        signal = (gains * beats + rng.normal(scale=15, size=(len(LEADS), 10 * FS))).astype(np.int16)
        record = Record(name, f"{int(name) // 10:03d}", Path(name), age=61.0, sex="female")
        rows.append(Row(record, 0.0, signal, "0" * 64))
    preparation = Preparation(FS, 10.0, LEADS, source="100hz")
    write_shard(path, rows, dataset="generated", preparation=preparation, sources="0" * 64)
    return path
