"""The noise of nstdb, from its files to the conditions that add it."""

import os
from pathlib import Path

import numpy as np
import pytest
import wfdb
import yaml

from ecgpipe import settings
from ecgpipe.datasets import nstdb
from ecgpipe.stages import download, predict, preprocess

CONFIG = Path(__file__).parents[1] / "config"


def real(plugin) -> Path:
    if "ECGPIPE_MIRROR" not in os.environ:
        pytest.skip("needs real recordings: set ECGPIPE_MIRROR to a PhysioNet mirror")
    return Path(os.environ["ECGPIPE_MIRROR"], plugin.MIRROR)


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """A shard of nstdb at the preparation `noise`, made by the stages."""
    folder = tmp_path_factory.mktemp("nstdb")
    manifests = [folder / f"{source}.manifest.csv" for source in nstdb.SOURCES]
    for source, out in zip(nstdb.SOURCES, manifests, strict=True):
        mirror, lock = str(real(nstdb).parents[1]), folder / "lock.csv"
        download.run(dataset="nstdb", source=source, mirror=mirror, lock=lock, out=out)
    told = (CONFIG / "preparations" / "noise.yaml").read_text()
    given = {"dataset": "nstdb", "preparation": "noise", "settings": told, "shard": 0}
    preprocess.run(**given, manifests=manifests, report=folder / "0.json", out=folder / "0.h5")
    return folder / "0.h5"


def test_recorded_noise_is_read_in_one_piece(noise):
    found = predict.read_noise([noise], ("nstdb", "em"), 360).numpy()
    expected = wfdb.rdrecord(str(real(nstdb) / "em"), physical=False).d_signal.T
    assert found.shape == (2, 648_000)  # whole pieces of ten seconds
    np.testing.assert_allclose(found, 5.0 * expected[:, :648_000], atol=0.51)  # 200/mV, in uV
    assert predict.read_noise([noise], None, 360) is None


def test_recorded_noise_is_brought_to_the_frequency_of_the_signals(noise):
    slow, native = (predict.read_noise([noise], ("nstdb", "bw"), fs).numpy() for fs in (100, 360))
    assert slow.shape == (2, 180_000)
    assert np.corrcoef(slow[0, ::5], native[0, ::18])[0, 1] > 0.99


def test_noise_that_is_not_there_is_answered_with_what_is(noise):
    with pytest.raises(ValueError, match="nstdb/mm.*has nstdb/bw, nstdb/em, nstdb/ma"):
        predict.read_noise([noise], ("nstdb", "mm"), 100)


def test_records_with_noise_in_them_are_no_noise():
    published = [*nstdb.EXCLUDED, "bw", "em", "ma"]
    assert len(published) == nstdb.SIZE
    assert nstdb.files("signals", [], published) == ["bw.dat", "em.dat", "ma.dat"]
    assert nstdb.files("metadata", [], ["118e_6", "bw"]) == ["RECORDS", "bw.hea"]


@pytest.mark.parametrize(
    ("name", "record"),
    [("baseline-wander-6db", "bw"), ("electrode-motion-6db", "em"), ("muscle-artefact-6db", "ma")],
)
def test_conditions_name_the_noise_they_add(name, record):
    text = (CONFIG / "conditions" / f"{name}.yaml").read_text()
    condition = settings.build(settings.Condition, yaml.safe_load(text), name)
    assert condition.recorded == ("nstdb", record) and condition.snr == 6.0
