"""The folder conf/: inside the package if installed from a wheel, else at the root of the checkout."""

from __future__ import annotations

from pathlib import Path


def config_folder() -> Path:
    """The absolute path of conf/, whatever the current folder is.

    Raises:
        FileNotFoundError: when neither place has it, which means a broken installation.
    """
    package = Path(__file__).resolve().parent
    candidates = (package / "conf", package.parents[1] / "conf")
    for folder in candidates:
        if (folder / "train.yaml").is_file():
            return folder
    raise FileNotFoundError(f"no conf/train.yaml in {' or '.join(map(str, candidates))}: install vclr-pl again")
