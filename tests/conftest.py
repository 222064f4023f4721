"""A tiny model, labeled and unlabeled batches, and shards of made-up records."""

import numpy as np
import pytest
import torch

LABELS = ("AFIB", "NORM", "RBBB")


@pytest.fixture
def model():
    """A classifier small enough for a hundred steps a second."""
    from ecgpipe.heads import HeadConfig
    from ecgpipe.model import Classifier, build_backbone

    torch.manual_seed(0)
    backbone = build_backbone({"name": "xresnet1d", "depth": 18, "width": 8}, 3, "tests")
    return Classifier(backbone, LABELS, HeadConfig(dropout=0.0))


@pytest.fixture
def labeled():
    """Records whose labels show as offsets of single leads."""
    from ecgpipe.batches import Labeled

    generator = torch.Generator().manual_seed(1)
    target = (torch.rand(16, 3, generator=generator) < 0.5).float()
    signal = torch.randn(16, 3, 100, generator=generator) + 2 * target[:, :, None]
    return Labeled(signal, target)


@pytest.fixture
def unlabeled(labeled):
    """The same signals without their labels, as a weak and a strong view."""
    from ecgpipe.batches import Unlabeled

    strong = labeled.signal + 0.1 * torch.randn(labeled.signal.shape)
    return Unlabeled(weak=labeled.signal, strong=[strong], index=torch.arange(16), of_total=16)


@pytest.fixture
def rng():
    """A seeded generator."""
    return np.random.default_rng(0)


@pytest.fixture
def resting(tmp_path):
    """A folder with shards, split and draw of 150 made-up records whose labels show in rhythms."""
    return lay_out_records(tmp_path)


def lay_out_records(folder):
    """Write two shards, a split and a draw; return what the stages are told of them."""
    import json

    from ecgpipe import records, settings

    rng = np.random.default_rng(5)
    preparation = settings.Preparation(fs=50, seconds=4.0, leads=("I", "II", "V1"))
    time = np.arange(200) / 50
    rows = []
    for i in range(150):
        codes = [label for label in LABELS if rng.random() < 0.4]
        waves = [np.sin(2 * np.pi * (3 + 4 * LABELS.index(code)) * time) for code in codes]
        signal = 300 * sum(waves, np.zeros(200)) + 200 * rng.normal(size=(3, 200))
        record = records.Record(
            id=f"{i:03d}",
            patient=f"p{i // 2}",
            path=records.Path("x"),
            statements=dict.fromkeys(codes, 100.0),
        )
        rows.append(records.Row(record, 0.0, signal.astype(np.int16), digest=str(i)))
    shards = [folder / f"{k}.h5" for k in range(2)]
    for k, path in enumerate(shards):
        mine = [row for row in rows if records.shard_of(row.record.patient, 2) == k]
        records.write_shard(path, mine, dataset="made", preparation=preparation, sources="s")
    parts = ["train", "train", "train", "valid", "test"]
    lines = [f"p{i},{parts[i % 5]}" for i in range(75)]
    (folder / "standard.csv").write_text("patient,part\n" + "\n".join(lines) + "\n")
    drawn = [
        f"made,{r.record.id},{r.record.patient}" for r in rows if int(r.record.id) // 2 % 5 < 2
    ]
    (folder / "draw.csv").write_text("dataset,record,patient\n" + "\n".join(drawn) + "\n")
    task = {"datasets": ["made"], "vocabulary": "plain", "labels": list(LABELS)}
    return {
        "folder": folder,
        "shards": shards,
        "splits": [folder / "standard.csv"],
        "draw": folder / "draw.csv",
        "task": task,
        "json": json.dumps,
    }


BACKBONE = {"name": "xresnet1d", "depth": 18, "width": 8}
FIT = {"steps": 30, "validate_every": 10, "batch": 16, "crop": 2.0, "rate": 0.01, "mixed": False}


def pretraining_of(made, **changes):
    """What pretrain is told."""
    told = {
        "preparation": "made",
        "backbone": BACKBONE,
        "datasets": ["made"],
        "objective": {"name": "none"},
        "fit": {"steps": 0, "validate_every": 1},
    }
    told = {k: v for k, v in (told | changes).items() if v is not None}
    return made["json"](
        {"pretraining": told, "tasks": {"t": made["task"]}, "revision": {"pretrain": 1}}
    )


def recipe_of(made, **changes):
    """What finetune is told."""
    told = {"adapter": {"name": "full"}, "method": {"name": "supervised"}, "fit": FIT} | changes
    return made["json"]({"recipe": told, "task": made["task"], "revision": {"finetune": 1}})


@pytest.fixture
def stages(resting):
    """Run the training stages on the made-up records, as the command line would."""
    from ecgpipe import registry

    given = {key: resting[key] for key in ("shards", "splits")}
    once = {"threads": 1, "processes": 1}

    class Stages:
        made = resting

        def pretrain(self, out, start=None, seed=0, **changes):
            out = resting["folder"] / out
            chain = {} if start is None else {"start": "before"}
            return self.run(out, [start][: len(chain)], seed, **chain, **changes)

        def assemble(self, out, members, **changes):
            out = resting["folder"] / out
            told = {"backbone": None, "datasets": None, "tasks": ["t"]} | changes
            return self.run(out, members, 0, members=[path.stem for path in members], **told)

        def run(self, out, before, seed, **told):
            registry.load("stages", "pretrain").run(
                settings=pretraining_of(resting, **told),
                seed=seed,
                start=before,
                out=out,
                **given,
                **once,
            )
            return out

        def finetune(self, out, pretrained, teacher=None, seed=0, **changes):
            out = resting["folder"] / out
            out.parent.mkdir(exist_ok=True)
            registry.load("stages", "finetune").run(
                settings=recipe_of(resting, **changes),
                seed=seed,
                draw=resting["draw"],
                pretrained=pretrained,
                teacher=teacher,
                out=out,
                **given,
                **once,
            )
            return out

        def predict(self, out, checkpoint, conditions=None):
            out = resting["folder"] / out
            told = {"task": resting["task"], "conditions": conditions or {"clean": {}}}
            registry.load("stages", "predict").run(
                settings=resting["json"](told | {"revision": {"predict": 1}}),
                checkpoint=checkpoint,
                noise=[],
                threads=1,
                out=out,
                **given,
            )
            return out

    return Stages()
