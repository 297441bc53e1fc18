"""What is done survives a kill at any byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from vclr_pl.data.manifest import Manifest
from vclr_pl.embedding.feature_folder import FeatureFolder
from vclr_pl.embedding.feature_journal import FeatureJournal, read_journals, remove_journals
from vclr_pl.types import BrokenVideo

MANIFEST = Manifest.from_pairs([(f"/v/{number}.mp4", None) for number in range(5)])


def begun(path: Path) -> FeatureFolder:
    folder = FeatureFolder(path=path, manifest=MANIFEST, feature_dim=2)
    folder.begin({})
    return folder


def test_features_stand_at_their_videos_places_and_ranks_share_the_file(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    with FeatureJournal(folder=folder, rank=0) as first, FeatureJournal(folder=folder, rank=1) as second:
        first.write(features={3: torch.tensor([6.0, 7.0])}, frames={3: 30}, broken=[])
        broken = BrokenVideo(path="/v/1.mp4", backend="pyav", reason="cut\noff")
        second.write(features={0: torch.tensor([0.5, 1.0])}, frames={0: 9}, broken=[(1, broken)])
    assert read_journals(folder) == ({3: 30, 0: 9}, {1: broken})
    assert np.fromfile(folder.draft, np.float32).tolist() == [0.5, 1, 0, 0, 0, 0, 6, 7, 0, 0]
    remove_journals(folder)
    assert read_journals(folder) == ({}, {})


def test_half_a_line_does_not_count_and_is_written_over(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    with FeatureJournal(folder=folder, rank=0) as journal:
        journal.write(features={0: torch.ones(2), 1: torch.ones(2)}, frames={0: 30, 1: 30}, broken=[])
    path = next(folder.path.glob("journal_*"))
    whole = path.read_bytes()
    for kept in range(len(whole)):
        path.write_bytes(whole[:kept])
        assert len(read_journals(folder)[0]) == whole[:kept].count(b"\n")
    path.write_bytes(whole[:-3])
    with FeatureJournal(folder=folder, rank=0) as journal:
        journal.write(features={4: torch.ones(2)}, frames={4: 30}, broken=[])
    assert read_journals(folder)[0] == {0: 30, 4: 30}
