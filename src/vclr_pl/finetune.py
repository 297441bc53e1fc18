"""`python -m vclr_pl.finetune`: fine-tune a pretrained encoder, or a linear layer on it, for action recognition, and test it."""

from __future__ import annotations

import sys

from omegaconf import DictConfig

from vclr_pl.runner.run import run


def finetune(config: DictConfig) -> None:
    """Do the command's work, once the config is composed and its keys are known."""
    from vclr_pl.command import training  # it imports torch and Lightning

    training.finetune(config)


def main() -> None:
    sys.exit(run(finetune, config_name="finetune"))


if __name__ == "__main__":
    main()
