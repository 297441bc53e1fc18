"""What the stages ask of their data."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tests.unit.data.annotated import entry, write_annotations, write_features
from tests.video_fixture import write_broken

from vclr_pl.datasets.untrimmed import localization_set
from vclr_pl.localization.datamodule import SnippetData
from vclr_pl.localization.dataset import SnippetLoader
from vclr_pl.localization.feature_folder import SnippetResampling
from vclr_pl.types import InputError

DATABASE: dict[str, Any] = {
    "a": entry(frames=170),
    "b": entry(annotations=[]),
    "c": entry("validation"),
    "d": entry("validation", annotations=[]),
}


def data(tmp_path: Path, database: dict[str, Any] | None = None, **changes: Any) -> SnippetData:
    path = write_annotations(tmp_path / "videos.json", DATABASE if database is None else database)
    options: dict[str, Any] = {
        "untrimmed": localization_set(annotations=path, root=None),
        "snippets": str(tmp_path / "features"),
        "resampled": str(tmp_path / "resampled"),
        "resampling": SnippetResampling(positions=5, points_per_position=3, allow_missing=False),
        "batches": SnippetLoader(batch_size=2, workers=0),
        "snippet_frames": 16,
        "subset": "validation",
    }
    return SnippetData(**{**options, **changes})


@pytest.fixture
def ready(tmp_path: Path) -> SnippetData:
    write_features(tmp_path / "features", {"a": 9, "b": 8, "c": 7, "d": 12})
    made = data(tmp_path)
    made.resample(["a", "b", "c", "d"])
    return made


def test_what_there_is(ready: SnippetData) -> None:
    assert (ready.feature_dim, sorted(ready.files)) == (3, ["a", "b", "c", "d"])
    assert ready.covered == {"a": pytest.approx(160 / 170 * 10.0), "b": 10.0, "c": 10.0, "d": 10.0}
    assert ready.truth() == {"c": [("jump", 1.0, 4.0)]}
    assert [video.identity for video in ready.judged] == ["c", "d"]
    assert ready.class_scores() is None
    assert ready.manifest(["c"]) is None


def on(device: str) -> Any:
    """What the loader reads of Lightning's trainer."""
    return SimpleNamespace(global_rank=0, world_size=1, strategy=SimpleNamespace(root_device=torch.device(device)))


def test_training_on_a_gpu_pins_features_and_segments(ready: SnippetData) -> None:
    assert [ready.training_loader(seed=0, trainer=on(device)).pin_memory for device in ("cuda", "cpu")] == [True, False]
    (batch,) = ready.training_loader(seed=0, trainer=on("cpu"))
    pinned: list[torch.Tensor] = []
    batch._moved(lambda tensor: pinned.append(tensor) or tensor)  # what `pin_memory` and `to` do with each tensor
    assert {id(tensor) for tensor in pinned} == {id(tensor) for tensor in (batch.features, *batch.segments, batch.video_index)}


def test_training_takes_videos_with_segments(ready: SnippetData) -> None:
    (batch,) = ready.training_loader(seed=0, trainer=on("cpu"))
    assert [len(segments) for segments in batch.segments] == [1]
    (read,) = ready.reading_loader([0, 1])
    assert len(read) == 2


def test_logits_become_probabilities(ready: SnippetData, tmp_path: Path) -> None:
    (tmp_path / "features" / "features.json").write_text(json.dumps({"class_names": ["x", "jump", "z"]}))
    scores = ready.class_scores()
    assert scores is not None
    expected = torch.softmax(torch.from_numpy(np.load(tmp_path / "features" / "c.npy")).double().mean(0), 0)
    assert list(scores) == ["c", "d"]
    assert scores["c"] == pytest.approx(dict(zip(("x", "jump", "z"), expected.tolist(), strict=True)))


def test_logits_may_lie_elsewhere(ready: SnippetData, tmp_path: Path) -> None:
    write_features(tmp_path / "logits", {"c": 4}, dimension=2)
    with pytest.raises(InputError, match="a recognizer's logits"):
        ready.class_scores(logits=str(tmp_path / "logits"))
    (tmp_path / "logits" / "features.json").write_text(json.dumps({"class_names": ["x", "jump"]}))
    scores = ready.class_scores(logits=str(tmp_path / "logits"))
    assert scores is not None
    assert (list(scores["c"]), scores["d"]) == (["x", "jump"], {})


def test_classes_of_other_names_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Else mAP would be near 0 for no reason that one sees."""
    write_features(tmp_path / "features", {"a": 9, "b": 8, "c": 7})
    swim = entry(annotations=[{"label": "swim", "segment": [0, 1]}])
    made = data(tmp_path, {"a": entry(), "b": swim, "c": entry("validation")})
    made.resample(["a", "b", "c"])
    described = tmp_path / "features" / "features.json"
    described.write_text(json.dumps({"class_names": ["Jump", "Run", "Swim"]}))
    with pytest.raises(InputError, match=r"annotated classes \(jump, swim\); got one of other classes \(Jump, Run, Swim\)"):
        made.class_scores()
    described.write_text(json.dumps({"class_names": ["jump", "Run", "Swim"]}))
    caplog.clear()
    assert made.class_scores() is not None
    assert "has 1 of the 2 annotated classes; there are no detections of the others: swim" in caplog.text
    described.write_text(json.dumps({"class_names": ["jump", "run", "swim"]}))
    caplog.clear()
    assert made.class_scores() is not None
    assert caplog.text == ""


def test_the_digest_is_of_what_is_seen(ready: SnippetData, tmp_path: Path) -> None:
    def digests(database: dict[str, Any] | None = None, **changes: Any) -> tuple[str, str]:
        made = data(tmp_path, database, **changes)
        made.resample([video.identity for video in made.untrimmed.videos])
        return made.digest(made.trained), made.digest(made.judged)

    assert [video.identity for video in ready.trained] == ["a"]
    before = digests()
    assert before == (ready.digest(ready.trained), ready.digest(ready.judged))
    assert digests({**DATABASE, "a": entry(frames=161)})[0] != before[0]  # another part of it is covered
    longer = {**DATABASE, "a": entry(annotations=[{"label": "jump", "segment": [1, 5]}], frames=170)}
    assert digests(longer) == (digests(longer)[0], before[1])
    assert digests(longer)[0] != before[0]
    assert digests(snippet_frames=8)[0] != before[0]
    write_features(tmp_path / "features", {"e": 9})
    more = digests({**DATABASE, "e": entry("validation")})
    assert more[0] == before[0]
    assert more[1] != before[1]
    write_features(tmp_path / "features", {"a": 10})
    assert digests()[0] != before[0]


def test_videos_without_features_any_more_take_no_part(ready: SnippetData, tmp_path: Path) -> None:
    (tmp_path / "features" / "d.npy").unlink()
    assert sorted(ready.files) == ["a", "b", "c", "d"]
    again = data(tmp_path)
    again.resample(["a", "b", "c"])
    assert sorted(again.files) == ["a", "b", "c"]
    assert sorted(path.name for path in (tmp_path / "resampled").glob("d.*")) == []


def test_stages_out_of_order_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Run the stage features"):
        data(tmp_path).resample(["a"])
    with pytest.raises(InputError, match="Run the stage resample first"):
        _ = data(tmp_path).feature_dim


def test_empty_subsets_are_told(tmp_path: Path) -> None:
    write_features(tmp_path / "features", {"a": 9, "b": 9})
    made = data(tmp_path, {"a": entry(annotations=[]), "b": entry("testing")})
    made.resample(["a", "b"])
    with pytest.raises(InputError, match="videos of the subset 'validation'"):
        _ = made.judged
    with pytest.raises(InputError, match="training videos with segments"):
        made.training_loader(seed=0, trainer=on("cpu"))
    with pytest.raises(InputError, match="subset to be one of"):
        data(tmp_path, subset="test")


def test_videos_that_are_not_there_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_broken(tmp_path / "videos" / "c.mp4")
    path = write_annotations(tmp_path / "videos.json", DATABASE)
    untrimmed = localization_set(annotations=path, root=str(tmp_path / "videos"))
    made = data(tmp_path, untrimmed=untrimmed)
    assert list(made.paths()) == ["c"]
    assert made.identities == ["a", "b", "c", "d"]
    assert data(tmp_path, {"a": entry(), "t": entry("testing"), "v": entry("validation")}).identities == ["a", "v"]
    assert "3 videos are not below" in caplog.text
    manifest = made.manifest(["d", "c"])
    assert manifest is not None
    assert manifest.path(1) == str(tmp_path / "videos" / "c.mp4")
