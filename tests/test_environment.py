"""One environment, written down three times: pyproject.toml, environment.yml, constraints.txt."""

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
CONDA = {"torch": "pytorch", "snakemake": "snakemake-minimal", "matplotlib": "matplotlib-base"}
ONLY_CONDA = {"python", "pip", "jinja2", "pygments"}  # the report's, not in snakemake-minimal
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIRED = [Requirement(text) for text in PROJECT["dependencies"]]
OPTIONAL = [Requirement(text) for text in PROJECT["optional-dependencies"]["delineation"]]


def test_conda_gives_the_same_packages_in_the_same_versions():
    told = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    listed = dict(
        re.match(r"([\w-]+)(.*)", line).groups() for line in told if isinstance(line, str)
    )
    assert f"{PROJECT['requires-python']}" == listed["python"]
    wanted = {
        CONDA.get(r.name, r.name): set(str(r.specifier).split(",")) for r in REQUIRED + OPTIONAL
    }
    given = {k: set(v.split(",")) for k, v in listed.items() if k not in ONLY_CONDA}
    assert given == wanted


def test_every_requirement_is_pinned_to_a_version_it_allows():
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    pins = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    extra = [Requirement(text) for text in PROJECT["optional-dependencies"]["dev"]]
    for requirement in REQUIRED + OPTIONAL + extra:
        assert requirement.specifier.contains(pins[requirement.name]), requirement
    assert pins["torch"] == "2.13.0"
