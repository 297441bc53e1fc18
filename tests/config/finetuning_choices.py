"""The files of conf/ that `finetune` chooses from and `train` does not."""

from __future__ import annotations

from vclr_pl.config_path import config_folder

OWN_GROUPS = ("recognizer", "parameter_groups", "experiment/finetune")
IN_SHARED_GROUPS = (
    "callback/recognition",
    "evaluation/recognition",
    "evaluation_view/recognition",
    "optimizer/recognition",
    "color_augmentation/flip",
    "sampling/recognition",
    "schedule/step_decay",
    "transform/multi_scale_video",
    "transform/random_resized_video",
)
FINETUNE_EXPERIMENTS = tuple(sorted(path.stem for path in (config_folder() / "experiment" / "finetune").glob("*.yaml")))
OF_FINETUNING = tuple(
    sorted(
        [
            *IN_SHARED_GROUPS,
            *(f"{group}/{path.stem}" for group in OWN_GROUPS for path in (config_folder() / group).glob("*.yaml")),
        ]
    )
)
