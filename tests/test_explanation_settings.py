"""Which runs of a study are explained, and how."""

from pathlib import Path

import pytest
import yaml

from ecgpipe import registry, settings, studies
from ecgpipe.explanation_settings import Explanation

FILES = sorted((Path(__file__).parent.parent / "config/explanations").glob("*.yaml"))
PLAIN = studies.Grid(("p",), ("r",), ("t",), ("standard",), ("1.0",), (0, 1))


def runs(*grids):
    return studies.runs(studies.Study("s", grids))


def asked(explanation, seeds=(0, 1)):
    return studies.Grid(("p",), ("r",), ("t",), ("standard",), ("1.0",), seeds, (), (), explanation)


def test_a_run_has_the_explanation_of_whichever_grid_names_one():
    for grids in ((PLAIN, asked("small", (1,))), (asked("small", (1,)), PLAIN)):
        assert {run.seed: run.explanation for run in runs(*grids)} == {0: None, 1: "small"}


def test_an_explanation_is_no_part_of_what_a_run_is():
    (plain, _), (explained, _) = runs(PLAIN), runs(PLAIN, asked("small"))
    assert explained.explanation == "small" and plain == explained
    assert hash(plain) == hash(explained) and not plain < explained


def test_two_explanations_of_one_run_are_refused():
    with pytest.raises(ValueError, match=r"p \+ r, scored on t: .*explanations demo, small"):
        runs(asked("small"), asked("demo"))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_every_file_says_what_its_attributions_know(path):
    told = settings.build(Explanation, yaml.safe_load(path.read_text()), str(path))
    for each in told.attributions:
        name, values = settings.plugin(each, str(path))
        settings.build(registry.load("attributions", name).Config, values, str(path))


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        ({"attributions": [{"name": "saliency"}]}, "saliency; there are: grad_cam, gradient"),
        ({"attributions": [{"name": "occlusion"}] * 2}, "each named once"),
        ({"attributions": [{"seconds": 0.1}]}, "each named once"),
        ({"attributions": []}, "each named once"),
        ({"attributions": [{"name": "occlusion"}], "records": 0}, "records 0 must be positive"),
        ({"attributions": [{"name": "occlusion"}], "examples": -1}, "examples -1 not negative"),
    ],
)
def test_settings_that_make_no_sense_are_refused(told, wrong):
    with pytest.raises(ValueError, match=wrong):
        settings.build(Explanation, told, "config/explanations/wrong.yaml")
