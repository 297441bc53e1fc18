"""Encoders of transformers in every command: a video model and an image model, tiny and random, saved by the library."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.unit.features.test_transformers_model import saved
from tests.video_fixture import write_video

from vclr_pl.convert import convert
from vclr_pl.embed import embed
from vclr_pl.evaluate import evaluate
from vclr_pl.features.encoder import load_encoder
from vclr_pl.finetune import finetune
from vclr_pl.retrieve import retrieve
from vclr_pl.runner.run import run
from vclr_pl.visualize import visualize

DEMO = ["data=demo", "data.train_videos_per_class=2", "data.test_videos_per_class=1", "data.frames=6", "data.size_pixels=64"]
QUICK = ["loader.workers=0", "page=null"]


def places(folder: Path, name: str) -> list[str]:
    kept = [f"paths.{part}={folder / part}" for part in ("data", "runs", "features")]
    return [*kept, f"hydra.run.dir={folder / name}"]


@pytest.mark.parametrize("name", ["videomae", "dinov2"])
def test_a_model_of_transformers_works_in_every_command(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The videos have 6 frames, fewer than the view and, for clips, than 4 frames at the published stride."""
    saved(name, tmp_path / "model")
    encoder = f"encoder=hf:{tmp_path / 'model'}"
    small = [encoder, *DEMO, *QUICK, "trainer=cpu", "bootstrap.resamples=10"]
    assert run(evaluate, config_name="evaluate", arguments=[*small, *places(tmp_path, "evaluated")]) == 0, capfd.readouterr().err
    first = json.loads((tmp_path / "evaluated" / "results.json").read_text())
    tuned = [
        "experiment=finetune/demo",
        *(part for part in small if part != "page=null"),
        "mode=full",
        "fit_to_encoder=true",
        "loader.batch_size=2",
        "evaluation_view.segments=2",
        "sampling.segments=2",
    ]
    tuned += ["trainer.max_epochs=1", "trainer.limit_train_batches=1", *places(tmp_path, "tuned")]
    assert run(finetune, config_name="finetune", arguments=tuned) == 0, capfd.readouterr().err
    fine = [part.replace(encoder, f"encoder={tmp_path / 'tuned'}") for part in small]
    assert run(evaluate, config_name="evaluate", arguments=[*fine, *places(tmp_path, "fine")]) == 0, capfd.readouterr().err
    assert first["metrics"].keys() == json.loads((tmp_path / "fine" / "results.json").read_text())["metrics"].keys()


@pytest.mark.parametrize("name", ["videomae", "dinov2"])
def test_own_videos(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A clip of 16 frames at stride 4 of a video of 3 frames repeats the last one."""
    saved(name, tmp_path / "model")
    for number in range(3):
        write_video(tmp_path / "videos" / f"{number}.mp4", frames=3)
    encoder = f"encoder=hf:{tmp_path / 'model'}"
    videos = f"data.root={tmp_path / 'videos'}"
    arguments = [encoder, videos, "trainer=cpu", "loader.workers=0", *places(tmp_path, "embedded")]
    assert run(embed, config_name="embed", arguments=arguments) == 0, capfd.readouterr().err
    features = np.load(next(tmp_path.rglob("features.npy")))
    assert features.shape == (3, 24)
    assert np.isfinite(features).all()
    found = [encoder, f"gallery.root={tmp_path / 'videos'}", f"query.root={tmp_path / 'videos' / '0.mp4'}", "trainer=cpu", *QUICK]
    assert run(retrieve, config_name="retrieve", arguments=[*found, *places(tmp_path, "retrieved")]) == 0, capfd.readouterr().err
    with (tmp_path / "retrieved" / "neighbors.csv").open() as file:
        assert next(csv.DictReader(file))
    capfd.readouterr()
    mapped = [encoder, f"data.root={tmp_path / 'videos' / '0.mp4'}", f"hydra.run.dir={tmp_path / 'maps'}"]
    assert run(visualize, config_name="visualize", arguments=mapped) == 0, capfd.readouterr().err
    assert list((tmp_path / "maps").rglob("*.png"))


@pytest.mark.parametrize("name", ["videomae", "vjepa2", "timesformer", "vivit", "dinov2", "dinov3_vit", "siglip_vision", "convnext"])
def test_onnx_gives_the_same_features(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    runtime = pytest.importorskip("onnxruntime")
    saved(name, tmp_path / "model")
    output = tmp_path / "encoder.onnx"
    assert run(convert, config_name="convert", arguments=[f"input=hf:{tmp_path / 'model'}", "to=onnx", f"output={output}"]) == 0, (
        capfd.readouterr()
    )
    encoder = load_encoder(f"hf:{tmp_path / 'model'}")
    side = encoder.view.crop_pixels
    shape = (3, 3, encoder.frames_per_clip, side, side) if encoder.frames_per_clip > 1 else (3, 3, side, side)
    frames = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    (features,) = runtime.InferenceSession(output).run(None, {"frames": frames.numpy()})
    torch.testing.assert_close(torch.from_numpy(features), encoder.pooled(frames), atol=1e-4, rtol=1e-4)
