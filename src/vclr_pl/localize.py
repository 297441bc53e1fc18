"""`python -m vclr_pl.localize`: where in untrimmed videos something happens. Six stages, one command or one by one."""

from __future__ import annotations

import sys

from omegaconf import DictConfig

from vclr_pl.runner.localization import Localization
from vclr_pl.runner.run import run


def localize(config: DictConfig) -> None:
    """Features, positions, training, proposals, figures, pages: those of `stages`."""
    Localization(config).run()


def main() -> None:
    sys.exit(run(localize, config_name="localize"))


if __name__ == "__main__":
    main()
