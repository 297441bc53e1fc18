"""`python -m vclr_pl.visualize`: activation maps of encoders on videos, as pictures and as videos."""

from __future__ import annotations

import sys

from omegaconf import DictConfig

from vclr_pl.runner.run import run


def visualize(config: DictConfig) -> None:
    """Do the command's work, once the config is composed and its keys are known."""
    from vclr_pl.command import maps  # it imports torch and Lightning

    maps.visualize(config)


def main() -> None:
    sys.exit(run(visualize, config_name="visualize"))


if __name__ == "__main__":
    main()
