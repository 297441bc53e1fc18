"""`python -m vclr_pl.localize`: temporal action localization in untrimmed videos, in six stages."""

from __future__ import annotations

import sys

from omegaconf import DictConfig

from vclr_pl.runner.run import run


def localize(config: DictConfig) -> None:
    """Do the stages that `stages` names, once the config is composed and its keys are known."""
    from vclr_pl.command import localization  # it imports torch and Lightning

    localization.localize(config)


def main() -> None:
    sys.exit(run(localize, config_name="localize"))


if __name__ == "__main__":
    main()
