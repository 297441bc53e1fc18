"""What a user types at one command and expects at another: every data set, whole nodes, groups that only some commands have."""

from __future__ import annotations

import pytest
import yaml
from tests.video_fixture import copies
from torch import nn

from vclr_pl.check import check
from vclr_pl.compare import compare
from vclr_pl.config_path import config_folder
from vclr_pl.convert import convert
from vclr_pl.embed import embed
from vclr_pl.evaluate import evaluate
from vclr_pl.prepare import prepare
from vclr_pl.retrieve import retrieve
from vclr_pl.runner.run import run
from vclr_pl.train import train
from vclr_pl.visualize import visualize

TASKS = {task.__name__: task for task in (train, check, prepare, embed, retrieve, evaluate, compare, visualize, convert)}
DATA = sorted(path.stem for path in (config_folder() / "data").glob("*.yaml"))


def composed(command, arguments, folder):
    """The exit code, and what the command gets in place of running."""
    given = []
    code = run(given.append, config_name=command, arguments=[*arguments, f"paths.runs={folder}/runs"])
    return code, given[0] if given else None


def line_of(command, arguments, folder, capfd):
    code = run(
        TASKS[command], config_name=command, arguments=[*arguments, *([] if command == "convert" else [f"paths.runs={folder}/runs"])]
    )
    told = capfd.readouterr()
    (line,) = told.err.splitlines()
    assert code == 2
    assert "rror" not in told.out
    return line


def target_of(name: str) -> str:
    """The class of a file of conf/data, which may be that of the file it extends."""
    content = yaml.safe_load((config_folder() / "data" / f"{name}.yaml").read_text())
    return content["_target_"] if "_target_" in content else target_of(content["defaults"][0])


@pytest.mark.parametrize("command", ["train", "check", "prepare", "embed", "retrieve"])
def test_every_data_set(command, tmp_path, capfd):
    place = "gallery" if command == "retrieve" else "data"
    needs = {"embed": ["encoder=random"], "retrieve": ["encoder=random"], "prepare": ["output=o"]}.get(command, [])
    for name in DATA:
        lists = [f"{place}.train=list.csv"] if name == "video_list" else []
        code, config = composed(command, [f"data={name}", f"{place}.root={tmp_path}", *lists, *needs], tmp_path)
        assert code == 0, capfd.readouterr().err
        assert config[place]._target_ == target_of(name)
        assert config[place].root == str(tmp_path)


def test_a_missing_root_is_asked_for_by_the_commands_own_name(tmp_path, capfd):
    assert "Add gallery.root=DIR" in line_of("retrieve", ["data=ucf101", "encoder=random"], tmp_path, capfd)


class Net(nn.Module):
    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.width = width


def test_a_group_takes_a_whole_node(tmp_path, capfd):
    """Nothing of the file, of the experiment or of the default stays."""
    net = f"{{_target_: {__name__}.Net, width: 3}}"
    for command, needs in (("train", []), ("evaluate", ["encoder=random", "data.root=d"])):
        code, config = composed(command, [f"backbone={net}", *needs], tmp_path)
        assert code == 0, capfd.readouterr().err
        assert config.backbone == {"_target_": f"{__name__}.Net", "width": 3}
    line = line_of("train", [f"schedule={{_target_: {__name__}.Net, widht: 3}}"], tmp_path, capfd)
    assert line.startswith("error: expected known keys under schedule; got schedule.widht. Did you mean schedule.width?")


@pytest.mark.parametrize("command", ["train", "finetune", "localize"])
def test_the_experiment_that_is_proposed_composes(command, tmp_path, capfd):
    """`experiment=demo` is train's; the others read which is theirs."""
    needs = {"train": [], "finetune": ["encoder=random"], "localize": []}[command]
    code, _ = composed(command, ["experiment=demo", *needs], tmp_path)
    if command != "train":
        (line,) = capfd.readouterr().err.splitlines()
        proposed = line.partition("Did you mean ")[2].removesuffix("?")
        assert (code, proposed) == (2, f"experiment={command}/demo")
        code, _ = composed(command, [proposed, *needs], tmp_path)
    assert code == 0, capfd.readouterr().err


def test_a_network_that_does_not_fit_is_one_line(tmp_path, capfd):
    line = line_of("train", ["backbone={_target_: no_such.Net}"], tmp_path, capfd)
    assert line.startswith("error: expected something to call at backbone._target_; got no_such.Net. It cannot be imported")
    linear = "backbone={_target_: torch.nn.Linear, in_features: 3, out_features: 2}"
    (video,) = copies([tmp_path / "videos/1.mp4"])
    for command, needs in (
        ("train", ["data.root={folder}"]),
        ("embed", ["data.root={folder}", "encoder=random"]),
        ("retrieve", ["gallery.root={folder}", "encoder=random"]),
    ):
        given = [linear, "trainer=cpu", "trainer.precision=32-true", *(part.format(folder=video.parent) for part in needs)]
        assert "with an attribute feature_dim" in line_of(command, given, tmp_path, capfd)


RANDOM_CLIPS = ["input=random", "to=onnx", "backbone=r3d_18", "output=o.onnx"]


@pytest.mark.parametrize(
    ("command", "arguments", "told"),
    [
        ("visualize", ["trainer=cpu", "encoder=random", "data.root=d"], "got trainer. visualize has no group trainer. Its groups are: "),
        ("evaluate", ["experiment=ucf101", "encoder=random"], "evaluate has no group experiment. Its groups are: backbone, cache, data,"),
        ("evaluate", ["backbne=resnet18", "encoder=random"], "got backbne. Did you mean backbone?"),
        ("convert", RANDOM_CLIPS, "Set protocol.frames_per_clip=8 protocol.frame_stride=2, or"),
        ("retrieve", ["encoder=random", "backbone=resnet18", "gallery.root=/no/such"], "Set gallery.root=DIR."),
    ],
)
def test_a_line_says_what_the_command_has(command, arguments, told, tmp_path, capfd):
    line = line_of(command, arguments, tmp_path, capfd)
    assert told in line, line


FILES = {path.stem: yaml.safe_load(path.read_text()) for path in config_folder().glob("*.yaml")}
WITHOUT_DEFAULT = {"retrieve": {"query", "page"}, "visualize": {"video"}, "train": {"logger"}, "evaluate": {"page"}}


@pytest.mark.parametrize("command", sorted(TASKS))
def test_null_is_taken_or_asked_for(command, tmp_path, capfd):
    """Groups whose file says null, and the few others that a command can do without; every other is one line."""
    groups = {
        group.split("@")[0]: choice for entry in FILES[command]["defaults"] if isinstance(entry, dict) for group, choice in entry.items()
    }
    nodes = {key: value for key, value in FILES[command].items() if isinstance(value, dict) and key != "hydra"}
    needs = {"embed": ["encoder=random"], "retrieve": ["encoder=random"], "visualize": ["encoder=random"], "evaluate": ["encoder=random"]}
    needs["compare"] = ["encoders=[random]"]
    for name, default in {**nodes, **groups}.items():
        if "override" in name or name in ("experiment", "debug"):
            continue
        root = (
            ["gallery.root=d" if command == "retrieve" else "data.root=d"] if command != "convert" else ["input=a", "to=timm", "output=o"]
        )
        given = [*root, *needs.get(command, []), *(["output=o"] if command == "prepare" else []), f"{name}=null"]
        if default is None or name in WITHOUT_DEFAULT.get(command, ()):
            code, config = composed(command, given, tmp_path) if command != "convert" else (0, {})
            assert code == 0, (name, capfd.readouterr().err)
            assert config.get(name) is None
        else:
            assert f"a value for {name}, which {command} needs; got {name}=null. Leave it out" in line_of(command, given, tmp_path, capfd)


def test_retrieve_takes_no_query(tmp_path):
    copies(tmp_path / f"videos/{number}.mp4" for number in range(2))
    given = [
        f"gallery.root={tmp_path}/videos",
        "query=null",
        "encoder=random",
        "backbone=small_resnet",
        "trainer=cpu",
        "neighbors=1",
        "page=null",
    ]
    assert run(retrieve, config_name="retrieve", arguments=[*given, f"paths.runs={tmp_path}/runs"]) == 0
    assert run(retrieve, config_name="retrieve", arguments=[*given, "duplicates=true", f"paths.runs={tmp_path}/runs"]) == 0
    assert len(list(tmp_path.glob("runs/retrieve/*/neighbors.csv"))) == 1
