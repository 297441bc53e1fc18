"""Parts of a batch that several workers have read become the batch that one would have read."""

from __future__ import annotations

import torch

from vclr_pl.data.reading_ahead import LightCollate, joined
from vclr_pl.data.samples import NoReadableVideo
from vclr_pl.types import BrokenVideo, LabeledViews

BROKEN = tuple(BrokenVideo(path=name, backend="pyav", reason="no frames") for name in "abc")


def labeled(rows: int, *, broken: tuple[BrokenVideo, ...] = ()) -> LabeledViews:
    return LabeledViews(
        views=torch.randint(255, (rows, 2, 3, 90, 90), dtype=torch.uint8),
        color_parameters=torch.rand(rows, 2, 8),
        label=torch.arange(rows),
        video_index=torch.arange(rows) + 7,
        broken=broken,
    )


def test_parts_make_the_batch_that_one_worker_would_have_made() -> None:
    parts = [labeled(2, broken=BROKEN[:1]), labeled(1), labeled(3, broken=BROKEN[1:])]
    light = [LightCollate(lambda part: part)(part) for part in parts]
    assert isinstance(light[0].views, torch.Tensor)
    assert not isinstance(light[0].label, torch.Tensor)
    found = joined(light, pin=False)
    for name in ("views", "color_parameters", "label", "video_index"):
        expected = torch.cat([getattr(part, name) for part in parts])
        assert torch.equal(getattr(found, name), expected)
        assert getattr(found, name).dtype == expected.dtype
    assert found.broken == BROKEN
    assert joined(light[:1], pin=False).views is light[0].views


def test_a_part_without_a_readable_video_makes_the_batch_one() -> None:
    batch = joined([labeled(2, broken=BROKEN[:1]), NoReadableVideo(BROKEN[1:])], pin=False)
    assert batch == NoReadableVideo(BROKEN)
    assert LightCollate(lambda _: NoReadableVideo(BROKEN))([]) == NoReadableVideo(BROKEN)
