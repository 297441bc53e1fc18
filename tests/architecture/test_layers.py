"""Who may know whom: the layers of docs/architecture.md, read off the imports, function bodies included."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tests.architecture.source_tree import ENTRY_POINTS, RULES, SourceFile, imported_modules, source_files

LAYERS: dict[str, list[str]] = RULES["layers"]


def layer_violations(source: SourceFile) -> list[str]:
    violations = []
    for line, name in imported_modules(source):
        parts = name.split(".")
        if parts[0] != "vclr_pl" or len(parts) < 2:
            continue
        target = parts[1]
        if target in ENTRY_POINTS:
            violations.append(f"{source}:{line} imports the entry point {target}; nobody does")
        elif source.is_entry_point or target == source.package or target.startswith("__"):
            continue
        elif target not in LAYERS.get(source.package, []):
            violations.append(f"{source}:{line} imports {name}; {source.package} may know {LAYERS.get(source.package, [])}")
    return violations


def framework_violations(source: SourceFile) -> list[str]:
    violations = []
    for line, name in imported_modules(source):
        allowed = RULES["frameworks"].get(name.split(".")[0])
        if allowed is None or (source.is_entry_point and "entry_points" in allowed):
            continue
        if not any(source.module == place or source.module.startswith(f"{place}/") for place in allowed):
            violations.append(f"{source}:{line} imports {name}, known only in {allowed}")
    return violations


def sketch(module: str, text: str) -> SourceFile:
    return SourceFile(path=Path(f"{module}.py"), module=module, text=text, tree=ast.parse(text))


@pytest.mark.parametrize("source", source_files(), ids=str)
def test_imports_go_to_lower_layers(source):
    assert layer_violations(source) == []


@pytest.mark.parametrize("source", source_files(), ids=str)
def test_frameworks_stay_where_they_are_known(source):
    assert framework_violations(source) == []


def test_every_package_has_a_layer():
    unknown = {source.package for source in source_files()} - set(LAYERS) - ENTRY_POINTS - {"__init__"}
    assert not unknown, "a new package takes its place in rules.toml and in docs/architecture.md"


def test_layers_have_no_cycle():
    standing: set[str] = set()
    while len(standing) < len(LAYERS):
        next_floor = {package for package, below in LAYERS.items() if package not in standing and set(below) <= standing}
        assert next_floor, f"these packages stand on one another: {sorted(set(LAYERS) - standing)}"
        standing |= next_floor


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("op/info_nce", "from vclr_pl.objective.terms import InterFrame"),
        ("op/info_nce", "def late():\n    import vclr_pl.encoder.video_encoder"),
        ("data/manifest", "from vclr_pl import objective"),
        ("data/split/ucf101", "from ...pretrain import vclr_module"),
        ("evaluation/retrieval", "from vclr_pl.datasets.manifest import Manifest"),
        ("callback/knn_monitor", "if TYPE_CHECKING:\n    from vclr_pl.pretrain.vclr_module import VCLRModule"),
        ("runner/run", "from vclr_pl.data.datamodule import VideoDataModule"),
        ("evaluate", "from vclr_pl.train import main"),
    ],
)
def test_an_upstairs_import_is_found(module, text):
    assert len(layer_violations(sketch(module, text))) == 1


@pytest.mark.parametrize(
    ("module", "text", "count"),
    [
        ("objective/inter_frame", "import hydra", 1),
        ("encoder/runtime", "def late():\n    from pytorch_lightning import Trainer", 1),
        ("data/manifest", "import pytorch_lightning as pl", 1),
        ("data/datamodule", "import pytorch_lightning as pl", 0),
        ("runner/build", "from hydra.utils import instantiate", 0),
        ("train", "import hydra", 0),
    ],
)
def test_a_framework_out_of_place_is_found(module, text, count):
    assert len(framework_violations(sketch(module, text))) == count
