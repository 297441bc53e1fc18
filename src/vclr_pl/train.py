"""`python -m vclr_pl.train`: pretrain a video encoder; evaluate it and the start of the run."""

from __future__ import annotations

import sys

from omegaconf import DictConfig

from vclr_pl.runner.run import run


def train(config: DictConfig) -> None:
    """Do the command's work, once the config is composed and its keys are known."""
    from vclr_pl.command import training  # it imports torch and Lightning

    training.train(config)


def main() -> None:
    sys.exit(run(train, config_name="train"))


if __name__ == "__main__":
    main()
