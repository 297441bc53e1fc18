"""Copies made while a video is read, on real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.video_fixture import write_pictures

from vclr_pl.data.made_copies import CHANGES, STRONG_CHANGES, Calibration, CopyDecoder, copies_of
from vclr_pl.data.video_dataset import subclip
from vclr_pl.datasets.manifest import Manifest, ManifestBuilder
from vclr_pl.types import InputError
from vclr_pl.video.protocol import VideoReadError
from vclr_pl.video.pyav import PyavDecoder

DECODER = PyavDecoder(threads=1, short_side_pixels=None)


@pytest.fixture
def video(tmp_path: Path) -> str:
    generator = np.random.default_rng(0)
    pictures = np.kron(generator.integers(0, 256, (20, 6, 8, 3)), np.ones((1, 8, 8, 1))).astype(np.uint8)
    return str(write_pictures(tmp_path / "a.mp4", pictures=pictures, height=48, width=64, rate=10, keyframe_every=4))


def test_six_kinds_of_every_video(video: str) -> None:
    manifest = Manifest.from_pairs([("other.mp4", None), (video, None)])
    copies = copies_of(manifest, [1])
    assert [copies.path(index) for index in range(len(copies))] == [f"{video}/{kind}" for kind in CHANGES]
    assert [copies.span(index)[1] for index in range(6)] == pytest.approx([1, 0.9, 1, 1, 1, 1])
    with DECODER.open(video) as reader:
        whole = reader.frames(range(20))
    made = {}
    for index, kind in enumerate(CHANGES):
        with CopyDecoder(DECODER).open(copies.path(index)) as file:
            reader = subclip(file, copies, index)
            made[kind] = reader.frames(range(reader.frame_count))
    assert torch.equal(made["trimmed"], whole[:18])
    assert torch.equal(made["cropped"], whole[..., :44, :58])
    assert torch.equal(made["mirrored"], whole[..., range(63, -1, -1)])
    assert made["rescaled"].shape == (20, 3, 24, 32)
    assert made["rescaled"].float().mean() == pytest.approx(whole.float().mean(), abs=1)
    difference = (made["re-encoded"].float() - whole.float()).abs()
    assert 1 < difference.mean() < 20
    logo = (made["with a logo"] != whole).any(dim=1).any(dim=0)
    assert logo[:39].sum() == logo[:, :55].sum() == 0
    assert logo[39:46, 55:62].float().mean() > 0.9
    assert (whole[:, :, 39:46, 55:62] != 255).any()


def test_a_part_of_a_file_loses_a_tenth_of_itself() -> None:
    builder = ManifestBuilder(root="")
    builder.add("a.mp4", span=(0.5, 1.0))
    assert copies_of(builder.finish(), [0]).span(1) == pytest.approx((0.5, 0.95))


def test_an_unreadable_video_has_no_copies(tmp_path: Path) -> None:
    with pytest.raises(VideoReadError, match="no such file"):
        CopyDecoder(DECODER).open(f"{tmp_path}/absent.mp4/mirrored")
    assert CopyDecoder(DECODER).backend_of("a.mp4/mirrored") == "pyav"


def test_the_sample_depends_on_the_seed() -> None:
    chosen = Calibration(videos=20, recall=0.9, seed=0).sample(1000)
    assert chosen == sorted(set(chosen)) == Calibration(videos=20, recall=0.9, seed=0).sample(1000)
    assert chosen != Calibration(videos=20, recall=0.9, seed=1).sample(1000)
    assert len(chosen) == 20
    assert Calibration(videos=20, recall=0.9, seed=0).sample(3) == [0, 1, 2]
    with pytest.raises(InputError, match=r"calibration\.videos of at least 1; got 0"):
        Calibration(videos=0, recall=0.9, seed=0)
    with pytest.raises(InputError, match=r"calibration\.recall above 0 and at most 1; got 92"):
        Calibration(videos=1, recall=92, seed=0)


def test_strong_changes(video: str) -> None:
    """Against NumPy, on frames whose upper right part, later half and colors differ from the rest."""
    manifest = Manifest.from_pairs([(video, None)])
    copies = copies_of(manifest, [0], kinds=STRONG_CHANGES)
    with DECODER.open(video) as reader:
        whole = reader.frames(range(20))
    made = {}
    for index, kind in enumerate(STRONG_CHANGES):
        with CopyDecoder(DECODER, changes=STRONG_CHANGES).open(copies.path(index)) as file:
            reader = subclip(file, copies, index)
            made[kind] = reader.frames(range(reader.frame_count))
    assert {kind: len(frames) for kind, frames in made.items()} == {
        "re-encoded": 20,
        "zoomed": 20,
        "recolored": 20,
        "gray": 20,
        "later half": 10,
    }
    assert {tuple(frames.shape[1:]) for frames in made.values()} == {(3, 48, 64)}
    part = whole[:, :, :34, 19:].float()
    zoomed = torch.nn.functional.interpolate(part, size=(48, 64), mode="bilinear", align_corners=False)
    assert (made["zoomed"].float() - zoomed).abs().max() <= 1
    assert torch.equal(made["later half"], made["zoomed"][10:].flip(-1))
    shade = (whole.float() * torch.tensor([0.2989, 0.587, 0.114])[:, None, None]).sum(dim=1, keepdim=True)
    assert (made["gray"].float() - shade).abs().max() <= 1
    assert made["recolored"].float().mean() < whole.float().mean()
