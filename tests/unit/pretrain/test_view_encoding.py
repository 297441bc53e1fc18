from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.unit.pretrain.built import small_batch, small_module
from torch import Tensor

from vclr_pl.pretrain.key_encoding import KeyEncoding
from vclr_pl.pretrain.view_encoding import PooledKeys, SeparateEncoding, SharedEncoding, ViewEncoding, other_segments
from vclr_pl.types import SegmentViews


class Recorder:
    """Stands for an encoder: a view's feature is its first pixel, and the passes are kept."""

    def __init__(self) -> None:
        self.passes: list[list[float]] = []

    def __call__(self, frames: Tensor) -> Tensor:
        features = frames[:, :1, 0, 0]
        self.passes.append(features.flatten().tolist())
        return features


def numbered_batch() -> SegmentViews:
    """Two videos of three segments; view v of video b is 10 b + v. Anchors: last segment, first segment."""
    views = torch.arange(7.0) + 10.0 * torch.arange(2.0).unsqueeze(1)
    return SegmentViews(
        views=views[:, :, None, None, None].expand(2, 7, 3, 1, 1),
        color_parameters=torch.zeros(2, 7, 0),
        anchor_segment=torch.tensor([2, 0]),
        query_order=torch.tensor([[1, 2, 0], [0, 1, 2]]),
        key_order=torch.tensor([[0, 1, 2], [2, 0, 1]]),
        order_label=torch.tensor([1, 2]),
        video_index=torch.tensor([0, 1]),
    )


def keys_of(encoding: ViewEncoding, encode: Recorder) -> PooledKeys:
    return KeyEncoding(encoding, seed=0, uses_batch_statistics=True).keys(encode, numbered_batch(), number=0)


def test_the_other_segments_are_in_temporal_order() -> None:
    batch = replace(small_batch(segments=4), anchor_segment=torch.tensor([0, 3, 3, 0]))
    assert other_segments(batch).tolist() == [[1, 2, 3], [0, 1, 2], [0, 1, 2], [1, 2, 3]]


def test_separate_passes_are_those_of_the_release() -> None:
    encode = Recorder()
    queries = SeparateEncoding().queries(encode, numbered_batch())
    assert encode.passes == [[2, 10], [1, 2, 0, 10, 11, 12]]
    assert queries.anchor.flatten().tolist() == [2, 10]
    assert queries.tuple.squeeze(-1).tolist() == [[1, 2, 0], [10, 11, 12]]
    encode = Recorder()
    keys = keys_of(SeparateEncoding(), encode)
    assert encode.passes == [[6, 16], [0, 11], [1, 12], [3, 4, 5, 15, 13, 14]]
    assert keys.frames.squeeze(-1).tolist() == [[6, 16], [0, 11], [1, 12]]
    assert keys.tuple.squeeze(-1).tolist() == [[3, 4, 5], [15, 13, 14]]


def test_shared_passes_see_every_image_once_and_give_the_same_features() -> None:
    encode = Recorder()
    queries = SharedEncoding().queries(encode, numbered_batch())
    assert encode.passes == [[0, 1, 2, 10, 11, 12]]
    assert queries.anchor.flatten().tolist() == [2, 10]
    assert queries.tuple.squeeze(-1).tolist() == [[1, 2, 0], [10, 11, 12]]
    encode = Recorder()
    keys = keys_of(SharedEncoding(), encode)
    assert [sorted(views) for views in encode.passes] == [[0, 1, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]]
    assert keys.frames.squeeze(-1).tolist() == [[6, 16], [0, 11], [1, 12]]
    assert keys.tuple.squeeze(-1).tolist() == [[3, 4, 5], [15, 13, 14]]


@pytest.mark.parametrize("segments", [3, 4])
def test_with_batch_norms_in_eval_mode_both_ways_give_one_loss_and_one_gradient(segments: int) -> None:
    results = []
    for encoding in (SeparateEncoding(), SharedEncoding()):
        module = small_module(encoding=encoding, segments=segments).double().eval()
        batch = small_batch(segments=segments)
        total = module.training_step(replace(batch, views=batch.views.double()))
        total.backward()
        gradients = [parameter.grad for parameter in module.encoder.parameters()]
        results.append((total.detach(), gradients, dict(module.awaiting_enqueue)))
    (loss, gradients, keys), (other_loss, other_gradients, other_keys) = results
    torch.testing.assert_close(loss, other_loss, rtol=1e-9, atol=0)
    for own, other in zip(gradients, other_gradients, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-9, atol=1e-12)
    for name in keys:
        torch.testing.assert_close(keys[name], other_keys[name], rtol=1e-9, atol=1e-12)


def test_the_features_of_each_key_frame_are_one_piece_of_memory() -> None:
    """A linear layer repeats its weights for a transposed input."""
    for encoding in (SeparateEncoding(), SharedEncoding()):
        assert keys_of(encoding, Recorder()).frames.is_contiguous()
