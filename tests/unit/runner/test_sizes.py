"""Sizes of a run from the number of videos: what the module requires holds for every number, and what the user gives stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from vclr_pl.config_path import config_folder
from vclr_pl.runner.composition import register_resolvers
from vclr_pl.runner.sizes import fit_to_data, is_given, keep_sizes_of, power_of_two, sizes_for

NUMBERS = [*range(2, 70), 99, 128, 1000, 9537, 240_000]


@pytest.fixture(autouse=True)
def resolvers() -> None:
    register_resolvers()


def composed(*words: str) -> DictConfig:
    with initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
        return compose("train", overrides=["experiment=folder", "data.root=DIR", "paths.run=run", *words])


@pytest.mark.parametrize("has_gpu", [True, False])
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("segments", range(2, 9))
def test_every_number_of_videos_fits(has_gpu: bool, processes: int, segments: int) -> None:
    for videos in (number for number in NUMBERS if number >= 2 * processes):
        chosen = sizes_for(videos=videos, has_gpu=has_gpu, processes=processes, segments=segments)
        sizes = {key: size.value for key, size in chosen.items()}
        step = sizes["loader.batch_size"] * processes
        assert 2 <= sizes["loader.batch_size"] <= 32
        assert step <= videos or processes > 1
        assert sizes["queue.inter.length"] > segments * step  # what VCLRModule.check_queues requires
        assert sizes["queue.segment.length"] > step
        if videos >= 8 * processes:
            assert sizes["queue.inter.length"] <= segments * videos
            assert sizes["queue.segment.length"] <= videos
            assert videos // step >= 4
        assert 1 <= sizes["trainer.max_epochs"] <= 400
        assert 0 < sizes["schedule.warmup_epochs"] <= sizes["trainer.max_epochs"] / 10


def test_many_videos_have_the_published_sizes() -> None:
    sizes = {key: size.value for key, size in sizes_for(videos=240_000, has_gpu=True, processes=8, segments=3).items()}
    assert (sizes["backbone"], sizes["transform.size_pixels"], sizes["loader.batch_size"]) == ("resnet50", 224, 32)
    assert (sizes["queue.inter.length"], sizes["queue.segment.length"]) == (131_072, 131_072)
    assert sizes["momentum_encoder.momentum"] == 0.999


def test_a_run_from_weights_is_shorter() -> None:
    one, other = (
        {key: size.value for key, size in sizes_for(videos=400, has_gpu=False, processes=1, segments=3, continued=continued).items()}
        for continued in (False, True)
    )
    assert (one["trainer.max_epochs"], other["trainer.max_epochs"]) == (160, 16)
    assert (one["schedule.warmup_epochs"], other["schedule.warmup_epochs"]) == (5, 1.6)
    assert one["loader.batch_size"] == other["loader.batch_size"] == 32


@pytest.mark.parametrize(("has_gpu", "pixels", "sigma"), [(True, None, 2.0), (False, None, 1.0), (False, 96, 0.86), (True, 448, 4.0)])
def test_the_blur_is_in_proportion_to_the_crop(has_gpu: bool, pixels: int | None, sigma: float) -> None:
    sizes = sizes_for(videos=400, has_gpu=has_gpu, processes=1, segments=3, pixels=pixels)
    assert sizes["color_augmentation.blur_sigma_pixels"].value == [0.1, sigma]
    assert sizes["transform.size_pixels"].value == (pixels or (224 if has_gpu else 112))


def test_powers_of_two() -> None:
    assert [power_of_two(limit) for limit in (0, 1, 2, 3, 4, 1000)] == [1, 1, 2, 2, 4, 512]


def test_the_config_gets_the_sizes() -> None:
    config = composed()
    fit_to_data(config, sizes=sizes_for(videos=40, has_gpu=False, processes=1, segments=3), given=[], videos=40)
    assert config.module.backbone.name == "resnet18"
    assert (config.loader.batch_size, config.queue.inter.length, config.queue.segment.length) == (8, 64, 32)
    assert (config.transform.size_pixels, config.evaluation_view.crop_pixels, config.evaluation_view.short_side_pixels) == (112, 112, 128)


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        (["loader.batch_size=4"], "loader.batch_size", 4),
        (["queue.default.length=96"], "queue.inter.length", 96),
        (["backbone=small_resnet"], "backbone._target_", "vclr_pl.backbone.resnet.SmallResNet"),
        (["weight=torchvision", "weight.path=FILE"], "backbone.name", "resnet50"),
    ],
)
def test_what_is_given_stays(words: list[str], key: str, value: object) -> None:
    config = composed(*words)
    fit_to_data(
        config,
        sizes=sizes_for(videos=40, has_gpu=False, processes=1, segments=3),
        given=[word.partition("=")[0] for word in words],
        videos=40,
    )
    assert OmegaConf.select(config, key) == value


def test_a_resumed_run_keeps_its_sizes(tmp_path: Path) -> None:
    earlier = composed()
    fit_to_data(earlier, sizes=sizes_for(videos=40, has_gpu=False, processes=1, segments=3), given=[], videos=40)
    (tmp_path / "config.yaml").write_text(OmegaConf.to_yaml(earlier, resolve=False))
    config = composed("trainer.max_epochs=7")
    keep_sizes_of(config, run=tmp_path, given=["trainer.max_epochs"])
    assert (config.loader.batch_size, config.queue.inter.length, config.backbone.name, config.trainer.max_epochs) == (8, 64, "resnet18", 7)


def test_keys_that_set_an_option() -> None:
    assert is_given("queue.inter.length", ["queue.inter.length"])
    assert is_given("queue.inter.length", ["queue"])
    assert is_given("queue.inter.length", ["queue.default.length"])
    assert is_given("backbone", ["backbone.name"])
    assert not is_given("queue.inter.length", ["queue.segment.length", "loader.batch_size"])


def test_other_sizes_follow_the_epochs_and_the_batch_of_the_user() -> None:
    sizes = {key: size.value for key, size in sizes_for(videos=136, has_gpu=False, processes=1, segments=3, batch=4, epochs=5).items()}
    assert (sizes["schedule.warmup_epochs"], sizes["callback.knn_monitor.every_n_epochs"]) == (0.5, 1)
    assert (sizes["loader.batch_size"], sizes["momentum_encoder.momentum"]) == (4, 0.99)
