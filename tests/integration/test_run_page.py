"""The page on a run: of one that was interrupted and resumed, of one of a single step without labels, and none where it is switched off."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from tests.integration.test_train import command
from tests.video_fixture import copies

from vclr_pl.runner.run import run
from vclr_pl.train import train


def plain(folder: Path) -> str:
    """The text of the page without markup."""
    html = re.sub(r"<(style|script)>.*?</\1>", "", (folder / "run.html").read_text(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).replace("&#39;", "'")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    stop = "+callback.interruption={_target_: tests.integration.interruption.Interruption, epoch: 2}"
    assert run(train, config_name="train", arguments=command(folder, "stopped", "page=null", stop)) == 1
    arguments = command(folder, "resumed", "page=null", f"resume={folder / 'runs' / 'stopped'}")
    assert run(train, config_name="train", arguments=arguments) == 0
    return folder / "runs"


def test_an_interrupted_run_says_so(places: Path) -> None:
    assert "■ stopped" in plain(places / "stopped")
    assert "The last step was 10." in plain(places / "stopped")


def test_a_resumed_run_has_the_whole_curves(places: Path) -> None:
    described = re.search(r'aria-label="total loss\. loss: ([^"]*)"', (places / "resumed" / "run.html").read_text())
    assert described is not None
    assert re.match(r"\d+\.\d+ at step 1, \d+\.\d+ at step 20; random guess: [\d.]+, the weighted sum\.", described.group(1))
    with Image.open(places / "resumed" / "curves.png") as picture:
        assert picture.width == 1440


def test_an_ended_run_has_its_results_options_views_and_commands(places: Path) -> None:
    text = plain(places / "resumed")
    assert "✓ ended" in text
    assert "too short to say 20 steps; more than 500 show it training took" in text
    assert re.search(r"retrieval R@1 [\d.]+ [\d.]+ [\d.]+ to [\d.]+ [\d.]+ [\d.]+ to [\d.]+ [+-][\d.]+", text)
    assert "kNN accuracy" in text
    assert "trainer.max_epochs 4 72 command line" in text
    assert "trainer cpu auto command line" in text
    assert re.search(r"Order label \d: (both in order|query shuffled|key shuffled|both shuffled)", text)
    for purpose in ("Train for longer", "Evaluate", "Export to ONNX"):
        assert purpose in text
    assert "Resume after a stop" not in text
    assert "Resume after a stop" in plain(places / "stopped")
    assert f"resume={places / 'resumed'} trainer.max_epochs=101" in text
    assert f"python -m vclr_pl.convert input={places / 'resumed'} to=onnx output=encoder.onnx" in text


def test_one_step_without_labels_and_sizes_that_follow_the_data(tmp_path: Path) -> None:
    copies(tmp_path / "my <b>own" / f"{number}.mp4" for number in range(3))
    paths = [f"paths.data={tmp_path / 'data'}", f"paths.runs={tmp_path / 'runs'}", f"hydra.run.dir={tmp_path / 'runs' / 'one'}"]
    sizes = ["backbone=small_resnet", "head.dim=8", "transform.size_pixels=32", "loader.workers=0", "trainer=cpu", "trainer.max_steps=1"]
    arguments = [f"data.root='{tmp_path / 'my <b>own'}'", *paths, *sizes, "trainer.precision=32-true"]
    assert run(train, config_name="train", arguments=arguments) == 0
    text = plain(tmp_path / "runs" / "one")
    assert "my &lt;b&gt;own/" in text
    assert "loader.batch_size 2 32 4 or more steps in an epoch, at most 32" in text
    assert "Ended after 1 step," in text
    assert "retrieval R@1" not in text


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    more = ["callback.run_page=null", "evaluation.enabled=false", "trainer.max_steps=1"]
    assert run(train, config_name="train", arguments=command(tmp_path, "run", *more)) == 0
    assert not {"run.html", "curves.png"} & {path.name for path in (tmp_path / "runs" / "run").iterdir()}
