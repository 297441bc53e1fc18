"""`part=3/100` of check, prepare and embed: together what an undivided command makes, bit by bit, in any order of the parts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.unit.features.pretrained_file import write_run
from tests.video_fixture import write_broken, write_video

from vclr_pl.check import check
from vclr_pl.embed import embed
from vclr_pl.prepare import prepare
from vclr_pl.runner.run import run
from vclr_pl.store import Part

COUNT = 3
ORDERS = [(1, 2, 3), (3, 1, 2)]


def in_part(root: Path, number: int, *, folder: str, name: str, count: int = COUNT) -> Path:
    """A path below `root` of part `number`, whatever `root` is: `check` and `embed` hash the whole path, `prepare` that below the root."""
    part = Part(number, count)
    names = (f"{folder}/{name}_{draw}.mp4" for draw in range(1000))
    return root / next(name for name in names if part.has(name) and part.has(str(root / name)))


@pytest.fixture
def videos(tmp_path) -> Path:
    """Seven videos and a broken one, at least two in each part."""
    root = tmp_path / "set"
    for number in range(7):
        write_video(in_part(root, number % COUNT + 1, folder=f"class{number % 2}", name=str(number)), frames=4 + number)
    write_broken(in_part(root, 2, folder="class0", name="bad"))
    return root


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below the folder, or the file itself."""
    files = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("order", ORDERS)
def test_check(tmp_path, videos, order, capsys):
    words = [f"data.root={videos}", "reading.processes=2", f"hydra.run.dir={tmp_path / 'run'}"]
    assert run(check, config_name="check", arguments=[*words, f"output={tmp_path / 'whole.csv'}"]) == 1
    parts = tmp_path / "parts.csv"
    for number in order:
        assert not parts.exists()
        code = run(check, config_name="check", arguments=[*words, f"output={parts}", f"part={number}/{COUNT}"])
    assert code == 1
    assert contents(parts) == contents(tmp_path / "whole.csv")
    assert "files are left to other parts" in capsys.readouterr().out
    assert not (tmp_path / "parts.csv.parts").exists()


@pytest.mark.parametrize("order", ORDERS)
def test_embed(tmp_path, videos, order):
    write_run(tmp_path / "run")
    words = [f"encoder={tmp_path / 'run'}", f"data.root={videos}", f"paths.data={tmp_path / 'data'}", "decoding=pyav", "trainer=cpu"]
    words += ["loader.workers=0", "protocol.frames=2", f"hydra.run.dir={tmp_path / 'embedded'}"]
    assert run(embed, config_name="embed", arguments=[*words, f"output={tmp_path / 'whole'}"]) == 0
    for number in order:
        assert not (tmp_path / "parts" / "videos.csv").exists()
        assert run(embed, config_name="embed", arguments=[*words, f"output={tmp_path / 'parts'}", f"part={number}/{COUNT}"]) == 0
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    assert run(embed, config_name="embed", arguments=[*words, f"output={tmp_path / 'parts'}", f"part=1/{COUNT}"]) == 0  # a second time


@pytest.mark.parametrize("order", [(2, 1), (1, 2)], ids=["empty part first", "empty part last"])
def test_a_part_without_files_is_finished(tmp_path, order, capsys):
    root = tmp_path / "set"
    for number in range(2):
        write_video(in_part(root, 1, folder="class0", name=str(number), count=2))
    write_run(tmp_path / "encoder")
    embedding = [f"encoder={tmp_path / 'encoder'}", "decoding=pyav", "trainer=cpu", "loader.workers=0", "protocol.frames=2"]
    commands = [
        (check, "check", ["reading.processes=1"], "check.csv"),
        (embed, "embed", embedding, "features"),
        (prepare, "prepare", ["set_copy.reencoder.short_side_pixels=32"], "copy"),
    ]
    for function, name, words, output in commands:
        for folder, parts in (("whole", [None]), ("parts", [f"part={number}/2" for number in order])):
            capsys.readouterr()
            for part in parts:
                arguments = [
                    *words,
                    f"data.root={root}",
                    f"output={tmp_path / folder / output}",
                    f"hydra.run.dir={tmp_path / folder / 'run'}",
                ]
                assert run(function, config_name=name, arguments=[*arguments, *([part] if part else [])]) == 0
            assert "left to other parts" not in capsys.readouterr().out
    paths = [tmp_path / folder / "run" / "prepare.csv" for folder in ("whole", "parts")]
    assert [path.read_text().count("\n") for path in paths] == [3, 3]
    for folder in ("whole", "parts"):
        shutil.rmtree(tmp_path / folder / "run")
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_a_part_of_another_list_is_refused(tmp_path, videos, capsys):
    words = [f"data.root={videos}", f"output={tmp_path / 'check.csv'}", f"hydra.run.dir={tmp_path / 'run'}"]
    assert run(check, config_name="check", arguments=[*words, f"part=1/{COUNT}"]) == 0
    write_video(videos / "class1" / "new.mp4")
    assert run(check, config_name="check", arguments=[*words, f"part=2/{COUNT}"]) == 2
    assert "a table of another" in capsys.readouterr().err


def test_prepare(tmp_path, videos):
    words = [f"data.root={videos}", "set_copy.reencoder.short_side_pixels=32", f"hydra.run.dir={tmp_path / 'run'}"]
    assert run(prepare, config_name="prepare", arguments=[*words, f"output={tmp_path / 'whole'}"]) == 1
    whole = (tmp_path / "run/prepare.csv").read_text().splitlines()
    (tmp_path / "run/prepare.csv").unlink()
    for number in (2, 3, 1):
        assert not (tmp_path / "run/prepare.csv").exists()
        code = run(prepare, config_name="prepare", arguments=[*words, f"output={tmp_path / 'parts'}", f"part={number}/{COUNT}"])
    assert code == 1
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    merged = (tmp_path / "run/prepare.csv").read_text().splitlines()
    assert [line.split(",")[:5] for line in merged] == [line.split(",")[:5] for line in whole]  # without the seconds


def test_wrong_parts_are_refused(tmp_path, videos, capsys):
    for part in ("0/3", "4/3", "a"):
        assert run(check, config_name="check", arguments=[f"data.root={videos}", f"part={part}", f"output={tmp_path / 'c.csv'}"]) == 2
        assert f"got part={part}" in capsys.readouterr().err
    assert run(check, config_name="check", arguments=[f"data.root={videos}", "part=1/3", f"hydra.run.dir={tmp_path / 'run'}"]) == 2
    assert "output=FILE, which all parts share" in capsys.readouterr().err
