"""Keywords as words of a command line, and a process that is left as it was."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from vclr_pl.config_path import config_folder
from vclr_pl.runner.python_call import call, composed_node, words_of
from vclr_pl.types import InputError

NODE = {"_target_": "my.Net", "width": 3, "names": ["a b", None]}


TEXTS = ["ucf101", "a b", "1", "null", "True", '/x/jos\u00e9\'s "b"\\', "[a", "", "${name}"]


@pytest.mark.parametrize("value", [3, 1.5, 1e-6, True, None, *TEXTS, [1, "a,b"], NODE])
def test_a_value_is_written_in_hydras_grammar(value):
    (word,) = words_of({"key": value})
    assert OverridesParser.create().parse_override(word).value() == value


def resolved(config):
    return OmegaConf.to_container(config, resolve=True)


def test_nested_mappings_are_dotted_keys():
    options = {"data": {"root": Path("a/b")}, "trainer": {"a.b": 1, "c": {"d": [2]}}, "weight": None}
    assert words_of(options) == ["data.root=a/b", "trainer.a.b=1", "trainer.c.d=[2]", "weight=null"]


def test_the_config_is_the_commands(tmp_path):
    given = {"data": {"root": tmp_path}, "paths": {"runs": tmp_path / "runs"}, "trainer": {"precision": "32-true"}}
    given["schedule"] = {"_target_": "torch.nn.Identity"}
    config = call(resolved, config_name="train", options={**given, "weight": None}, overrides=["seed=3"])
    assert (config["name"], config["seed"], config["data"]["root"]) == ("folder", 3, str(tmp_path))
    assert Path(config["paths"]["run"]).is_dir()
    assert config.get("weight") is None
    assert config["schedule"] == {"_target_": "torch.nn.Identity"}


def test_calls_of_one_moment_have_folders_of_their_own(tmp_path):
    """The name of a run folder is its second; here it is its century."""
    given = {"data": {"root": tmp_path}, "paths": {"runs": tmp_path / "runs"}}
    overrides = ["hydra.run.dir=${paths.runs}/${now:%C}"]
    folders = [Path(call(lambda config: config.paths.run, config_name="check", options=given, overrides=overrides)) for _ in range(3)]
    assert [folder.name.partition("_")[2] for folder in folders] == ["", "2", "3"]
    fixed = [*overrides, f"hydra.run.dir={tmp_path}/fixed"]
    assert {call(lambda config: config.paths.run, config_name="check", options=given, overrides=fixed) for _ in range(2)} == {
        f"{tmp_path}/fixed"
    }


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit(1), InputError(expected="a", got="b", hint="c."), ZeroDivisionError])
def test_nothing_is_left_after_an_error(ending, tmp_path):
    """Lightning ignores SIGINT after an interrupt, and exits."""
    package, root = logging.getLogger("vclr_pl"), logging.getLogger()

    def task(config):
        logging.getLogger("vclr_pl.x").info("written to the log file")
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise ending

    def state():
        handlers = [(logger.level, logger.handlers[:]) for logger in (package, root)]
        return signal.getsignal(signal.SIGINT), handlers, Path.cwd(), dict(os.environ)

    before = state()
    wanted = {SystemExit: KeyboardInterrupt}.get(type(ending), type(ending) if isinstance(ending, BaseException) else ending)
    with pytest.raises(wanted):
        call(task, config_name="check", options={"data": {"root": tmp_path}, "paths": {"runs": tmp_path / "runs"}})
    assert state() == before
    (log,) = tmp_path.glob("runs/check/*/check.log")
    assert "written to the log file" in log.read_text()


def test_a_program_of_hydra_keeps_its_state(tmp_path):
    with hydra.initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
        config = hydra.compose("embed", overrides=["name=mine"], return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        own = GlobalHydra.instance().hydra
        try:
            node = composed_node(
                "loader", config_name="evaluate", options={"data": {"root": "d"}, "encoder": "e", "loader": {"workers": 1}}
            )
            assert node.workers == 1
            assert GlobalHydra.instance().hydra is own
            assert HydraConfig.get().job.name == "embed"
        finally:
            HydraConfig.instance().cfg = None
