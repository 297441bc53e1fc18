"""Parts of one file: the same frames as from the whole file, one open reader, and no step back."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from tests.video_fixture import frame_numbers, write_broken, write_video

from vclr_pl.data.part_reading import PartReader, subclip
from vclr_pl.data.sampling import SegmentClipSampler
from vclr_pl.data.transform.evaluation_view import EvaluationView
from vclr_pl.data.video_dataset import EvaluationVideoDataset
from vclr_pl.datasets.manifest import Manifest, ManifestBuilder
from vclr_pl.video.pyav import PyavDecoder, PyavReader

VIEW = EvaluationView(frames=5, crop_pixels=32, short_side_pixels=None, mean=(0, 0, 0), std=(1, 1, 1))
FRAMES = 30


class WatchedReader(PyavReader):
    def __init__(self, path: str, decoder: WatchedDecoder) -> None:
        super().__init__(path, threads=1, short_side_pixels=None)
        self.decoder = decoder

    def frames(self, indices: Sequence[int]) -> torch.Tensor:
        self.decoder.asked.append(list(indices))
        return super().frames(indices)

    def close(self) -> None:
        super().close()
        if hasattr(self, "decoder"):
            self.decoder.closed += 1


class WatchedDecoder(PyavDecoder):
    """Keeps which frames were asked for, and how many files were opened and closed."""

    def __init__(self) -> None:
        super().__init__(threads=1, short_side_pixels=None)
        self.asked: list[list[int]] = []
        self.opened = self.closed = 0

    def open(self, path: str) -> WatchedReader:  # type: ignore[override]
        self.opened += 1
        return WatchedReader(path, self)


def parts(path: Path, *spans: tuple[int, int]) -> Manifest:
    builder = ManifestBuilder(root="")
    for first, end in spans:
        builder.add(path, span=(first / FRAMES, end / FRAMES))
    return builder.finish()


def dataset(manifest: Manifest, decoder: PyavDecoder, *, frames_per_clip: int = 1) -> EvaluationVideoDataset:
    sampling = SegmentClipSampler(segments=2, frames_per_clip=frames_per_clip, frame_stride=2)
    return EvaluationVideoDataset(manifest=manifest, decoder=decoder, view=VIEW, sampling=sampling)


@pytest.mark.parametrize(
    ("span", "expected"),
    [((0.25, 0.75), (5, 15)), ((0.26, 0.74), (5, 15)), ((0.97, 1.0), (19, 20)), ((1.0, 1.0), (19, 20)), ((0.5, 0.5), (10, 11))],
)
def test_a_span_is_read_as_a_video_of_its_own(tmp_path: Path, span: tuple[float, float], expected: tuple[int, int]) -> None:
    """Part of a file of 20 frames: its first frame and its end."""
    path = write_video(tmp_path / "1.mp4", frames=20)
    builder = ManifestBuilder(root="")
    builder.add(path, span=span)
    with PyavDecoder(threads=1, short_side_pixels=None).open(path) as reader:
        part = subclip(reader, builder.finish(), 0)
        assert frame_numbers(part.frames(range(part.frame_count))) == list(range(*expected))


@pytest.mark.parametrize("frames_per_clip", [1, 3])
@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_overlapping_parts_are_read_once_and_forward(tmp_path: Path, suffix: str, frames_per_clip: int) -> None:
    path = write_video(tmp_path / f"1{suffix}", frames=FRAMES)
    spans = [(0, 12), (6, 18), (7, 9), (12, 24), (18, 30)]
    decoder = WatchedDecoder()
    together = dataset(parts(path, *spans), decoder, frames_per_clip=frames_per_clip)
    read = [together[index].frames for index in range(len(spans))]
    asked = [index for indices in decoder.asked for index in indices]
    assert asked == sorted(set(asked))
    assert (decoder.opened, decoder.closed) == (1, 1)
    for span, frames in zip(spans, read, strict=True):
        alone = dataset(parts(path, span), PyavDecoder(threads=1, short_side_pixels=None), frames_per_clip=frames_per_clip)[0].frames
        assert frames is not None
        assert alone is not None
        assert torch.equal(frames, alone)


def test_parts_in_any_order_are_the_same(tmp_path: Path) -> None:
    """Several loader workers share the parts of a file: each skips what the others read."""
    path = write_video(tmp_path / "1.mp4", frames=FRAMES)
    spans = [(0, 12), (6, 18), (12, 24), (18, 30)]
    every = dataset(parts(path, *spans), WatchedDecoder())
    other = dataset(parts(path, *spans), WatchedDecoder())
    first = {index: every[index].frames for index in range(4)}
    second = {index: other[index].frames for index in (2, 0, 3, 1)}
    assert all(torch.equal(first[index], second[index]) for index in range(4))  # type: ignore[arg-type]


def test_files_follow_each_other_and_a_broken_one_fails_alone(tmp_path: Path) -> None:
    good, bad = write_video(tmp_path / "1.mp4", frames=FRAMES), write_broken(tmp_path / "2.mp4")
    builder = ManifestBuilder(root="")
    for path in (good, bad, good):
        for span in ((0.0, 0.5), (0.5, 1.0)):
            builder.add(path, span=span)
    decoder = WatchedDecoder()
    samples = dataset(builder.finish(), decoder)
    read = [samples[index].frames is not None for index in range(6)]
    assert read == [True, True, False, False, True, True]
    assert decoder.closed == 2


def test_a_loader_process_gets_no_open_file(tmp_path: Path) -> None:
    path = write_video(tmp_path / "1.mp4", frames=FRAMES)
    decoder = PyavDecoder(threads=1, short_side_pixels=None)
    samples = dataset(parts(path, (0, 15), (10, 30)), decoder)
    before = samples[0].frames
    copy = pickle.loads(pickle.dumps(samples))
    assert torch.equal(copy[0].frames, before)
    reader = PartReader(manifest=samples.manifest, decoder=decoder, wanted=range)
    reader.close()
