"""`python -m vclr_pl.evaluate`: evaluate an encoder on a data set with labels (retrieval, kNN, linear probe) and write a page."""

from __future__ import annotations

import sys

from omegaconf import DictConfig

from vclr_pl.command import evaluation
from vclr_pl.runner.run import run


def evaluate(config: DictConfig) -> None:
    """Do the command's work, once the config is composed and its keys are known."""
    evaluation.evaluate(config)


def main() -> None:
    sys.exit(run(evaluate, config_name="evaluate"))


if __name__ == "__main__":
    main()
