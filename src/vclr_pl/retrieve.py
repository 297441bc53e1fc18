"""`python -m vclr_pl.retrieve`: find the nearest videos of a collection, or near duplicates; CSV and an HTML page."""

from __future__ import annotations

import sys

from omegaconf import DictConfig

from vclr_pl.runner.run import run


def retrieve(config: DictConfig) -> None:
    """Do the command's work, once the config is composed and its keys are known."""
    from vclr_pl.command import features  # it imports torch and Lightning

    features.retrieve(config)


def main() -> None:
    sys.exit(run(retrieve, config_name="retrieve"))


if __name__ == "__main__":
    main()
