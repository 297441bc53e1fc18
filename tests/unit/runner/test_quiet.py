from __future__ import annotations

import logging
import re
import warnings

import pytest

from vclr_pl.runner.quiet import LOGGERS, SILENCED, silence_third_parties


def test_ours_pass_and_theirs_do_not():
    silence_third_parties()
    warnings.warn("The 'train_dataloader' does not have many workers which may be a bottleneck", UserWarning, stacklevel=1)
    with pytest.raises(UserWarning, match="ours"):
        warnings.warn("ours", UserWarning, stacklevel=1)
    assert logging.getLogger("pytorch_lightning").level == logging.WARNING


def test_each_exception_has_a_reason():
    assert all(re.compile(pattern) and len(reason.split()) > 3 for pattern, reason in SILENCED)
    assert all(reason for _, reason in LOGGERS)
