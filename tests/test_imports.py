"""Imports point one way, extras stay optional, and only their owners touch DGL and skorch."""

import ast
import functools
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import pytest

from sksubsel import __version__

ROOT = pathlib.Path(importlib.util.find_spec("sksubsel").origin).parent

# Each part may import those of the rows above it and of its own row, though never in a circle.
TIERS = [
    {
        "architectures",
        "nn",
        "metrics",
        "_validation",
        "_blas",
        "_parallel",
        "_clusters",
        "_digest",
        "_interrupts",
        "_version",
    },
    {"spaces", "networks", "tracing", "_net", "base", "features", "datasets", "predictions"},
    {"samplers", "zoo", "extraction"},
    {
        "encoder",
        "approximator",
        "selector",
        "_selector_design",
        "baselines",
        "scoring",
        "persistence",
    },
    {"subselnet", "subset_classifier"},
    {"benchmark", "search", "plotting"},
    {"cli", "__main__", "demo"},
]
TIER_OF = {part: k for k, tier in enumerate(TIERS) for part in tier}
LATE = {("architectures", "tracing")}  # imported only when `Architecture.from_module` is called

OWNERS = {  # package: where it may be imported
    "dgl": lambda path: path.parts[0] == "architectures" or path.as_posix() == "nn/graph.py",
    "skorch": lambda path: path.parts[0] == "_net",
    "matplotlib": lambda path: path.parts[0] == "plotting",
    "PIL": lambda path: path.as_posix() == "datasets/image_files.py",
    "safetensors": lambda path: path.as_posix() == "persistence/net.py",
    "distributed": lambda path: path.as_posix() == "_clusters.py",
    "ray": lambda path: path.as_posix() in ("_clusters.py", "search/ray_tune.py"),
    "optuna": lambda path: path.as_posix() == "search/ray_tune.py",
    "click": lambda path: path.parts[0] == "cli",
    "fsspec": lambda path: path.as_posix() == "zoo/folders.py",
}
EXTRAS = {
    "apricot", "click", "dask", "distributed", "faiss", "hypothesis", "imblearn", "IPython",
    "matplotlib", "numba", "optuna", "PIL", "plotly", "pytest", "ray", "rich", "seaborn",
    "torchvision", "typer",
}  # fmt: skip
NO_TORCH = [
    "architectures", "spaces", "tracing", "tracing.normalize", "tracing.targets", "metrics",
    "_validation", "samplers.quotas",
]  # fmt: skip


def part_of(path):
    """Name in TIERS of a file in the package; None for the package's own __init__."""
    part = path.parts[0].removesuffix(".py")
    return None if part == "__init__" else part


def imported_modules(path):
    """Dotted names of all modules that a file imports, at any level, with their lines."""
    package = ["sksubsel", *path.parts[:-1]]
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from sksubsel import base` imports a module, `from sksubsel.base import f` a name
            names = [f"{module}.{alias.name}" for alias in node.names]
            for name in names if module == "sksubsel" else [module]:
                yield name, node.lineno
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else None
            called = node.func.id if isinstance(node.func, ast.Name) else called
            if called in {"import_module", "__import__"} and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value, node.lineno


@functools.cache
def _tree(path):
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


FILES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


def test_every_part_has_a_place():
    parts = {part_of(path) for path in FILES} - {None}
    assert parts - TIER_OF.keys() == set(), "say in TIERS where this belongs"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_point_one_way(path):
    part = part_of(path)
    if part is None:
        return  # the package itself gathers the public names
    for name, line in imported_modules(path):
        if name.split(".")[0] != "sksubsel":
            continue
        assert name != "sksubsel", f"{path}:{line} imports the whole package"
        other = name.split(".")[1]
        assert other in TIER_OF, f"{path}:{line} imports {name} from the package's __init__"
        allowed = TIER_OF[other] <= TIER_OF[part] or (part, other) in LATE
        assert allowed, f"{path}:{line} imports {name}, which is above it"


def test_no_circles():
    edges = {part: set() for part in TIER_OF}
    for path in FILES:
        if (part := part_of(path)) is not None:
            names = (name.split(".") for name, _ in imported_modules(path))
            edges[part] |= {n[1] for n in names if n[0] == "sksubsel" and len(n) > 1} - {part}
    edges["spaces"] -= {"networks"}  # a space imports its networks when `build` is called
    while leaves := {part for part in edges if not edges[part] & edges.keys()}:
        edges = {part: edges[part] for part in edges if part not in leaves}
    assert not edges, "these import each other in a circle"


@pytest.mark.parametrize("package", OWNERS)
def test_only_the_owner_imports(package):
    users = [
        f"{path}:{line}"
        for path in FILES
        for name, line in imported_modules(path)
        if name.split(".")[0] == package and not OWNERS[package](path)
    ]
    assert users == []


def run(code, *argv):
    """What a fresh interpreter prints that has the package on its path."""
    done = subprocess.run(
        [sys.executable, "-c", code, *argv],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT.parent)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def modules_after(*statements):
    """Top-level packages that a fresh interpreter has loaded after each statement."""
    code = "import json, sys\n" + "".join(
        f"{statement}\nprint(json.dumps(sorted(sys.modules)))\n" for statement in statements
    )
    output = run(code)
    loaded = [{name.split(".")[0] for name in json.loads(line)} for line in output.splitlines()]
    assert len(loaded) == len(statements)
    return loaded


def test_import_pulls_in_no_extra():
    (loaded,) = modules_after(
        "from sksubsel import *; import sksubsel.baselines, sksubsel.datasets, "
        "sksubsel.extraction, sksubsel.plotting, sksubsel.search"
    )
    assert loaded & EXTRAS == set()


def test_light_modules_need_no_torch():
    # each by itself, as if none of the package had been imported before
    ours = "[name for name in sys.modules if name.split('.')[0] == 'sksubsel']"
    alone = f"for name in {ours}: del sys.modules[name]"
    used = """
import sksubsel
arch = sksubsel.spaces.NASBench101().sample(1, random_state=0)[0]
sksubsel.architectures.as_architecture((arch.adjacency, arch.ops))
assert sksubsel.Architecture is type(arch)
"""
    imports = [f"{alone}\nimport sksubsel.{module}" for module in NO_TORCH]
    statements = ["import sksubsel", *imports, f"{alone}\n{used}"]
    for statement, names in zip(statements, modules_after(*statements)):
        heavy = {"torch", "dgl", "skorch", "networkx", "matplotlib"}
        if statement == "import sksubsel":
            heavy |= {"numpy", "scipy", "sklearn", "pandas", "joblib"}
        assert names & heavy == set(), statement


def test_the_help_of_the_command_line_is_light():
    help_of_fit = "from click.testing import CliRunner\nfrom sksubsel.cli.app import app\n"
    help_of_fit += "assert '--budget' in CliRunner().invoke(app, ['fit', '--help']).output"
    (loaded,) = modules_after(help_of_fit.replace("\n", "; "))
    assert loaded & {"torch", "sklearn", "scipy", "pandas", "matplotlib"} == set()


def test_public_names():
    import sksubsel

    assert len(set(sksubsel.__all__)) == len(sksubsel.__all__)
    assert set(sksubsel.__all__) <= set(dir(sksubsel))
    for name in sksubsel.__all__:
        assert getattr(sksubsel, name).__doc__, name
    with pytest.raises(AttributeError, match="SubselNet"):
        sksubsel.SubselNet  # noqa: B018


def test_public_modules():
    """All but the command line are there after `import sksubsel` alone."""
    parts = {part_of(path) for path in FILES} - {None, "cli", "demo"}
    public = {name for name in parts if not name.startswith("_")}
    (loaded,) = modules_after(
        f"import sksubsel; assert all(getattr(sksubsel, name).__doc__ for name in {public}); "
        f"assert {public} <= set(dir(sksubsel))"
    )
    assert "torch" in loaded


def test_the_parser_sees_all_kinds_of_import(tmp_path, monkeypatch):
    """The checks above would pass on anything if the parser saw nothing."""
    source = """
import os, sksubsel.zoo.store as store
from sksubsel import base
from sksubsel.nn.graph import pack
from . import quotas
from .. import cli
from ..spaces.base import SearchSpace
def late():
    import dgl.nn
    importlib.import_module("skorch")
"""
    (tmp_path / "samplers").mkdir()
    (tmp_path / "samplers" / "new.py").write_text(source)
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = pathlib.Path("samplers/new.py")
    assert {name for name, _ in imported_modules(path)} == {
        "os", "sksubsel.zoo.store", "sksubsel.base", "sksubsel.nn.graph", "sksubsel.samplers",
        "sksubsel.cli", "sksubsel.spaces.base", "dgl.nn", "skorch",
    }  # fmt: skip


def test_a_checkout_that_is_not_installed(tmp_path):
    """On a cluster the package may lie on the path and nowhere else: after hours nothing fails."""
    code = """
import importlib.metadata as metadata, sys
find = metadata.Distribution.from_name.__func__
def without_us(cls, name):
    if name == "sksubsel":
        raise metadata.PackageNotFoundError(name)
    return find(cls, name)
metadata.Distribution.from_name = classmethod(without_us)
from sksubsel import ArchitectureClassifier, ArchitectureEncoder, ModelZoo, SubSelNet
from sksubsel.datasets import load_digits_images
from sksubsel.spaces import NASBench101
X, y = load_digits_images(return_X_y=True)
space = NASBench101(stem_channels=4, n_stacks=1, n_cells=1)
archs = space.sample(3, random_state=0)
zoo = ModelZoo(ArchitectureClassifier(build=space.build, max_epochs=1))
net = SubSelNet(encoder=ArchitectureEncoder(max_epochs=1), zoo=zoo, budget=10, random_state=0)
net.fit(archs[:2], X[:60], y[:60]).save(sys.argv[1])
"""
    run(code, str(tmp_path / "net"))
    document = (tmp_path / "net" / "net.json").read_text()
    assert json.loads(document)["content"]["libraries"]["sksubsel"] == __version__
    # nor does what was not run here look where an installation is needed
    asking = [path for path in ROOT.rglob("*.py") if "importlib.metadata" in path.read_text()]
    assert asking == []
