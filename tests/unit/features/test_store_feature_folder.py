"""Three files that NumPy and the csv module read, written as videos are read."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from vclr_pl.datasets.manifest import Manifest
from vclr_pl.features.store import FeatureFolder
from vclr_pl.types import BrokenVideo, InputError

MANIFEST = Manifest.from_pairs([("/v/a.mp4", "run"), ("/v/b, \udce9.mp4", "jump"), ("/v/c.mp4", "run"), ("/v/d.mp4", None)])
BROKEN = BrokenVideo(path="/v/c.mp4", backend="pyav", reason="no frames (at all)")


def filled(path: Path) -> FeatureFolder:
    folder = FeatureFolder(path=path / "features", manifest=MANIFEST, feature_dim=3)
    folder.begin({"encoder": "x"})
    features = torch.arange(12.0).unflatten(0, (4, 3))
    folder.write(features={3: features[3]}, frames={3: 5}, broken=[], rank=1)
    folder.write(features=dict(enumerate(features[:2])), frames={0: 30, 1: 30}, broken=[(2, BROKEN)], rank=0)
    assert not folder.is_complete
    folder.finish()
    assert not folder.has_unread()
    return folder


def test_what_is_on_disk(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    assert folder.is_complete
    assert sorted(path.name for path in folder.path.iterdir()) == ["features.json", "features.npy", "videos.csv"]
    features = np.load(folder.path / "features.npy", mmap_mode="r")
    assert (features.dtype, features.tolist()) == (np.float32, [[0, 1, 2], [3, 4, 5], [9, 10, 11]])
    with (folder.path / "videos.csv").open(newline="", errors="surrogateescape") as file:
        lines = list(csv.reader(file))
    assert lines == [
        ["path", "label", "class", "frames", "status", "row"],
        ["/v/a.mp4", "1", "run", "30", "ok", "0"],
        ["/v/b, \udce9.mp4", "0", "jump", "30", "ok", "1"],
        ["/v/c.mp4", "1", "run", "0", "broken: no frames (at all) (pyav)", ""],
        ["/v/d.mp4", "", "", "5", "ok", "2"],
    ]


def test_as_a_table(tmp_path: Path) -> None:
    table = filled(tmp_path).table()
    assert table.features.tolist() == [[0, 1, 2], [3, 4, 5], [9, 10, 11]]
    assert (table.label.tolist(), table.video_index.tolist()) == ([1, 0, -1], [0, 1, 3])
    assert table.path == ("/v/a.mp4", "/v/b, \udce9.mp4", "/v/d.mp4")
    assert table.class_names == ("jump", "run")
    assert table.broken == (BROKEN,)


def test_all_broken_is_a_table_without_rows(tmp_path: Path) -> None:
    folder = FeatureFolder(path=tmp_path, manifest=MANIFEST, feature_dim=3)
    folder.begin({})
    folder.write(features={}, frames={}, broken=[(index, BROKEN) for index in range(4)], rank=0)
    folder.finish()
    assert (len(folder.table()), folder.table().features.shape) == (0, torch.Size((0, 3)))


def test_what_may_be_readable_later_is_told_apart(tmp_path: Path) -> None:
    slow = BrokenVideo(path="/v/d.mp4", backend="pyav", reason="no answer within 60 s", is_temporary=True)
    folder = FeatureFolder(path=tmp_path, manifest=MANIFEST, feature_dim=3)
    folder.begin({})
    folder.write(features=dict.fromkeys((0, 1), torch.zeros(3)), frames={0: 30, 1: 30}, broken=[(2, BROKEN), (3, slow)], rank=0)
    folder.finish()
    with (folder.path / "videos.csv").open(newline="", errors="surrogateescape") as file:
        assert [line["status"] for line in csv.DictReader(file)][2:] == [
            "broken: no frames (at all) (pyav)",
            "unread: no answer within 60 s (pyav)",
        ]
    assert folder.table().broken == (BROKEN, slow)
    assert list(folder.fates()) == [(0, 30, None), (1, 30, None), (2, 0, BROKEN), (3, 0, slow)]
    assert folder.has_unread()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    folder = FeatureFolder(path=tmp_path, manifest=MANIFEST, feature_dim=3)
    folder.begin({"encoder": "x", "list": "y"})
    folder.begin({"encoder": "x", "list": "y"})
    with pytest.raises(InputError, match="features of another encoder"):
        folder.begin({"encoder": "z", "list": "y"})


def begun(path: Path) -> FeatureFolder:
    folder = FeatureFolder(path=path, manifest=Manifest.from_pairs([(f"/v/{number}.mp4", None) for number in range(5)]), feature_dim=2)
    folder.begin({})
    return folder


LASTING = BrokenVideo(path="/v/1.mp4", backend="pyav", reason="cut\noff")
PASSING = BrokenVideo(path="/v/4.mp4", backend="pyav", reason="no answer within 1 s", is_temporary=True)


def test_ranks_share_the_draft(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    folder.write(features={3: torch.tensor([6.0, 7.0])}, frames={3: 30}, broken=[], rank=0)
    folder.write(features={0: torch.tensor([0.5, 1.0])}, frames={0: 9}, broken=[(1, LASTING)], rank=1)
    assert folder.finished() == ({3: 30, 0: 9}, {1: LASTING})
    assert np.fromfile(folder.draft, np.float32).tolist() == [0.5, 1, 0, 0, 0, 0, 6, 7, 0, 0]


def test_a_complete_folder_is_opened_again_for_unread_videos(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    features = {index: torch.tensor([index, index + 0.5]) for index in (0, 2, 3)}
    folder.write(features=features, frames=dict.fromkeys(features, 30), broken=[(1, LASTING), (4, PASSING)], rank=0)
    folder.finish()
    assert not folder.is_kept
    folder.reopen()
    assert not folder.is_complete
    assert folder.finished() == (dict.fromkeys((0, 2, 3), 30), {1: LASTING})
    folder.write(features={4: torch.tensor([4, 4.5])}, frames={4: 7}, broken=[], rank=1)
    folder.finish()
    assert folder.is_kept
    assert folder.table().features.tolist() == [[0, 0.5], [2, 2.5], [3, 3.5], [4, 4.5]]
    assert folder.table().broken == (LASTING,)


def test_an_interrupted_extraction_of_version_0_1_0_is_continued(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    np.array([0.5, 1, 0, 0, 0, 0, 6, 7, 0, 0], np.float32).tofile(folder.draft)
    broken = [{"video": 1, "frames": 0, "backend": "pyav", "reason": "cut\noff"}]
    broken += [{"video": 4, "frames": 0, "backend": "pyav", "reason": "no answer within 1 s", "is_temporary": True}]
    lines = [json.dumps(line) for line in ({"video": 0, "frames": 9}, *broken, {"video": 3, "frames": 30})]
    (tmp_path / "journal_00000.jsonl").write_text("\n".join(lines) + '\n{"video": 2, "fr')
    assert folder.finished() == ({0: 9, 3: 30}, {1: LASTING, 4: PASSING})
    folder.write(features={2: torch.ones(2), 4: torch.zeros(2)}, frames={2: 1, 4: 2}, broken=[], rank=0)
    folder.finish()
    assert folder.table().features.tolist() == [[0.5, 1], [1, 1], [6, 7], [0, 0]]
    assert folder.table().broken == (LASTING,)
