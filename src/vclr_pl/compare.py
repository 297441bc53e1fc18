"""`python -m vclr_pl.compare`: several encoders in one table, by one protocol, with paired differences; CSV and an HTML page."""

from __future__ import annotations

import sys

from omegaconf import DictConfig

from vclr_pl.runner.run import run


def compare(config: DictConfig) -> None:
    """Do the command's work, once the config is composed and its keys are known."""
    from vclr_pl.command import comparison  # it imports torch and Lightning

    comparison.compare(config)


def main() -> None:
    sys.exit(run(compare, config_name="compare"))


if __name__ == "__main__":
    main()
