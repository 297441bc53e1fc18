"""The fine-tuning step against plain torch, and the mistakes that it refuses."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

from vclr_pl.backbone.recognition_network import RecognitionNetwork
from vclr_pl.backbone.resnet import SmallResNet, clip_network
from vclr_pl.backbone.temporal_shift import ResidualShift
from vclr_pl.encoder.video_encoder import EncoderRuntime
from vclr_pl.optim.optimizer import LinearScaledSGD, ShiftedNetworkGroups, UniformGroups
from vclr_pl.optim.schedule import StepDecay, TrainingLength
from vclr_pl.recognizer.module import RecognizerModule
from vclr_pl.types import InputError, LabeledViews, Normalization


def module(*, shift=None, mode="full", backbone=None, groups=None):
    torch.manual_seed(0)
    network = RecognitionNetwork(
        backbone=backbone or SmallResNet(widths=[8, 16], stem_stride=2),
        classes=4,
        dropout=0.0,
        dropout_over="video",
        head_std=0.1,
        shift=shift,
        mode=mode,
    )
    made = RecognizerModule(
        recognizer=network,
        parameter_groups=groups or UniformGroups(),
        optimizer=LinearScaledSGD(lr=0.08, reference_batch_size=16, momentum=0.9, weight_decay=1e-4),
        schedule=StepDecay(decay_epochs=[1], decay_factor=0.1),
        runtime=EncoderRuntime(channels_last=True, compile=False),
        linear_lr_factor=5,
    )
    made.length = TrainingLength(batch_size=2, world_size=1, accumulated_batches=1, steps_per_epoch=3, total_steps=6)
    return made


def batch():
    generator = torch.Generator().manual_seed(1)
    return LabeledViews(
        views=torch.randn(2, 3, 3, 16, 16, generator=generator),
        color_parameters=torch.zeros(2, 3, 1),
        label=torch.tensor([1, 3]),
        video_index=torch.tensor([0, 1]),
    )


def test_the_loss_is_that_of_the_mean_of_the_segments_logits():
    made = module()
    loss = made.training_step(batch())
    other = module().recognizer
    logits = other.head(other.backbone(batch().views.flatten(0, 1))).unflatten(0, (2, 3)).mean(1)
    torch.testing.assert_close(loss, functional.cross_entropy(logits, batch().label))


def test_three_steps_are_those_of_plain_sgd():
    made, other = module(), module().recognizer
    configured = made.configure_optimizers()
    optimizer, scheduler = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    plain = torch.optim.SGD(other.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    decay = torch.optim.lr_scheduler.MultiStepLR(plain, milestones=[3], gamma=0.1)
    for _ in range(4):
        optimizer.zero_grad()
        made.training_step(batch()).backward()
        optimizer.step()
        scheduler.step()
        plain.zero_grad()
        logits = other.head(other.backbone(batch().views.flatten(0, 1)).unflatten(0, (2, 3)).mean(1))
        functional.cross_entropy(logits, batch().label).backward()
        plain.step()
        decay.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(plain.param_groups[0]["lr"])
    for name, value in other.state_dict().items():
        torch.testing.assert_close(made.recognizer.state_dict()[name], value, rtol=1e-4, atol=1e-6)


def test_linear_has_its_own_rate_and_two_parameters():
    made = module(mode="linear", groups=ShiftedNetworkGroups(head_weight_factor=5, head_bias_factor=10, bias_factor=2))
    optimizer = made.configure_optimizers()["optimizer"]
    assert made.scaled_lr == pytest.approx(0.05)
    assert [(len(group["params"]), group["lr"]) for group in optimizer.param_groups] == [(2, pytest.approx(0.05))]
    full = module(groups=made.parameter_groups).configure_optimizers()["optimizer"]
    assert [group["lr"] for group in full.param_groups] == [pytest.approx(rate) for rate in (0.01, 0.01, 0.05, 0.1)]


def test_features_are_logits_of_single_frames():
    made = module().eval()
    frames = torch.randn(5, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(made.features(frames), made.recognizer(frames))


def test_shifted_videos_do_not_see_one_another():
    made = module(shift=ResidualShift(segments=3, divisor=4)).eval()
    views = batch().views
    with torch.no_grad():
        together = made.video_logits(views)
        alone = torch.cat([made.video_logits(view[None]) for view in views])
        torch.testing.assert_close(together, alone)
        assert not torch.allclose(made.video_logits(views.flip(1)), together)


def fitted(made, *, segments=3, test=3, frames_per_clip=1):
    sampling = SimpleNamespace(segments=segments, frames_per_clip=frames_per_clip)
    view = SimpleNamespace(frames=test, crop_pixels=32)
    data = SimpleNamespace(
        sampling=sampling,
        transform=SimpleNamespace(size_pixels=32),
        evaluation_view=view,
        batches_per_epoch=3,
        batch_size=2,
        normalizations=[],
    )
    data.normalize_as = data.normalizations.append
    made._trainer = SimpleNamespace(
        datamodule=data, limit_train_batches=1.0, accumulate_grad_batches=1, max_epochs=2, max_steps=-1, world_size=1
    )
    made.setup("fit")
    return data


def test_other_segments_than_the_shifts_are_told():
    shift = ResidualShift(segments=3, divisor=4)
    fitted(module(shift=shift))
    for options in ({"segments": 4}, {"test": 8}):
        with pytest.raises(InputError, match=r"recognizer\.shift\.segments=3 in training and at test"):
            fitted(module(shift=shift), **options)
    fitted(module(), test=25)


def test_frames_are_normalized_as_the_backbone_declares():
    backbone, declared = SmallResNet(widths=[8, 16], stem_stride=2), Normalization(mean=(0.5,) * 3, std=(0.25,) * 3)
    assert fitted(module(backbone=backbone)).normalizations == [None]
    backbone.input_normalization = declared
    assert fitted(module(backbone=backbone)).normalizations == [declared]


def test_clips_and_frames_are_told_apart():
    with pytest.raises(InputError, match="for a backbone that takes frames"):
        fitted(module(), frames_per_clip=8)
    with pytest.raises(InputError, match=r"for a backbone that takes clips\. Set sampling\.frames_per_clip=8"):
        fitted(module(backbone=clip_network(name="r3d_18")))
    fitted(module(backbone=clip_network(name="r3d_18")), frames_per_clip=8)
