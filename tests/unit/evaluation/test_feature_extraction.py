"""Averages against a loop; modes, chunks, broken videos, and two processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vclr_pl.evaluation.feature_extraction import evaluation_mode, extract_features
from vclr_pl.types import BrokenVideo, FeatureTable, InputError, VideoFrames

FRAMES = [4, 1, 0, 3, 2, 4, 3]  # of each video; the third is broken


class Network(nn.Module):
    """A network whose answer depends on its mode, with a method as the pretraining module has."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(12), nn.Linear(12, 5), nn.Dropout(0.5))
        self.calls: list[int] = []

    def forward(self, frames: Tensor) -> Tensor:
        self.calls.append(len(frames))
        return self.body(frames)

    def features(self, frames: Tensor) -> Tensor:
        return self(frames)


def network() -> Network:
    torch.manual_seed(0)
    made = Network()
    made.body[1].running_mean.normal_()
    return made


def video(index: int) -> Tensor:
    return torch.randint(0, 256, (FRAMES[index], 3, 2, 2), generator=torch.Generator().manual_seed(index), dtype=torch.uint8)


def batch_of(*indices: int) -> VideoFrames:
    longest = max(max(FRAMES[index] for index in indices), 1)
    frames = torch.full((len(indices), longest, 3, 2, 2), 99, dtype=torch.uint8)
    valid = torch.zeros(len(indices), longest, dtype=torch.bool)
    for row, index in enumerate(indices):
        frames[row, : FRAMES[index]], valid[row, : FRAMES[index]] = video(index), True
    broken = tuple(BrokenVideo(f"{index}.mp4", "pyav", "cut short") for index in indices if not FRAMES[index])
    index = torch.tensor(indices)
    return VideoFrames(frames=frames, valid=valid, label=index % 3, video_index=index, broken=broken)


def to_unit_range(batch: VideoFrames) -> VideoFrames:
    return replace(batch, frames=batch.frames.float() / 255)


def extract(encoder: Callable[[Tensor], Tensor], batches: list[VideoFrames], **changed: Any) -> FeatureTable:
    options = {
        "prepare": to_unit_range,
        "path": lambda index: f"{index}.mp4",
        "class_names": ["a", "b", "c"],
        "device": "cpu",
        "precision": "32-true",
        "frames_per_pass": 64,
    }
    return extract_features(encoder=encoder, batches=batches, **{**options, **changed})


def one_by_one(made: Network, indices: list[int]) -> Tensor:
    """Each frame alone through the network in evaluation mode, then the mean."""
    rows = []
    with torch.no_grad(), evaluation_mode(made):
        for index in indices:
            frames = [made.body(frame[None].float() / 255)[0] for frame in video(index)]
            rows.append(sum(frames) / len(frames))
    return torch.stack(rows)


@pytest.mark.parametrize("frames_per_pass", [1, 3, 64])
@pytest.mark.parametrize("batches", [[(0, 1, 2, 3, 4, 5, 6)], [(5, 1), (2,), (0, 3, 4), (6,)]])
def test_a_feature_is_the_mean_over_valid_frames_in_order_of_the_manifest(batches: list[tuple[int, ...]], frames_per_pass: int) -> None:
    table = extract(network(), [batch_of(*indices) for indices in batches], frames_per_pass=frames_per_pass)
    assert table.video_index.tolist() == [0, 1, 3, 4, 5, 6]
    assert table.label.tolist() == [0, 1, 0, 1, 2, 0]
    assert table.path == ("0.mp4", "1.mp4", "3.mp4", "4.mp4", "5.mp4", "6.mp4")
    assert table.class_names == ("a", "b", "c")
    assert table.features.dtype == torch.float32
    torch.testing.assert_close(table.features, one_by_one(network(), [0, 1, 3, 4, 5, 6]))


def test_no_call_is_larger_than_asked_and_padding_is_never_encoded() -> None:
    made = network()
    extract(made, [batch_of(0, 1, 2, 3), batch_of(2), batch_of(4, 5, 6)], frames_per_pass=5)
    assert made.calls == [5, 3, 5, 4]


def test_broken_videos_are_listed_once_and_have_no_row() -> None:
    table = extract(network(), [batch_of(2), batch_of(0, 2)])
    assert table.video_index.tolist() == [0]
    assert table.broken == (BrokenVideo("2.mp4", "pyav", "cut short"),)


def test_a_video_without_frames_is_listed_even_if_the_loader_did_not() -> None:
    table = extract(network(), [replace(batch_of(0, 2), broken=())])
    assert table.broken == (BrokenVideo("2.mp4", "", "no frame could be read"),)


def test_nothing_readable_gives_an_empty_table() -> None:
    table = extract(network(), [batch_of(2)])
    assert (len(table), table.path, len(table.broken)) == (0, (), 1)
    assert len(extract(network(), [])) == 0


@pytest.mark.parametrize("of", [lambda made: made, lambda made: made.features], ids=["network", "method"])
def test_each_part_is_back_in_its_mode_afterwards_even_after_an_error(of: Callable[[Network], Any]) -> None:
    made = network()
    made.body[1].eval()
    modes = [part.training for part in made.modules()]
    before = made.body[1].running_mean.clone()
    extract(of(made), [batch_of(0, 1)])
    assert [part.training for part in made.modules()] == modes == [True, True, True, False, True, True]
    assert torch.equal(made.body[1].running_mean, before)

    def prepare(batch: VideoFrames) -> VideoFrames:
        assert not any(part.training for part in made.modules())
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        extract(of(made), [batch_of(0)], prepare=prepare)
    assert [part.training for part in made.modules()] == modes


def test_a_plain_function_is_an_encoder_too_and_leaves_no_gradient() -> None:
    weight = torch.ones(12, 2, requires_grad=True)
    table = extract(lambda frames: frames.flatten(1) @ weight, [batch_of(0, 1)])
    assert table.features.shape == (2, 2)
    assert not table.features.requires_grad


def test_bf16_is_of_the_network_and_the_average_is_float32() -> None:
    seen = []

    class Watched(Network):
        def forward(self, frames: Tensor) -> Tensor:
            seen.append(super().forward(frames).dtype)
            return super().forward(frames)

    torch.manual_seed(0)
    table = extract(Watched(), [batch_of(0, 1, 3)], precision="bf16-mixed")
    assert seen == [torch.bfloat16]
    assert table.features.dtype == torch.float32
    distinct = table.features[0] - table.features[0].bfloat16().float()
    assert distinct.abs().max() > 0  # a mean of four rounded frames is not itself rounded


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(InputError, match=r"32-true, bf16-mixed, 16-mixed; got 64-true"):
        extract(network(), [], precision="64-true")


def extract_share(shares: list[list[tuple[int, ...]]]) -> tuple[list[list[float]], list[int], tuple[str, ...], tuple[BrokenVideo, ...]]:
    mine = shares[torch.distributed.get_rank()]
    table = extract(network(), [batch_of(*indices) for indices in mine])
    return table.features.tolist(), table.video_index.tolist(), table.path, table.broken


@pytest.mark.parametrize(
    "shares",
    [
        [[(0, 2), (4, 6)], [(1, 3), (5,)]],
        [[(0, 2), (4, 6)], [(1, 3), (5, 0)]],  # a padding sampler repeats the first video
        [[(0, 1, 2), (3, 4, 5, 6)], []],
        [[(2,)], [(6, 5), (4, 3), (0, 1)]],
    ],
    ids=["even", "padded", "one rank idle", "one rank broken"],
)
def test_two_processes_find_the_table_of_one(two_processes: Callable[..., list[Any]], shares: list[list[tuple[int, ...]]]) -> None:
    alone = extract(network(), [batch_of(*range(7))])
    for features, video_index, path, broken in two_processes(extract_share, shares):
        torch.testing.assert_close(torch.tensor(features), alone.features)
        assert video_index == alone.video_index.tolist()
        assert path == alone.path
        assert broken == alone.broken
