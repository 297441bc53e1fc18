"""Each video once over all ranks, only those that are left."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.features.pretrained_file import small_backbone
from tests.video_fixture import write_video

from vclr_pl.datasets.manifest import Manifest
from vclr_pl.features.encoder import load_encoder
from vclr_pl.features.video_reading import ReadingOptions, VideoReading
from vclr_pl.types import InputError
from vclr_pl.video.pyav import PyavDecoder


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_each_video_once(tmp_path: Path, ranks: int) -> None:
    path = str(write_video(tmp_path / "a.mp4", frames=4))
    reading = VideoReading(
        manifest=Manifest.from_pairs([(path, None)] * 7),
        encoder=load_encoder("random", backbone=small_backbone(), view={"crop_pixels": 16, "frames": 2}),
        decoding=PyavDecoder(threads=1, short_side_pixels=None),
        options=ReadingOptions(videos_per_batch=2, workers=0, prefetch_batches=1),
    )
    seen = []
    for rank in range(ranks):
        for batch in reading.batches([0, 2, 3, 4, 6], rank=rank, ranks=ranks, pin_memory=False):
            assert batch.frames.shape[1:] == (2, 3, 16, 16)
            seen += batch.video_index.tolist()
    assert sorted(seen) == [0, 2, 3, 4, 6]


def test_workers_are_shared_among_devices_and_no_more_than_there_is_to_do() -> None:
    asked = ReadingOptions(videos_per_batch=2, workers=6, prefetch_batches=1)
    assert (asked.worker_count(ranks=2, batches=100), asked.worker_count(ranks=1, batches=3)) == (6, 3)
    assert ReadingOptions(videos_per_batch=2, workers=None, prefetch_batches=1).worker_count(ranks=1, batches=1) == 1


@pytest.mark.parametrize("wrong", [{"videos_per_batch": 0}, {"workers": -1}, {"prefetch_batches": 0}])
def test_figures_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        ReadingOptions(**{"videos_per_batch": 1, "workers": 0, "prefetch_batches": 1, **wrong})
