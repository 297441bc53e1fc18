from __future__ import annotations

import logging
import os
import re
import sys
import warnings

import pytest
import pytorch_lightning as lightning

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


@pytest.mark.parametrize("silenced", [False, True])
def test_the_login_node_of_a_cluster_is_no_news(silenced, tmp_path, monkeypatch):
    (tmp_path / "srun").write_text("#!/bin/sh\n")
    (tmp_path / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(sys, "argv", ["vclr-train"])
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        if silenced:
            silence_third_parties()
        lightning.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    assert len([one for one in shown if "srun" in str(one.message)]) == (0 if silenced else 1)


@pytest.mark.parametrize(
    ("module", "category", "is_error"),
    [
        ("vclr_pl.op.similarity", UserWarning, True),
        ("torch.distributed.c10d_logger", FutureWarning, True),
        ("lightning_fabric.plugins.environments.slurm", UserWarning, False),
        ("torch.utils._pytree", FutureWarning, False),
    ],
)
def test_a_test_fails_by_what_our_code_causes(module, category, is_error):
    warn = f"import warnings; warnings.warn('of {module}', {category.__name__})"
    if is_error:
        with pytest.raises(category):
            exec(warn, {"__name__": module})
    else:
        with pytest.warns(category):
            exec(warn, {"__name__": module})
