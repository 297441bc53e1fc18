"""A crop that covers a small part of the frames is reported once, with an option that covers more."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from vclr_pl.data.transform.evaluation_view import EvaluationView, NarrowViewWarning, RecognitionView, narrow_view
from vclr_pl.types import NarrowView

FIGURES = {"mean": (0, 0, 0), "std": (1, 1, 1)}


def view(short_side_pixels: int | None, crop_pixels: int = 224) -> EvaluationView:
    return EvaluationView(frames=3, crop_pixels=crop_pixels, short_side_pixels=short_side_pixels, **FIGURES)


def counted_fraction(shown: EvaluationView, *, height: int, width: int) -> float:
    """Which share of the pixels of a frame is in the crop: each pixel bears its number, without resizing."""
    numbers = torch.arange(height * width).reshape(1, 1, height, width)
    frame = torch.cat([numbers % 256, numbers // 256 % 256, numbers // 65536], dim=1).to(torch.uint8)
    seen = shown.crop(frame).to(torch.int64)
    found = (seen[:, 0] + 256 * seen[:, 1] + 65536 * seen[:, 2]).unique()
    return len(found) / (height * width)


@pytest.mark.parametrize(("height", "width"), [(1080, 1920), (360, 640), (256, 340), (240, 320), (100, 300), (640, 360)])
def test_the_fraction_is_that_of_the_pixels_in_the_crop(height: int, width: int) -> None:
    stored = view(None)
    assert stored.seen_fraction(height=height, width=width) == pytest.approx(counted_fraction(stored, height=height, width=width), rel=1e-4)
    for crops in ("center", "three", "ten"):
        several = RecognitionView(segments=3, crop_pixels=64, short_side_pixels=min(height, width), crops=crops, **FIGURES)
        counted = counted_fraction(several, height=height, width=width)
        assert several.seen_fraction(height=height, width=width) == pytest.approx(counted, rel=1e-3)


@pytest.mark.parametrize(
    ("short_side_pixels", "height", "width", "percent"),
    [
        (None, 1080, 1920, 2.42),  # 224 x 224 of 1080 x 1920
        (None, 256, 340, None),
        (256, 1080, 1920, None),  # 224 x 224 of 256 x 455: 43 %
        (256, 360, 1080, 25.5),  # a panorama: 224 x 224 of 256 x 768
        (900, 1080, 1920, 3.48),
    ],
)
def test_less_than_a_third_is_narrow(short_side_pixels: int | None, height: int, width: int, percent: float | None) -> None:
    found = narrow_view(view(short_side_pixels), path="a.mp4", height=height, width=width)
    assert [np.round(100 * one.seen_fraction, 2) for one in found] == pytest.approx([] if percent is None else [percent], rel=0.01)


def test_it_is_told_once_with_what_shows_more(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="vclr_pl")
    warning = NarrowViewWarning(view=view(None), option="protocol")
    size = {"width_pixels": 1920, "height_pixels": 1080, "crop_pixels": 224}
    found = [NarrowView(path=path, seen_fraction=0.0242, **size) for path in ("a.mp4", "b.mp4")]
    for batch in ([], found, found):
        warning.observe(batch)
    told = "the crop of 224 pixels covers 2% of the frames of a.mp4 (1920x1080); protocol.short_side_pixels=256 covers more"
    assert [record.getMessage() for record in caplog.records] == [told]


def test_a_panorama_has_no_hint(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="vclr_pl")
    shown = view(256)
    NarrowViewWarning(view=shown, option="evaluation_view").observe(narrow_view(shown, path="a.mp4", height=360, width=1080))
    assert caplog.records[0].getMessage() == "the crop of 224 pixels covers 26% of the frames of a.mp4 (1080x360)"
