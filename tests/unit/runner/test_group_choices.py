from __future__ import annotations

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig

from vclr_pl.config_path import config_folder
from vclr_pl.runner.composition import register_resolvers
from vclr_pl.runner.group_choices import chosen_groups, refuse_segments_for_clip_contrast
from vclr_pl.types import InputError


def choices_of(*words: str) -> dict[str, str]:
    """The chosen groups of a composed `train` with these words."""
    register_resolvers()
    with initialize_config_dir(str(config_folder()), version_base=None):
        config = compose("train", overrides=list(words), return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    try:
        return chosen_groups()
    finally:
        HydraConfig.instance().cfg = None


@pytest.mark.parametrize("sampling", ["segments", "clips"])
def test_clip_contrast_refuses_frames_of_the_whole_video(sampling: str) -> None:
    chosen = choices_of("objective=clip_contrast", f"sampling={sampling}")
    message = rf"short window for objective=clip_contrast; got sampling={sampling}, .*sampling\.frames_per_clip=8"
    with pytest.raises(InputError, match=message):
        refuse_segments_for_clip_contrast(chosen)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["objective=clip_contrast"],
        ["objective=clip_contrast", "sampling.frames_per_clip=8", "sampling.frame_stride=2"],
        ["sampling=local_clips", "objective=clip_contrast"],
        ["objective=segment_only", "sampling=clips"],
        ["objective=vclr", "sampling=local_clips"],
    ],
)
def test_other_choices_pass(words: list[str]) -> None:
    refuse_segments_for_clip_contrast(choices_of(*words))


def test_without_a_command_nothing_is_chosen() -> None:
    assert not HydraConfig.initialized()
    assert chosen_groups() == {}
