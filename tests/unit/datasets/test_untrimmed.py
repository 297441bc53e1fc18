"""Good annotations are read as they are; each mistake is told with its video and field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.data.annotated import entry, write_annotations
from tests.video_fixture import write_broken, write_video

from vclr_pl.datasets.untrimmed import LocalizationSet, localization_set
from vclr_pl.types import InputError


def read(tmp_path: Path, database: dict[str, Any], **more: Any) -> LocalizationSet:
    path = write_annotations(tmp_path / "videos.json", database, **more)
    return localization_set(annotations=path, root=str(tmp_path))


def test_videos_are_read_in_order(tmp_path: Path) -> None:
    found = read(tmp_path, {"b": entry(frames=250), "a": entry("validation"), "c": {"subset": "testing", "duration": 3}})
    assert [video.identity for video in found.videos] == ["b", "a", "c"]
    assert [video.identity for video in found.subset("validation")] == ["a"]
    assert found.frames == {"b": 250}
    assert found.class_names == ("jump",)
    segment = found.videos[0].segments[0]
    assert (segment.label, segment.start_seconds, segment.end_seconds) == ("jump", 1.0, 4.0)
    assert found.videos[2].segments == ()


def test_one_line_says_what_was_understood(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    read(tmp_path, {"b": segment(1, 2), "a": entry("validation"), "c": {"subset": "training", "duration": 3}})
    told = "training: 2 videos, 2 segments; validation: 1 videos, 1 segments; 1 classes (jump)"
    assert [record.getMessage() for record in caplog.records] == [f"annotations in {tmp_path / 'videos.json'}: {told}"]


def segment(start: Any, end: Any, label: Any = "jump") -> dict[str, Any]:
    return entry(annotations=[{"label": "jump", "segment": [0, 1]}, {"label": label, "segment": [start, end]}])


@pytest.mark.parametrize(
    ("broken", "field", "told"),
    [
        ({"subset": "train", "duration": 3}, "subset", "'train'"),
        (entry(duration=-2), "duration", "-2"),
        (entry(duration=True), "duration", "True"),
        (entry(duration="10"), "duration", "'10'"),
        (entry(frames=2.5), "frames", "2.5"),
        (entry(annotations={}), "annotations", "{}"),
        (entry(annotations=[7]), "annotations[0]", "7"),
        (entry(annotations=[{"segment": [0, 1]}]), "annotations[0].label", "nothing"),
        (entry(annotations=[{"label": "jump"}]), "annotations[0].segment", "nothing"),
        (segment(4, "5"), "annotations[1].segment", "[4, '5']"),
        (segment(4, float("nan")), "annotations[1].segment", "nan"),
        (7, "entry", "7"),
    ],
)
def test_a_mistake_is_told_with_its_video_and_field(tmp_path: Path, broken: Any, field: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, {"good": entry(), "bad one": broken})
    assert f"video 'bad one', field {field}:" in str(caught.value)
    assert told in caught.value.got


def test_labels_are_those_of_training_or_of_the_taxonomy(tmp_path: Path) -> None:
    other = entry("validation", annotations=[{"label": "swim", "segment": [0, 1]}])
    with pytest.raises(InputError, match=r"video 'b', field annotations\[0\].label: one of the 1 known labels \(jump\); got 'swim'"):
        read(tmp_path, {"a": entry(), "b": other})
    nodes = [{"nodeName": "sport", "parentName": "root"}, *({"nodeName": name, "parentName": "sport"} for name in ("jump", "swim"))]
    assert read(tmp_path, {"a": entry(), "b": other}, taxonomy=nodes).class_names == ("jump", "swim")
    assert read(tmp_path, {"b": other}).class_names == ("swim",)


@pytest.mark.parametrize("content", ["no json", "[]", '{"database": []}', '{"database": {}}', "{}"])
def test_another_file_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "file.json").write_text(content)
    with pytest.raises(InputError, match="ActivityNet's form"):
        localization_set(annotations=str(tmp_path / "file.json"), root=None)


def test_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="FileNotFoundError"):
        localization_set(annotations=str(tmp_path / "none.json"), root=None)


@pytest.mark.parametrize("identity", ["", "..", "a/b"])
def test_an_identity_must_name_a_file(tmp_path: Path, identity: str) -> None:
    with pytest.raises(InputError, match="valid file name"):
        read(tmp_path, {identity: entry()})


def test_files_are_found_by_name(tmp_path: Path) -> None:
    for name in ("deep/a.mp4", "v_b.mkv", "v_c.avi", "other.mp4"):
        write_broken(tmp_path / "videos" / name)
    path = write_annotations(tmp_path / "videos.json", {name: entry() for name in ("a", "b", "v_c", "d")})
    found = localization_set(annotations=path, root=str(tmp_path / "videos")).paths()
    assert {name: Path(file).name for name, file in found.items()} == {"a": "a.mp4", "b": "v_b.mkv", "v_c": "v_c.avi"}


def test_no_video_and_no_root_are_told(tmp_path: Path) -> None:
    write_broken(tmp_path / "videos" / "other.mp4")
    path = write_annotations(tmp_path / "videos.json", {"a": entry()})
    with pytest.raises(InputError, match=r"no 'a.mp4'"):
        localization_set(annotations=path, root=str(tmp_path / "videos")).paths()
    with pytest.raises(InputError, match="snippets=DIR"):
        localization_set(annotations=path, root=None).paths()


def test_the_digest_is_of_what_was_read(tmp_path: Path) -> None:
    first, same = (read(tmp_path, {"a": entry()}, version=version).digest() for version in (1, 2))
    assert first == same
    assert first != read(tmp_path, {"a": entry(duration=11.0)}).digest()


def test_two_files_of_one_name_are_refused_and_files_without_annotation_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a/vid_0.mp4", "b/v_vid_0.mp4", "other.mp4"):
        write_broken(tmp_path / "videos" / name).write_text(name)
    path = write_annotations(tmp_path / "videos.json", {"vid_0": entry(), "b": entry()})
    with pytest.raises(
        InputError, match=r"got 1 videos with several, for instance 'vid_0': a/vid_0\.mp4, b/v_vid_0\.mp4\. .*untrimmed\.root=DIR"
    ):
        localization_set(annotations=path, root=str(tmp_path / "videos")).paths()
    (tmp_path / "videos/b/v_vid_0.mp4").unlink()
    (tmp_path / "videos/b/v_vid_0.mp4").symlink_to(tmp_path / "videos/a/vid_0.mp4")
    found = localization_set(annotations=path, root=str(tmp_path / "videos")).paths()
    assert found == {"vid_0": str(tmp_path / "videos/a/vid_0.mp4")}
    assert f"videos.json does not list 1 of the videos below {tmp_path / 'videos'}, which are left out: other.mp4" in caplog.text


def test_a_duration_that_the_file_lacks_is_read_from_the_video(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_video(tmp_path / "videos/v_a.mp4", frames=30, rate=10)
    without = {"subset": "training", "annotations": [{"label": "jump", "segment": [1, 4]}]}
    path = write_annotations(tmp_path / "videos.json", {"a": without, "b": {**without, "duration": 0}, "c": entry()})
    found = localization_set(annotations=path, root=str(tmp_path / "videos"))
    assert [(video.identity, video.duration_seconds, video.segments[0].end_seconds) for video in found.videos] == [
        ("a", 3.0, 3.0),
        ("c", 10.0, 4.0),
    ]
    assert "videos.json: 1 videos have no duration, in the file or on disk, and are left out: b" in caplog.text
    with pytest.raises(InputError, match=r"video 'a', field duration: seconds above 0, or untrimmed\.root=DIR .*; got nothing"):
        localization_set(annotations=path, root=None)


def test_a_label_of_dropped_segments_alone_is_known(tmp_path: Path) -> None:
    empty = entry(annotations=[{"label": "swim", "segment": [0, 0]}])
    swims = entry("validation", annotations=[{"label": "swim", "segment": [0, 1]}])
    assert read(tmp_path, {"a": entry(), "b": empty, "c": swims}).class_names == ("jump", "swim")
