from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from pytorch_lightning.plugins import MixedPrecision
from tests.unit.pretrain.built import small_batch, small_module
from torch import nn

from vclr_pl.encoder.video_encoder import EncoderRuntime
from vclr_pl.optim.schedule import TrainingLength
from vclr_pl.pretrain.view_encoding import SeparateEncoding, SharedEncoding, ViewEncoding
from vclr_pl.types import Contrast, HeadInput, InputError, Projections, TermNeeds, TermOutput


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


@pytest.mark.parametrize("segments", range(2, 9))
@pytest.mark.parametrize("encoding", [SeparateEncoding(), SharedEncoding()], ids=["separate", "shared"])
def test_every_number_of_segments_trains(segments: int, encoding: ViewEncoding) -> None:
    module, batch = small_module(encoding=encoding, segments=segments, queue_length=64), small_batch(segments=segments)
    total = module.training_step(batch)
    total.backward()
    module.on_after_backward()
    assert total.isfinite()
    assert all(parameter.grad is not None for parameter in [*module.encoder.parameters(), *module.objective.parameters()])
    assert {name: int(queue.pointer) for name, queue in module.queues.items()} == {"inter": 4 * segments, "segment": 4}


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
        self.precision_plugin = MixedPrecision("bf16-mixed", "cpu")


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
    with pytest.raises(InputError, match=r"Set sampling\.frames_per_clip=1"):
        small_module().check_views(frames_per_clip=frames_per_clip)


class Distance(nn.Module):
    """A term with a head and a queue of its own, fed as `head_input` says."""

    weight = 1.0

    def __init__(self, head_input: HeadInput, *, queue: str = "kept") -> None:
        super().__init__()
        self.needs = TermNeeds(head="mine", head_input=head_input, unit_norm=head_input != "tuple", queue=queue)
        self.seen: list[Contrast] = []

    def forward(self, projections: Projections) -> TermOutput:
        contrast = projections.by_head["mine"]
        self.seen.append(contrast)
        return TermOutput(loss=(contrast.query.sum() - contrast.key.sum()).square() / 100, metrics={})


@pytest.mark.parametrize(
    ("head_input", "query", "key", "keys_per_video"),
    [("frames", (4, 4), (3, 4, 4), 3), ("tuple", (4, 3, 4), (4, 3, 4), 3), ("tuple_mean", (4, 4), (4, 4), 1)],
)
def test_a_new_term_gets_the_head_and_the_queue_that_it_needs(
    head_input: HeadInput, query: tuple[int, ...], key: tuple[int, ...], keys_per_video: int
) -> None:
    term, batch = Distance(head_input), small_batch()
    module = small_module(also={"distance": term})
    assert (list(module.encoder.heads)[-1], list(module.queues)) == ("mine", ["inter", "segment", "kept"])
    assert module.keys_per_video(segments=3) == {"inter": 3, "segment": 1, "kept": keys_per_video}
    module.training_step(batch).backward()
    module.on_after_backward()
    (contrast,) = term.seen
    assert (tuple(contrast.query.shape), tuple(contrast.key.shape)) == (query, key)
    assert contrast.queue is module.queues["kept"].rows
    assert int(module.queues["kept"].pointer) == 4 * keys_per_video
    assert all(parameter.grad is not None for parameter in module.encoder.heads["mine"].parameters())
    first_view_of_each_video = contrast.key[:, 0] if head_input == "tuple" else contrast.key.reshape(-1, 4, 4)[0]
    assert torch.equal(module.queues["kept"].rows[:4], first_view_of_each_video)


def test_projections_have_unit_norm_where_a_term_asks_for_it() -> None:
    for head_input in ("frames", "tuple", "tuple_mean"):
        term = Distance(head_input)
        small_module(also={"distance": term}).training_step(small_batch())
        norms = term.seen[0].query.detach().norm(dim=-1)
        assert torch.allclose(norms, torch.ones_like(norms)) == (head_input != "tuple")


def test_a_queue_without_an_entry_and_a_default_is_refused() -> None:
    with pytest.raises(InputError, match=r"a queue for kept, or one for default; got inter, segment\. Add queue\.kept"):
        small_module(also={"distance": Distance("frames")}, with_default_queue=False)


def test_both_backbones_are_compiled_at_the_first_batch_in_the_precision_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    module, plain, batch = small_module(), small_module(), small_batch()
    monkeypatch.setattr(type(module), "trainer", FakeTrainer())
    module.runtime = EncoderRuntime(channels_last=False, compile=True)
    backbones, dtypes = (module.encoder.backbone, module.momentum_encoder.encoder.backbone), []
    for backbone in backbones:
        monkeypatch.setattr(backbone, "compile", lambda backbone=backbone: nn.Module.compile(backbone, backend="aot_eager"))
    backbones[0].conv1.register_forward_hook(lambda layer, given, features: dtypes.append(features.dtype))
    module.on_train_batch_start(batch, 0)
    assert all(backbone._compiled_call_impl is not None for backbone in backbones)
    assert set(dtypes) == {torch.bfloat16}
    for (name, value), other in zip(module.state_dict().items(), plain.state_dict().values(), strict=True):
        assert torch.equal(value, other), name
    torch.testing.assert_close(module.training_step(batch), plain.training_step(batch))
