from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from tests.unit.features.pretrained_file import small_backbone

from vclr_pl.features.encoder import load_encoder
from vclr_pl.features.model_card import card_text, snippet

DESCRIPTION = {
    "architecture": {"network": "timm", "name": "convnext_atto"},
    **{"frames": 30, "crop_pixels": 96, "short_side_pixels": 110, "mean": [0.5] * 3, "std": [0.25] * 3},
    **{"frames_per_clip": 1, "frame_stride": 1, "feature_dim": 320},
}
RESULTS = {
    "metrics": {"retrieval_r1": 88.66, "knn_top1": 90.0},
    "baseline": {"retrieval_r1": 18.7},
    "baseline_name": "start: ImageNet weights",
    "chance": {"retrieval_r1": 10.0},
    "queries": 150,
    "training": {"epochs": 12, "steps": 240},
    "provenance": {"seed": 3, "versions": {"vclr-pl": "0.2.0", "torch": "2.14.1", "av": "18"}},
}
CHOSEN = {
    "data": {"_target_": "vclr_pl.datasets.folder.folder", "root": "/path/to/somebody/videos"},
    "objective": {"terms": {"inter_frame": {"weight": 1.0}, "temporal_order": None}},
    "optimizer": {"_target_": "vclr_pl.optim.optimizer.LinearScaledSGD", "lr": 0.02, "_partial_": True, "note": "/path/to/somebody"},
    "loader": {"batch_size": 32},
    "transform": {"size_pixels": 96},
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "results.json").write_text(json.dumps(RESULTS))
    (tmp_path / "config.yaml").write_text("# data.root=/path/to/somebody/videos\n" + yaml.safe_dump(CHOSEN))
    return tmp_path


def text(*, run: Path | None, results: Path | None = None, license_name: str | None = None) -> str:
    return card_text(description=DESCRIPTION, place="hf://owner/name", run=run, results=results, license_name=license_name)


def test_data_recipe_and_figures_come_from_the_run_folder(run: Path) -> None:
    card = text(run=run, license_name="mit")
    for line in (
        "# convnext_atto, encoder of videos",
        "| data | folder |",
        "| epochs | 12 |",
        "| start | ImageNet weights |",
        "| loss terms and weights | inter_frame 1.0 |",
        "| optimizer | LinearScaledSGD: lr 0.02 |",
        "| loader.batch_size | 32 |",
        "| versions | vclr-pl 0.2.0, torch 2.14.1 |",
        "| retrieval_r1 | 88.7 | - | 18.7 | 10.0 |",
        "| knn_top1 | 90.0 | - | - | - |",
        "Over 150 queries.",
        "## License\n\nmit",
    ):
        assert f"\n{line}\n" in f"\n{card}\n", line
    assert "Without intervals" in card
    assert "somebody" not in card


def test_intervals_come_from_an_evaluation(run: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    evaluated = tmp_path_factory.mktemp("evaluated")
    (evaluated / "results.json").write_text(json.dumps({"metrics": {"retrieval_r1": 87.0}, "intervals": {"retrieval_r1": [81.25, 91.0]}}))
    card = text(run=run, results=evaluated)
    assert "| retrieval_r1 | 87.0 | 81.2 to 91.0 | - | - |" in card
    assert "Without intervals" not in card
    assert "88.7" not in card


@pytest.mark.parametrize(
    ("step", "line", "figure"),
    [
        (0, "the start itself: training made it worse", "| retrieval_r1 | 18.7 | - | 18.7 | 10.0 |"),
        (160, "of step 160", "| retrieval_r1 | 88.7 | - | 18.7 | 10.0 |"),
    ],
)
def test_the_card_is_of_the_exported_encoder(run: Path, step: int, line: str, figure: str) -> None:
    (run / "results.json").write_text(json.dumps({**RESULTS, "training": {"epochs": 12, "steps": 240, "exported_step": step}}))
    card = text(run=run)
    assert f"| this encoder | {line} |" in card
    assert figure in card
    (run / "results.json").write_text(json.dumps({**RESULTS, "training": {"epochs": 12, "steps": 240, "exported_step": 240}}))
    assert "| this encoder | of" not in text(run=run)


def test_without_a_run_folder_nothing_is_claimed() -> None:
    card = text(run=None)
    assert "data and recipe are not known" in card
    assert "None measured" in card
    assert "Not chosen yet" in card


@pytest.mark.parametrize("length", [1, 4])
def test_the_snippet_runs(length: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vclr_pl.backbone.resnet import clip_network

    backbone = small_backbone() if length == 1 else clip_network(name="r3d_18")
    view = {"crop_pixels": 16, "frames_per_clip": length, "frame_stride": 1}
    encoder = load_encoder("random", backbone=backbone, view=view)
    encoder.save_pretrained(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (tmp_path / "README.md").read_text(), re.DOTALL)
    assert code == snippet(encoder.description(), place=".")
    monkeypatch.chdir(tmp_path)
    found: dict[str, torch.Tensor] = {}
    exec(code, found)
    assert found["features"].shape == (2, encoder.feature_dim)
