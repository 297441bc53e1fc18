"""`logger=null` on a command line: Hydra wants `~logger` for a group, and a traceback is no answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vclr_pl.config_path import config_folder

NULL = re.compile(r"(?P<group>[\w/]+)=(null|None)?")


def without_null_groups(command: Sequence[str]) -> list[str]:
    """The command line with `GROUP=null` spelled `~GROUP`; a key that is no folder of conf/ stays."""
    found = ((word, NULL.fullmatch(word)) for word in command)
    return [f"~{match['group']}" if match is not None and (config_folder() / match["group"]).is_dir() else word for word, match in found]
