from __future__ import annotations

import pytest
import torch
from hydra.errors import ConfigCompositionException, HydraException, InstantiationException, MissingConfigException, OverrideParseException
from lightning_fabric.utilities.exceptions import MisconfigurationException

from vclr_pl.runner.failure import Command, input_error, one_line
from vclr_pl.types import InputError

BAD = InputError(expected="a", got="b", hint="Do c.")


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (BAD, "expected a; got b. Do c."),
        (caused(InstantiationException("Error in call\nfull_key: data"), BAD), "expected a; got b. Do c."),
        (caused(InstantiationException("Error in call\nfull_key: data"), ValueError("no\nsuch")), "data: no such"),
        (caused(InstantiationException("Error in call\nfull_key: data"), ZeroDivisionError()), None),
        (
            MissingConfigException("", missing_cfg_file="objective/sceo", options=["vclr", "seco"]),
            "expected one of vclr, seco for objective; got objective=sceo. Did you mean seco?",
        ),
        (
            ConfigCompositionException("Could not override 'loader.batchsize'.\nTo append ..."),
            "expected a known key or group; got loader.batchsize. Did you mean loader.batch_size?",
        ),
        (HydraException("some\nother"), "some other"),
        (OverrideParseException("a=[", "no viable"), "expected key=value, with quotes around special characters; got a=[. no viable"),
        (MisconfigurationException("two\nlines"), "two lines"),
        (RuntimeError(f"Caught InputError in worker\nvclr_pl.types.InputError: {BAD}\n"), "expected a; got b. Do c."),
        (
            torch.OutOfMemoryError("Tried to\nallocate"),
            "expected a GPU that holds the run; got one that is full. Lower loader.batch_size, or set trainer.precision=bf16-mixed. "
            "(Tried to allocate)",
        ),
        (FileExistsError(17, "File exists", "/a"), "expected a folder; got '/a', which is a file. Choose another folder."),
        (
            OSError("Caught OSError in worker\nTraceback\nOSError: [Errno 28] No space left on device: '/a b/c'\n"),
            "expected room on the disk; got none for '/a b/c'. Free some space, or choose another folder.",
        ),
        (
            torch.distributed.DistNetworkError("The server socket has failed to listen. code: -98, name: EADDRINUSE, message: in use"),
            "expected a free port for the processes of the run; got MASTER_PORT=, which is in use. "
            "Unset MASTER_PORT, and a free port is taken; or set it to another.",
        ),
        (OSError("a defect of ours"), None),
        (RuntimeError("a defect of ours"), None),
        (KeyError("a defect of ours"), None),
    ],
)
def test_bad_input_has_a_line_and_a_defect_has_none(error, line):
    assert one_line(error, command=Command(name="train", options=lambda key: ["loader.batch_size", "trainer.precision", "seed"])) == line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (BAD, "expected a; got b. Do c."),
        (FileExistsError(17, "File exists", "/a"), "expected a folder; got '/a', which is a file. Choose another folder."),
        (HydraException("some\nother"), "expected options that fit; got some other. Correct them."),
        (KeyError("a defect of ours"), None),
    ],
)
def test_python_gets_an_input_error(error, line):
    found = input_error(error, command=Command(name="train", options=lambda key: []))
    assert (type(found), str(found)) == ((type(BAD), line) if line else (type(None), "None"))
