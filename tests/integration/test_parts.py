"""`part=3/100` of check, prepare and embed: together what an undivided command makes, bit by bit, in any order of the parts."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.features.pretrained_file import write_run
from tests.video_fixture import write_broken, write_video

from vclr_pl.check import check
from vclr_pl.embed import embed
from vclr_pl.prepare import prepare
from vclr_pl.runner.run import run

COUNT = 3
ORDERS = [(1, 2, 3), (3, 1, 2)]


@pytest.fixture
def videos(tmp_path) -> Path:
    for number in range(7):
        write_video(tmp_path / "set" / f"class{number % 2}" / f"{number}.mp4", frames=4 + number)
    write_broken(tmp_path / "set" / "class0" / "bad.mp4")
    return tmp_path / "set"


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


def test_a_part_of_another_list_is_refused(tmp_path, videos, capsys):
    words = [f"data.root={videos}", f"output={tmp_path / 'check.csv'}", f"hydra.run.dir={tmp_path / 'run'}"]
    assert run(check, config_name="check", arguments=[*words, "part=1/2"]) in (0, 1)
    write_video(videos / "class1" / "new.mp4")
    assert run(check, config_name="check", arguments=[*words, "part=2/2"]) == 2
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
