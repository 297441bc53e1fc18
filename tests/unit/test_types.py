"""What crosses floors: views in their places, batches that move whole, errors that survive a worker's pickle."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError

import pytest
import torch

from vclr_pl.types import BrokenVideo, FeatureTable, InputError, LabeledViews, SegmentViews, VideoFrames, broken_hint, nothing_readable

BROKEN = (BrokenVideo(path="a.mp4", backend="pyav", reason="moov atom not found"),)


def segment_views() -> SegmentViews:
    """Two videos of three segments; each view is filled with its own number, each video adds 100."""
    numbers_BV = torch.arange(7) + 100 * torch.arange(2).unsqueeze(1)
    return SegmentViews(
        views=numbers_BV[:, :, None, None, None].expand(2, 7, 3, 4, 4).to(torch.uint8),
        color_parameters=torch.zeros(2, 7, 5),
        anchor_segment=torch.tensor([0, 2]),
        query_order=torch.tensor([[0, 1, 2], [1, 0, 2]]),
        key_order=torch.tensor([[0, 1, 2], [0, 1, 2]]),
        order_label=torch.tensor([0, 1]),
        video_index=torch.tensor([5, 9]),
        broken=BROKEN,
    )


def labeled_views() -> LabeledViews:
    return LabeledViews(
        views=torch.zeros(2, 3, 3, 4, 4, dtype=torch.uint8),
        color_parameters=torch.zeros(2, 3, 1),
        label=torch.tensor([3, 1]),
        video_index=torch.tensor([0, 1]),
        broken=BROKEN,
    )


def video_frames() -> VideoFrames:
    return VideoFrames(
        frames=torch.zeros(2, 4, 3, 8, 8, dtype=torch.uint8),
        valid=torch.tensor([[True] * 4, [True, True, False, False]]),
        label=torch.tensor([3, -1]),
        video_index=torch.tensor([0, 1]),
        broken=BROKEN,
    )


def test_views_stand_in_their_places():
    batch = segment_views()
    assert (len(batch), batch.segments) == (2, 3)
    assert batch.query_frames[:, :, 0, 0, 0].tolist() == [[0, 1, 2], [100, 101, 102]]
    assert batch.key_frames[:, :, 0, 0, 0].tolist() == [[3, 4, 5], [103, 104, 105]]
    assert batch.anchor_second_view[:, 0, 0, 0].tolist() == [6, 106]


@pytest.mark.parametrize("make", [segment_views, labeled_views, video_frames])
def test_a_batch_moves_whole(make: Callable[[], SegmentViews | LabeledViews | VideoFrames]):
    batch = make()
    moved = batch.to("meta")
    tensors = {name: value for name, value in vars(moved).items() if isinstance(value, torch.Tensor)}
    assert set(vars(batch)) - set(tensors) <= {"broken", "narrow", "received"}
    assert len(tensors) >= 4
    assert {value.device.type for value in tensors.values()} == {"meta"}
    assert {name: (value.shape, value.dtype) for name, value in tensors.items()} == {
        name: (getattr(batch, name).shape, getattr(batch, name).dtype) for name in tensors
    }
    assert moved.broken == BROKEN
    assert type(moved) is type(batch)


def test_what_crosses_floors_is_frozen():
    with pytest.raises(FrozenInstanceError):
        segment_views().order_label = torch.zeros(2)  # type: ignore[misc]


def test_a_table_counts_its_rows():
    table = FeatureTable(features=torch.zeros(3, 2), label=torch.zeros(3), video_index=torch.arange(3), path=("a", "b", "c"))
    assert (len(table), table.class_names, table.broken) == (3, (), ())


def test_an_input_error_is_one_line_and_survives_a_pickle():
    error = InputError(expected="a folder of videos", got="an empty one", hint="Set data.root=DIR.")
    assert str(error) == "expected a folder of videos; got an empty one. Set data.root=DIR."
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.expected, again.got, again.hint) == (
        InputError,
        str(error),
        "a folder of videos",
        "an empty one",
        "Set data.root=DIR.",
    )


def test_an_error_of_broken_videos_keeps_them_in_a_pickle():
    error = nothing_readable("test videos", BROKEN)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.broken == BROKEN
    assert "none, 1 failed, the first is 'a.mp4' (pyav: moov atom not found)" in str(again)
    assert "got none. " in str(nothing_readable("test videos", ()))


def test_the_hint_is_for_what_lasts_or_for_what_may_pass():
    lasting, passing = BROKEN[0], BrokenVideo(path="b.mp4", backend="pyav", reason="no answer within 60 s", is_temporary=True)
    assert broken_hint([lasting]) == str(nothing_readable("videos", [lasting])).split(". ")[-1] == "Replace or repair the files."
    told = str(nothing_readable("videos", [passing, passing], afterwards="resume=DIR then goes on."))
    assert "Replace" not in told
    assert "may be intact: fix the cause, then repeat the command. " in told
    assert told.endswith("set decoding.decode_timeout_seconds higher. resume=DIR then goes on.")
    assert broken_hint([lasting, passing], lasting="Mend.").startswith("Mend. 1 of the 2 may be intact. ")
