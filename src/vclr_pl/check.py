"""`python -m vclr_pl.check`: read every file of a data set, and list those that cannot be read.

Exit status 0 when all are readable, 1 when some are not, 2 for bad usage.
"""

from __future__ import annotations

import sys

from omegaconf import DictConfig

from vclr_pl.runner.run import run

UNREADABLE_EXIT_CODE = 1


def check(config: DictConfig) -> int:
    """Do the command's work, once the config is composed and its keys are known; returns the exit code."""
    from vclr_pl.command import files  # it imports torch and Lightning

    return UNREADABLE_EXIT_CODE if files.check(config).unreadable else 0


def main() -> None:
    sys.exit(run(check, config_name="check"))


if __name__ == "__main__":
    main()
