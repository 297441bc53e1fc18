"""What is done survives a kill at any byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from vclr_pl.datasets.manifest import Manifest
from vclr_pl.features.store import FeatureFolder, FeatureJournal, read_journals, remove_journals, reopen
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


def test_a_finished_folder_is_opened_again_for_what_may_be_readable(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    lasting = BrokenVideo(path="/v/1.mp4", backend="pyav", reason="no frames")
    passing = BrokenVideo(path="/v/4.mp4", backend="pyav", reason="no answer within 1 s", is_temporary=True)
    with FeatureJournal(folder=folder, rank=0) as journal:
        features = {index: torch.tensor([index, index + 0.5]) for index in (0, 2, 3)}
        journal.write(features=features, frames=dict.fromkeys(features, 30), broken=[(1, lasting), (4, passing)])
    before = read_journals(folder)
    folder.finish(frames=before[0], broken=before[1])
    remove_journals(folder)
    reopen(folder)
    assert not folder.complete
    assert read_journals(folder) == (dict.fromkeys((0, 2, 3), 30), {1: lasting})
    with FeatureJournal(folder=folder, rank=1) as journal:
        journal.write(features={4: torch.tensor([4, 4.5])}, frames={4: 7}, broken=[])
    folder.finish(frames=read_journals(folder)[0], broken=read_journals(folder)[1])
    assert folder.table().features.tolist() == [[0, 0.5], [2, 2.5], [3, 3.5], [4, 4.5]]
    assert folder.table().broken == (lasting,)


def test_the_newest_word_on_a_video_counts_in_any_order_of_ranks(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    passing = BrokenVideo(path="/v/1.mp4", backend="pyav", reason="no answer within 1 s", is_temporary=True)
    lasting = BrokenVideo(path="/v/1.mp4", backend="pyav", reason="no frames")
    with FeatureJournal(folder=folder, rank=0) as first, FeatureJournal(folder=folder, rank=1) as second:
        second.write(features={}, frames={}, broken=[(1, passing), (2, passing)])
        first.write(features={2: torch.ones(2)}, frames={2: 30}, broken=[(1, lasting)])
    assert read_journals(folder) == ({2: 30}, {1: lasting})
