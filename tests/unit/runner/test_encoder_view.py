"""Fine-tuning takes the encoder's view for what the user does not give; experiments of the published table do not."""

from __future__ import annotations

import logging

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from vclr_pl.config_path import config_folder
from vclr_pl.runner.composition import register_resolvers
from vclr_pl.runner.encoder_view import fit_to_encoder

VIEW = {"frames": 30, "crop_pixels": 112, "short_side_pixels": 128, "mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}


def composed(*words: str) -> DictConfig:
    register_resolvers()
    with initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
        return compose("finetune", overrides=["encoder=FILE", "data.root=DIR", "paths.run=run", *words])


def fitted(*words: str, view: dict[str, object] | None = None, clip: dict[str, int] | None = None) -> dict[str, object]:
    config = composed(*words)
    fit_to_encoder(config, view=VIEW if view is None else view, clip=clip or {}, given=[word.partition("=")[0] for word in words])
    module = config.datamodule
    return {
        "training": (module.transform.size_pixels, module.transform.short_side_pixels),
        "test": (module.evaluation_view.crop_pixels, module.evaluation_view.short_side_pixels),
        "mean": list(module.evaluation_view.mean),
        "clip": (module.sampling.frames_per_clip, module.sampling.frame_stride),
    }


def test_the_encoders_view_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        found = fitted()
    assert found == {"training": (112, 128), "test": (112, 128), "mean": [0.5] * 3, "clip": (1, 1)}
    assert "views of 112 pixels in training, the center 112 pixels of a short side of 128 in the test" in caplog.text
    assert "the encoder was trained with 112" in caplog.text


def test_what_the_user_gives_stays() -> None:
    assert fitted("transform.size_pixels=56")["test"] == (56, 64)
    found = fitted("evaluation_view.crop_pixels=224", "color_augmentation.mean=[0.1,0.1,0.1]")
    assert (found["training"], found["test"], found["mean"]) == ((112, 128), (224, 256), [0.1] * 3)
    assert fitted("transform.short_side_pixels=200")["training"] == (112, 200)


def test_a_size_without_a_short_side_gets_the_usual_one() -> None:
    assert fitted(view={"crop_pixels": 64, "short_side_pixels": None})["test"] == (64, 73)


def test_clips_of_the_encoder() -> None:
    assert fitted(clip={"frames_per_clip": 8, "frame_stride": 2})["clip"] == (8, 2)


def test_an_encoder_without_a_view_leaves_the_published_sizes(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        found = fitted(view={})
    assert (found["training"], found["test"]) == ((224, 256), (256, 256))
    assert "views of 224 pixels, as published: the encoder names no size" in caplog.text


def test_only_own_videos_follow_the_encoder() -> None:
    assert composed().fit_to_encoder
    assert not composed("experiment=finetune/ucf101_tsn").fit_to_encoder
    assert not composed("experiment=finetune/demo").fit_to_encoder
