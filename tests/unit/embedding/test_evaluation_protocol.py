"""What is given wins over what the file says; what is null does not."""

from __future__ import annotations

from pathlib import Path

from tests.unit.embedding.pretrained_file import write_run

from vclr_pl.embedding.evaluation_protocol import EvaluationProtocol


def test_null_is_what_the_file_says(tmp_path: Path) -> None:
    run = str(write_run(tmp_path / "run"))
    protocol = EvaluationProtocol(frames=12, crop_pixels=None, short_side_pixels=64, mean=None, std=[1.0, 1.0, 1.0])
    encoder = protocol.load(run, momentum=False, backbone=None)
    view = encoder.view
    assert (view.frames, view.crop_pixels, view.short_side_pixels, view.mean, view.std) == (12, 32, 64, (0.1, 0.2, 0.3), (1.0, 1.0, 1.0))
    assert encoder.view_in_words == "12 frames a video, center crop of 32 pixels from a short side of 64 pixels"
    assert protocol.load(run, momentum=True, backbone=None).digest() != encoder.digest()
