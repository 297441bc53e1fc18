import errno

import pytest

from vclr_pl.video.clean_process import shortage


@pytest.mark.parametrize(
    ("number", "advised"),
    [
        (errno.EMFILE, "ulimit -n"),
        (errno.EFBIG, "ulimit -f"),
        (errno.ENOSPC, "temporary files"),
        (errno.ENOMEM, "memory"),
        (None, "memory"),
    ],
)
def test_the_line_tells_the_cause_and_what_helps(number, advised):
    error = shortage("the cause", number=number)
    assert str(error).startswith("expected a process for decoding, and shared memory; got the cause. ")
    assert advised in error.hint
