"""What the machine lacks for a process that decodes, as the line that a user reads."""

from __future__ import annotations

import errno

from vclr_pl.types import InputError

FEWER = "let fewer processes decode at once"
REMEDIES = {
    errno.EMFILE: f"Raise the limit with `ulimit -n`, or {FEWER}.",
    errno.EFBIG: "Raise the limit with `ulimit -f`.",
    errno.ENOSPC: "Free some space in the folder for temporary files.",
}


def shortage(cause: str, *, number: int | None) -> InputError:
    """The line; `number` is the system's for `cause`, where there is one."""
    other = f"Free some memory, or {FEWER}."
    return InputError(
        expected="a process to decode in, and memory to share with it",
        got=cause,
        remedy=other if number is None else REMEDIES.get(number, other),
    )
