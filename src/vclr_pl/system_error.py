"""What the operating system refuses, as the line that a user reads."""

from __future__ import annotations

import errno
import os
import sys

from vclr_pl.types import InputError

DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# by number: what was expected, what came, what to do; {path} is the file or folder
IN_WORDS = {
    errno.ENOSPC: ("room on the disk", "none for {path}", "Free some space, or choose another folder."),
    errno.EFBIG: ("room for a file of this size", "none for {path}", "Raise the limit with `ulimit -f`, or choose another folder."),
    errno.EDQUOT: ("room within your disk quota", "none for {path}", "Free some space, or choose another folder."),
    errno.EACCES: ("a file or folder that you may use", "{path} (permission denied)", "Change its permissions, or choose another."),
    errno.EPERM: ("a file or folder that you may use", "{path} (not permitted)", "Change its permissions, or choose another."),
    errno.EROFS: ("a folder that can be written", "{path} on a read-only file system", "Choose another folder."),
    errno.ENOTDIR: ("a folder", "{path}, which leads through a file", "Choose another folder."),
    errno.EEXIST: ("a folder", "{path}, which is a file", "Choose another folder."),
    errno.EISDIR: ("a file", "{path}, which is a folder", "Add a file name."),
    errno.ENOENT: ("a file or folder that exists", "no {path}", "Correct the path; make the folder."),
    errno.ENAMETOOLONG: ("a name that the file system takes", "{path}, which is too long", "Choose a shorter name."),
    errno.EMFILE: ("files that may be opened", "too many at once", "Raise the limit with `ulimit -n`."),
    errno.EPIPE: ("a program that reads the output", "one that has ended", "Write the output into a file to keep it."),
}


def in_words(error: OSError) -> InputError | None:
    """The line for an error of the system, or None for an OSError without a number, which Python code has made."""
    if error.errno is None:
        return None
    named = error.filename2 or error.filename
    path = "the output" if named is None else f"'{os.fsdecode(named) if isinstance(named, bytes) else named}'"
    said = error.strerror or os.strerror(error.errno)
    other = ("the system to read and write {path}", said, "Repeat the command when it does.")
    expected, got, remedy = IN_WORDS.get(error.errno, other)
    return InputError(expected=expected.format(path=path), got=got.format(path=path), remedy=remedy)


def drop_output() -> None:
    """Throw away what stdout cannot take (a closed pipe, a full disk): Python would end with its own words about it."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
