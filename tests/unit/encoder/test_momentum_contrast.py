from __future__ import annotations

import math

import pytest
import torch

from vclr_pl.backbone.resnet import SmallResNet
from vclr_pl.encoder.momentum_contrast import MomentumEncoder, NegativeQueue
from vclr_pl.encoder.video_encoder import ProjectionHead, VideoEncoder


def encoder() -> VideoEncoder:
    return VideoEncoder(backbone=SmallResNet(widths=[8, 16], stem_stride=2), heads={"inter": ProjectionHead(feature_dim=16, dim=4)})


def test_parameters_follow_and_buffers_do_not() -> None:
    query = encoder()
    momentum = MomentumEncoder(query, momentum=0.9, copy_buffers=True)
    before = [parameter.clone() for parameter in momentum.encoder.parameters()]
    with torch.no_grad():
        for parameter in query.parameters():
            parameter.add_(1.0)
    query(torch.randn(2, 3, 16, 16))  # moves the query's batch-norm statistics
    momentum.update(query)
    for own, start, other in zip(momentum.encoder.parameters(), before, query.parameters(), strict=True):
        torch.testing.assert_close(own, 0.9 * start + 0.1 * other)
    assert not torch.equal(momentum.encoder.backbone.bn1.running_mean, query.backbone.bn1.running_mean)


def test_the_momentum_rises_by_half_a_cosine() -> None:
    """BYOL's appendix: 1 - (1 - base) (cos(pi k / K) + 1) / 2 for an end at 1."""
    momentum = MomentumEncoder(encoder(), momentum=0.9, copy_buffers=True, final_momentum=1.0)
    for progress in (0.0, 0.25, 0.5, 1.0):
        assert momentum.momentum_at(progress) == pytest.approx(1 - 0.1 * (math.cos(math.pi * progress) + 1) / 2)
    assert momentum.momentum_at(2.0) == 1.0
    assert MomentumEncoder(encoder(), momentum=0.9, copy_buffers=True).momentum_at(0.7) == 0.9
    query = encoder()
    momentum.restart(encoder())
    before = [parameter.clone() for parameter in momentum.encoder.parameters()]
    momentum.update(query, progress=1.0)
    assert all(torch.equal(own, start) for own, start in zip(momentum.encoder.parameters(), before, strict=True))


def test_nothing_of_the_momentum_encoder_is_trained() -> None:
    assert not any(parameter.requires_grad for parameter in MomentumEncoder(encoder(), momentum=0.9, copy_buffers=False).parameters())


def test_buffers_are_copied_at_start_only_on_wish() -> None:
    query = encoder()
    query(torch.randn(2, 3, 16, 16))
    statistics = query.backbone.bn1.running_mean
    copied = MomentumEncoder(query, momentum=0.9, copy_buffers=True).encoder.backbone.bn1
    fresh = MomentumEncoder(query, momentum=0.9, copy_buffers=False).encoder.backbone.bn1
    assert torch.equal(copied.running_mean, statistics)
    assert torch.equal(fresh.running_mean, torch.zeros_like(statistics))
    assert int(fresh.num_batches_tracked) == 0


def test_restart_takes_over_weights_that_were_loaded_later() -> None:
    query = encoder()
    momentum = MomentumEncoder(query, momentum=0.9, copy_buffers=False)
    with torch.no_grad():
        query.heads["inter"][0].weight.fill_(2.0)
    momentum.restart(query)
    assert momentum.encoder.heads["inter"][0].weight.unique().tolist() == [2.0]


def keys(*values: float) -> torch.Tensor:
    return torch.tensor(values).unsqueeze(1).expand(-1, 2)


def test_rows_are_followed_through_the_wrap() -> None:
    queue = NegativeQueue(length=5, dim=2, initialization="unit", mask_own_video=True)
    queue.enqueue(keys(1, 2, 3), torch.tensor([10, 20, 30]))
    assert (queue.rows[:3, 0].tolist(), int(queue.pointer), queue.video_index.tolist()) == ([1, 2, 3], 3, [10, 20, 30, -1, -1])
    queue.enqueue(keys(4, 5, 6), torch.tensor([40, 50, 60]))
    assert (queue.rows[:, 0].tolist(), int(queue.pointer), queue.video_index.tolist()) == ([6, 2, 3, 4, 5], 1, [60, 20, 30, 40, 50])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_key_that_is_not_finite_leaves_the_old_row(bad: float) -> None:
    queue = NegativeQueue(length=3, dim=2, initialization="unit", mask_own_video=True)
    queue.enqueue(keys(1, 2, 3), torch.tensor([10, 20, 30]))
    poisoned = keys(4.0, 5.0).contiguous()
    poisoned[0, 1] = bad
    queue.enqueue(poisoned, torch.tensor([40, 50]))
    assert (queue.rows.tolist(), int(queue.pointer), queue.video_index.tolist()) == ([[1, 1], [5, 5], [3, 3]], 2, [10, 50, 30])


def test_contents_and_pointer_are_part_of_a_checkpoint() -> None:
    queue = NegativeQueue(length=5, dim=2, initialization="release", mask_own_video=False)
    queue.enqueue(keys(1, 2, 3), torch.arange(3))
    other = NegativeQueue(length=5, dim=2, initialization="release", mask_own_video=False)
    other.load_state_dict(queue.state_dict())
    assert sorted(queue.state_dict()) == ["pointer", "rows"]
    assert torch.equal(other.rows, queue.rows)
    assert int(other.pointer) == 3


def test_enqueue_writes_in_place() -> None:
    queue = NegativeQueue(length=4, dim=2, initialization="release", mask_own_video=False)
    address = queue.rows.data_ptr()
    queue.enqueue(keys(1, 2), torch.arange(2))
    assert queue.rows.data_ptr() == address


def test_initial_rows_have_the_length_that_their_name_says() -> None:
    torch.manual_seed(0)
    release = NegativeQueue(length=4000, dim=128, initialization="release", mask_own_video=False).rows
    unit = NegativeQueue(length=100, dim=128, initialization="unit", mask_own_video=False).rows
    bound = math.sqrt(3 / 128)
    assert release.abs().max() <= bound
    assert release.abs().max() > 0.999 * bound
    assert release.square().sum(1).mean().item() == pytest.approx(1.0, abs=0.01)
    torch.testing.assert_close(unit.norm(dim=1), torch.ones(100))


def test_own_videos_are_marked_only_where_ids_are_kept() -> None:
    queue = NegativeQueue(length=3, dim=2, initialization="unit", mask_own_video=True)
    queue.enqueue(keys(1, 2), torch.tensor([7, 8]))
    marked = queue.own_video(torch.tensor([8, 9]))
    assert marked is not None
    assert marked.tolist() == [[False, True, False], [False, False, False]]
    assert NegativeQueue(length=3, dim=2, initialization="unit", mask_own_video=False).own_video(torch.tensor([8])) is None


def test_another_initialization_is_refused() -> None:
    with pytest.raises(ValueError, match="initialization"):
        NegativeQueue(length=3, dim=2, initialization="zeros", mask_own_video=False)  # type: ignore[arg-type]
