"""Three files that NumPy and the csv module read."""

from __future__ import annotations

import csv
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
    np.arange(12, dtype=np.float32).tofile(folder.draft)
    assert not folder.complete
    folder.finish(frames={3: 5, 0: 30, 1: 30}, broken={2: BROKEN})
    assert not folder.has_unread()
    return folder


def test_what_is_on_disk(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    assert folder.complete
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
    folder.finish(frames={}, broken=dict.fromkeys(range(4), BROKEN))
    assert (len(folder.table()), folder.table().features.shape) == (0, torch.Size((0, 3)))


def test_what_may_be_readable_later_is_told_apart(tmp_path: Path) -> None:
    slow = BrokenVideo(path="/v/d.mp4", backend="pyav", reason="no answer within 60 s", is_temporary=True)
    folder = FeatureFolder(path=tmp_path, manifest=MANIFEST, feature_dim=3)
    folder.begin({})
    np.zeros(12, dtype=np.float32).tofile(folder.draft)
    folder.finish(frames={0: 30, 1: 30}, broken={2: BROKEN, 3: slow})
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
