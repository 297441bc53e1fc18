from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.unit.pretrain.built import small_batch, small_module

from vclr_pl.optim.schedule import TrainingLength
from vclr_pl.types import InputError


def test_keys_wait_for_backward_before_they_enter_the_queues() -> None:
    module, batch = small_module(), small_batch()
    before = {name: queue.rows.clone() for name, queue in module.queues.items()}
    total = module.training_step(batch)
    assert all(torch.equal(queue.rows, before[name]) for name, queue in module.queues.items())
    total.backward()
    module.on_after_backward()
    assert int(module.queues["inter"].pointer) == 12  # three keys of each of four videos
    assert int(module.queues["segment"].pointer) == 4
    assert torch.equal(module.queues["inter"].rows[12:], before["inter"][12:])
    torch.testing.assert_close(module.queues["inter"].rows[:12].norm(dim=1), torch.ones(12))


def test_the_inter_queue_takes_second_views_first_then_the_others_video_by_video() -> None:
    module, batch = small_module(), small_batch()
    keys = module.project_keys(module.encode_keys(batch))
    module.await_enqueue(keys, batch)
    assert torch.equal(module.awaiting_enqueue["inter"], keys["inter"].flatten(0, 1))
    module.enqueue()
    assert torch.equal(module.queues["inter"].rows[4:8], keys["inter"][1])


@pytest.mark.parametrize(
    ("keep", "heads", "queues"),
    [
        ((), ["inter", "intra", "order", "segment"], ["inter", "segment"]),
        (("inter_frame",), ["inter"], ["inter"]),
        (("segment_contrast",), ["segment"], ["segment"]),
        (("inter_frame", "intra_frame", "temporal_order"), ["inter", "intra", "order"], ["inter"]),
    ],
)
def test_an_ablation_takes_heads_and_queues_along_and_still_trains(keep: tuple[str, ...], heads: list[str], queues: list[str]) -> None:
    module = small_module(keep=keep)
    assert list(module.encoder.heads) == heads
    assert list(module.queues) == queues
    module.training_step(small_batch()).backward()
    module.on_after_backward()
    trained = [*module.encoder.parameters(), *module.objective.parameters()]
    assert all(parameter.grad is not None for parameter in trained)


def test_gradients_reach_every_trained_parameter_and_none_of_the_momentum_encoder() -> None:
    module = small_module()
    module.training_step(small_batch()).backward()
    assert all(parameter.grad is None for parameter in module.momentum_encoder.parameters())


def test_a_masked_queue_ignores_the_videos_own_keys() -> None:
    """With every row of the queue from the query's own video, only the positive is left: the inter loss is zero."""
    module, batch = small_module(mask_own_video=True), replace(small_batch(), video_index=torch.zeros(4, dtype=torch.long))
    module.queues["inter"].video_index.zero_()
    queries = module.project_queries(module.encode_queries(batch))
    outcome = module.objective(module.contrasts(queries, module.project_keys(module.encode_keys(batch)), batch))
    assert outcome.terms["inter_frame"].loss.item() == 0.0
    assert outcome.terms["segment_contrast"].loss.item() > 0.0


class FakeTrainer:
    def __init__(self) -> None:
        self.datamodule = type("Data", (), {"segments": 3})()


@pytest.mark.parametrize(("length", "refused"), [(24, True), (25, False)])
def test_a_queue_that_one_step_would_overwrite_is_refused(length: int, refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    module = small_module(queue_length=length)
    monkeypatch.setattr(type(module), "trainer", FakeTrainer())
    step = TrainingLength(batch_size=4, world_size=2, accumulated_batches=1, steps_per_epoch=1, total_steps=1)
    if refused:
        with pytest.raises(InputError, match=r"longer than the 24 keys.*queue\.inter\.length=24"):
            module.check_queues(step)
    else:
        module.check_queues(step)


def test_features_are_those_of_the_query_encoders_backbone() -> None:
    module = small_module().eval()
    frames = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(module.features(frames), module.encoder.backbone(frames))


@pytest.mark.parametrize("frames_per_clip", [2, 16])
def test_clips_are_refused_by_a_network_of_frames(frames_per_clip: int) -> None:
    small_module().check_views(frames_per_clip=1)
    with pytest.raises(InputError, match="sampling=segments"):
        small_module().check_views(frames_per_clip=frames_per_clip)
