"""Made-up patients for meta-learning: episodes, a network for them, and windows of recordings."""

import numpy as np
import pandas as pd
import torch

FS, SAMPLES = 50, 100  # windows of two seconds
SMALL = {"width": 8, "dim": 8, "heads": 2, "hidden": 16, "tokens": 6, "groups": 2, "dropout": 0.0}


def build_small():
    """A small va_net with a head for one label, in double precision, that draws nothing."""
    from ecgpipe.heads import HeadConfig
    from ecgpipe.model import Classifier, build_backbone

    torch.manual_seed(0)
    backbone = build_backbone({"name": "va_net", **SMALL}, 1, "tests")
    head = HeadConfig(pool="mean", norm=False, dropout=0.0)
    return Classifier(backbone, ("VA",), head).double().eval()


def make_episodes(tasks=3, shots=4, query=5, seed=0):
    """Episodes of noise, one class after the other."""
    from ecgpipe.episodes import Episodes

    generator = torch.Generator().manual_seed(seed)
    support, asked = (make_windows(tasks, of_each, generator) for of_each in (shots, query))
    return Episodes(support, asked, 2, generator)


def make_windows(tasks, of_each, generator):
    """Windows of noise; those of the second class carry the label and are smoother."""
    from ecgpipe.episodes import Windows

    target = torch.arange(2).repeat_interleave(of_each).expand(tasks, -1)[..., None].double()
    shape = (tasks, 2 * of_each, 1, SAMPLES)
    noise = torch.randn(shape, generator=generator, dtype=torch.float64)
    signal = torch.where(target[..., None] > 0, smooth(noise), noise)
    return Windows(signal, target, torch.full(shape[:2], 1 / of_each).double())


def smooth(noise):
    """Average neighbours, as loud as before."""
    return sum(noise.roll(k, dims=-1) for k in range(5)) / 5**0.5


def make_cohort(patients):
    """Windows in the order of time: `{"a": "ooVo"}` is a patient whose third carries the label."""
    from ecgpipe.batches import Montage
    from ecgpipe.cohort import Cohort

    rows = [
        {"dataset": "made", "record": f"r-{name}", "patient": name, "start": 2.0 * place, "V": kind}
        for name, kinds in patients.items()
        for place, kind in enumerate(kinds)
    ]
    table = pd.DataFrame(rows).assign(samples=SAMPLES)
    target = torch.from_numpy((table.pop("V") == "V").to_numpy(float)[:, None]).float()
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=(len(rows), 1, SAMPLES)))
    signal = 1000 * torch.where(target[:, :, None] > 0, smooth(noise), noise)
    code = torch.from_numpy(table["patient"].factorize()[0])
    return Cohort(table, signal.to(torch.int16), target, code, Montage(FS, ("II",)))


def lay_out_windows(folder):
    """Write a shard and a split of 30 patients with 24 windows each, half of them with labels."""
    from ecgpipe import records, settings

    rng = np.random.default_rng(3)
    preparation = settings.Preparation(fs=FS, seconds=2.0, leads=("II",), window=2.0, stride=2.0)
    rows = []
    for patient in range(30):
        record = records.Record(id=f"r{patient}", patient=f"p{patient}", path=records.Path("x"))
        for place in range(24):
            ill = patient % 3 > 0 and 8 <= place < 16
            signal = rng.normal(scale=1000 if ill else 500, size=(1, SAMPLES)).astype(np.int16)
            held = {"(VF": 1.0} if ill else {}
            rows.append(records.Row(record, 2.0 * place, signal, str(len(rows)), rhythms=held))
    shard, split = folder / "0.h5", folder / "standard.csv"
    records.write_shard(shard, rows, dataset="made", preparation=preparation, sources="s")
    parts = ["train", "train", "train", "train", "valid", "test"]
    lines = [f"p{patient},{parts[patient % 6]}" for patient in range(30)]
    split.write_text("patient,part\n" + "\n".join(lines) + "\n")
    return shard, split
