"""`python -m vclr_pl.embed`: one feature for each video of a folder or list, in files that need NumPy alone."""

from __future__ import annotations

import sys

from omegaconf import DictConfig

from vclr_pl.runner.run import run


def embed(config: DictConfig) -> None:
    """Do the command's work, once the config is composed and its keys are known."""
    from vclr_pl.command import features  # it imports torch and Lightning

    features.embed(config)


def main() -> None:
    sys.exit(run(embed, config_name="embed"))


if __name__ == "__main__":
    main()
