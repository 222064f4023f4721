"""Who may import whom: cli, then stages, then plug-ins, then foundations."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ecgpipe"
PLUGINS = sorted(
    path.name
    for path in PACKAGE.iterdir()
    if (path / "__init__.py").exists() and path.name != "stages"
)
FILES = sorted(PACKAGE.rglob("*.py"))


def layer(module: str) -> str:
    """Name the layer of `ecgpipe.x.y`."""
    parts = module.split(".")
    if len(parts) > 1 and parts[1] in ("stages", *PLUGINS):
        return parts[1]
    return "cli" if parts[-1] in ("cli", "__main__") else "foundation"


def imports(path: Path) -> set[str]:
    """List the modules of the package that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ecgpipe"):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("ecgpipe.")}
    return found


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(PACKAGE)) for p in FILES])
def test_a_module_imports_only_what_its_layer_may(path):
    own = layer("ecgpipe." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts))
    for module in imports(path):
        other = layer(module)
        if own == "cli":
            assert module in ("ecgpipe.registry", "ecgpipe.cli.main"), module
        elif other not in ("foundation",):
            # a plug-in may use a private file of its own folder
            assert own == other != "stages" and module.split(".")[2].startswith("_"), module


def test_parsing_the_workflow_needs_neither_torch_nor_h5py():
    code = (
        "import sys; from ecgpipe import registry, settings;"
        "[registry.load('datasets', n) for n in registry.names('datasets')];"
        "print(sorted({'torch', 'h5py', 'scipy'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "word", ["pickle", "eval(", "exec(", "shell=True", "extractall", "torch.load("]
)
def test_nothing_trusts_data_as_code(word):
    guilty = [
        str(path)
        for path in FILES
        if word in path.read_text().replace("literal_eval(", "").replace(".eval(", "")
    ]
    assert not guilty
