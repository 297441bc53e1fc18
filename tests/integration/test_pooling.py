"""Pooling over frames in every command that reads videos with a frozen encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.integration.test_evaluate import command, results
from tests.unit.features.pretrained_file import write_run
from tests.video_fixture import write_video

from vclr_pl.compare import compare
from vclr_pl.embed import embed
from vclr_pl.evaluate import evaluate
from vclr_pl.features.encoder import load_encoder
from vclr_pl.retrieve import retrieve
from vclr_pl.runner.run import run


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`run/`, an encoder; `set/train` and `set/test`, each with three videos of two classes."""
    folder = tmp_path_factory.mktemp("pooling")
    write_run(folder / "run")
    for split in ("train", "test"):
        for number in range(3):
            write_video(folder / "set" / split / "dark" / f"{number}.mp4", frames=4 + number)
            write_video(folder / "set" / split / "long" / f"{number}.mp4", frames=24 + number)
    return folder


def test_pooling_in_segments_in_every_command(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pooled = ["protocol.pooling=segments", "protocol.pooling_segments=2"]
    collection = f"root={places / 'set' / 'test'}"
    assert run(evaluate, config_name="evaluate", arguments=command(places, "pooled", f"data.root={places / 'set'}", *pooled)) == 0
    assert "feature of a video: the averages over 2 equal segments of its frames, one after another" in capsys.readouterr().out
    assert "feature is the averages over 2 equal segments of its frames" in (places / "runs" / "pooled" / "retrieval.html").read_text()
    output = f"output={places / 'pooled_features'}"
    assert run(embed, config_name="embed", arguments=command(places, "pooled_embed", f"data.{collection}", output, *pooled)) == 0
    assert np.load(places / "pooled_features" / "features.npy").shape == (6, 16)
    for name, more in (
        ("pooled_videos", []),
        ("pooled_parts", ["granularity=segment", "segment.seconds=0.2", "segment.stride_seconds=0.1"]),
    ):
        words = command(places, name, f"gallery.{collection}", "neighbors=2", *more, *pooled)
        assert run(retrieve, config_name="retrieve", arguments=words) == 0
    capsys.readouterr()
    assert run(retrieve, config_name="retrieve", arguments=command(places, "x", f"gallery.{collection}", "duplicates=true", *pooled)) == 2
    assert "expected protocol.pooling=mean with duplicates=true; got segments. Remove protocol.pooling" in capsys.readouterr().err


def test_a_shared_encoder_keeps_its_pooling_in_every_command(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load_encoder(str(places / "run"), view={"pooling": "segments", "pooling_segments": 2}).save_pretrained(places / "shared")
    shared, told = f"encoder={places / 'shared'}", "feature of a video: the averages over 2 equal segments of its frames"
    collection = f"root={places / 'set' / 'test'}"
    for name, width, chosen in (("kept", 16, []), ("mean", 8, ["protocol.pooling=mean"])):
        output = f"output={places / 'shared_features' / name}"
        words = [*command(places, f"shared_{name}", f"data.{collection}", output, *chosen), shared]
        assert run(embed, config_name="embed", arguments=words) == 0
        assert np.load(places / "shared_features" / name / "features.npy").shape == (6, width)
        assert (told in capsys.readouterr().out) == (width == 16)
    words = [part for part in command(places, "shared_compared", f"data.root={places / 'set'}") if not part.startswith("encoder=")]
    assert run(compare, config_name="compare", arguments=[*words, f"encoders=[{places / 'run'},{places / 'shared'}]"]) == 0
    assert [record["encoder"]["pooling_segments"] for record in results(places, "shared_compared")["encoders"]] == [1, 2]  # type: ignore[attr-defined]
    words = [*command(places, "shared_copies", f"gallery.{collection}", "duplicates=true", "minimum_similarity=0.9"), shared]
    assert run(retrieve, config_name="retrieve", arguments=words) == 0  # copies are found by mean features
