"""What is given wins over what the file says; what is null does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.embedding.pretrained_file import small_backbone, write_run

from vclr_pl.backbone.clip_network import clip_network
from vclr_pl.embedding.evaluation_protocol import EvaluationProtocol
from vclr_pl.types import InputError


def test_null_is_what_the_file_says(tmp_path: Path) -> None:
    run = str(write_run(tmp_path / "run"))
    protocol = EvaluationProtocol(
        frames=12, crop_pixels=None, short_side_pixels=64, mean=None, std=[1.0, 1.0, 1.0], frames_per_clip=None, frame_stride=None
    )
    encoder = protocol.load(run, momentum=False, backbone=None)
    view = encoder.view
    assert (view.frames, view.crop_pixels, view.short_side_pixels, view.mean, view.std) == (12, 32, 64, (0.1, 0.2, 0.3), (1.0, 1.0, 1.0))
    assert encoder.view.in_words == "12 frames a video, center crop of 32 pixels from a short side of 64 pixels"
    assert protocol.load(run, momentum=True, backbone=None).digest() != encoder.digest()


def test_a_3d_network_needs_to_know_its_clips_and_a_network_of_frames_takes_none() -> None:
    def load(backbone, **clip):  # type: ignore[no-untyped-def]
        figures = {"frames_per_clip": None, "frame_stride": None} | clip
        protocol = EvaluationProtocol(frames=4, crop_pixels=None, short_side_pixels=None, mean=None, std=None, **figures)
        return protocol.load("random", momentum=False, backbone=backbone)

    encoder = load(clip_network(name="r3d_18"), frames_per_clip=4, frame_stride=3)
    assert (encoder.frames_per_clip, encoder.frame_stride) == (4, 3)
    with pytest.raises(InputError, match=r"protocol\.frames_per_clip=8 protocol\.frame_stride=2"):
        load(clip_network(name="r3d_18"))
    with pytest.raises(InputError, match=r"got frames_per_clip=4\. Leave"):
        load(small_backbone(seed=0), frames_per_clip=4, frame_stride=1)
