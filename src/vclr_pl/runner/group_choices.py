"""Choices of option groups that contradict each other."""

from __future__ import annotations

from collections.abc import Mapping

from hydra.core.hydra_config import HydraConfig

from vclr_pl.types import InputError

OF_WHOLE_VIDEOS = ("segments", "clips")


def chosen_groups() -> dict[str, str]:
    """The choice of each option group of the running command, by the group's name."""
    choices = HydraConfig.get().runtime.choices if HydraConfig.initialized() else {}
    return {str(group).partition("@")[0]: str(choice) for group, choice in choices.items()}


def refuse_segments_for_clip_contrast(choices: Mapping[str, str]) -> None:
    """Refuse `objective=clip_contrast` with frames of the whole video, which is `objective=segment_only`.

    Raises:
        InputError: the sampling is `segments` or `clips`.
    """
    if choices.get("objective") == "clip_contrast" and choices.get("sampling") in OF_WHOLE_VIDEOS:
        raise InputError(
            expected="frames of a short window for objective=clip_contrast",
            got=f"sampling={choices['sampling']}, frames of the whole video",
            hint="Set sampling=local_clips, for 3D networks with sampling.frames_per_clip=8 sampling.frame_stride=2, "
            "or objective=segment_only.",
        )
