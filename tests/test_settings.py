import json
from pathlib import Path

import pytest
import yaml

from ecgpipe import registry, settings, studies
from ecgpipe.fit_settings import Fit

CONFIG = Path(__file__).parent.parent / "config"
KINDS = {
    "preparations": settings.Preparation,
    "tasks": settings.Task,
    "pretraining": settings.Pretraining,
    "recipes": settings.Recipe,
    "conditions": settings.Condition,
    "studies": studies.Study,
}
FILES = [(kind, path) for kind in KINDS for path in sorted((CONFIG / kind).glob("*.yaml"))]


@pytest.mark.parametrize(
    ("kind", "path"), FILES, ids=[str(p.relative_to(CONFIG)) for _, p in FILES]
)
def test_every_file_of_the_configuration_parses(kind, path):
    assert settings.build(KINDS[kind], yaml.safe_load(path.read_text()), str(path))


@pytest.mark.parametrize("path", sorted((CONFIG / "recipes").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_recipe_names_plug_ins_and_settings_that_exist(path):
    recipe = settings.build(settings.Recipe, yaml.safe_load(path.read_text()), str(path))
    for kind, values in (("adapters", recipe.adapter), ("methods", recipe.method)):
        name, told = settings.plugin(values, str(path))
        settings.build(registry.load(kind, name).Config, told, str(path))


@pytest.mark.parametrize(
    "path", sorted((CONFIG / "pretraining").glob("*.yaml")), ids=lambda p: p.stem
)
def test_every_pretraining_names_plug_ins_and_settings_that_exist(path):
    told = settings.build(settings.Pretraining, yaml.safe_load(path.read_text()), str(path))
    for kind, chosen in (("objectives", told.objective), ("adapters", told.adapter)):
        name, values = settings.plugin(chosen, str(path))
        settings.build(registry.load(kind, name).Config, values, str(path))
    if told.backbone is not None:
        name, values = settings.plugin(told.backbone, str(path))
        settings.build(registry.load("backbones", name).Config, values, str(path))


@pytest.mark.parametrize("study", ["config.yaml", "studies/ptbxl.yaml", "studies/ptbxl-small.yaml"])
def test_everything_a_study_names_exists(study):
    told = settings.build(studies.Study, yaml.safe_load((CONFIG / study).read_text()), study)
    for run in studies.runs(told):
        for kind, name in (
            ("pretraining", run.pretraining),
            ("recipes", run.recipe),
            ("tasks", run.task),
            ("tasks", run.scored_on),
        ):
            assert (CONFIG / kind / f"{name}.yaml").exists()
    assert set(told.tables) <= set(registry.names("tables"))
    assert set(told.figures) <= set(registry.names("figures"))


def test_an_unknown_key_is_answered_with_the_file_and_the_known_keys():
    with pytest.raises(ValueError, match=r"recipes/x.yaml: unknown key ratee; Fit knows: steps"):
        settings.build(Fit, {"steps": 1, "ratee": 2}, "recipes/x.yaml")


def test_a_missing_key_is_named():
    with pytest.raises(ValueError, match="missing key validate_every"):
        settings.build(Fit, {"steps": 1}, "recipes/x.yaml")


def test_a_value_of_the_wrong_type_is_named():
    with pytest.raises(ValueError, match="batch: expected int, got '64'"):
        settings.build(Fit, {"steps": 1, "validate_every": 1, "batch": "64"}, "x")


@pytest.mark.parametrize(
    ("kind", "told", "message"),
    [
        (Fit, {"batch": 0}, "batch 0"),
        (Fit, {"warmup": 0.1}, "warmup 0.1"),
        (Fit, {"rate": []}, "rate"),
        (Fit, {"rate": "1e-3"}, "YAML takes 1e-3 for text: write 0.001"),
        (settings.Recipe, {"views": {"labelled": ["noise"]}}, "views labelled: there are"),
        (settings.Recipe, {"views": {"strong": []}}, "strong asks for weak"),
        (Fit, {"keep": "all"}, "allowed: best, last"),
        (Fit, {"keep": "last", "patience": 3}, "patience 3"),
        (settings.Pretraining, {"parts": ["fold"]}, "expected some of train, valid, test"),
        (settings.Pretraining, {"seeds": 3}, "seeds 3: give 1"),
        (settings.Pretraining, {"fit": {"steps": 9, "validate_every": 1}}, "must be 0"),
        (
            settings.Pretraining,
            {"fit": {"steps": 0, "validate_every": 1, "ema": 0.9}},
            "without labels the objective's own weights are judged",
        ),
        (settings.Condition, {"snr": 6.0}, "go together"),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(kind, told, message):
    fit = {"steps": 0, "validate_every": 1}
    least = {
        Fit: fit,
        settings.Recipe: {
            "adapter": {"name": "full"},
            "method": {"name": "supervised"},
            "fit": fit,
        },
        settings.Pretraining: {
            "preparation": "p",
            "backbone": {"name": "xresnet1d"},
            "datasets": ["d"],
            "objective": {"name": "none"},
            "fit": fit,
        },
        settings.Condition: {},
    }
    assert settings.build(kind, least[kind], "x")
    with pytest.raises(ValueError, match=message):
        settings.build(kind, least[kind] | told, "x")


def test_equal_settings_have_one_representation():
    one = settings.canonical({"b": 1, "a": [1, 2]})
    assert one == settings.canonical(json.loads('{"a": [1, 2], "b": 1}'))


def test_a_run_that_two_grids_name_is_one_run_with_the_conditions_of_both():
    grid = studies.Grid(("p",), ("r",), ("t",), ("standard",), ("1.0",), (0,))
    other = studies.Grid(("p",), ("r",), ("t",), ("standard",), ("1.0",), (0,), ("clean", "noisy"))
    (run,) = studies.runs(studies.Study("s", (grid, other), ("main",), ("ecg",)))
    assert run.conditions == ("clean", "noisy")


def test_a_pretraining_with_neither_backbone_nor_start_is_refused():
    told = {"preparation": "p", "objective": {"name": "none"}, "datasets": ["d"]}
    with pytest.raises(ValueError, match="one of `backbone`"):
        settings.build(settings.Pretraining, told | {"fit": {"steps": 0, "validate_every": 1}}, "x")


def test_codes_of_digits_are_told_to_be_quoted():
    told = {"datasets": ["d"], "vocabulary": "plain", "labels": [426783006]}
    with pytest.raises(ValueError, match="labels: .426783006. is none of str, tuple.*quotes"):
        settings.build(settings.Task, told, "config/tasks/mine.yaml")
