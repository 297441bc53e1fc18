"""Every table on miniature data in the official layouts: stopped, killed, with a folder that holds no videos, and continued."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.integration.miniature_paper import OPTIONS, READ, miniature

from vclr_pl.reproduce import reproduce
from vclr_pl.runner.python_call import in_grammar, words_of
from vclr_pl.runner.run import run

ONE_PROCESS = "table.short_runs=true"
RETRIEVAL = {("Kinetics-400", "UCF101"): 70.6, ("Kinetics-400", "HMDB51"): 35.2, ("UCF101", "UCF101"): 46.8, ("UCF101", "HMDB51"): 17.6}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("paper")


@pytest.fixture(scope="module")
def words(places: Path) -> list[str]:
    return miniature(places)


def go(words: list[str], table: str, *more: str) -> int:
    replaced = {word.partition("=")[0] for word in more}
    kept = [word for word in words if word.partition("=")[0] not in replaced]
    return run(reproduce, config_name="reproduce", arguments=[f"table={table}", *kept, *more])


def trained(places: Path) -> str:
    """The options of pretraining: it is stopped on one data set, and killed on the other, at the first time."""
    once = "{{_target_: tests.integration.reproduced_training.Once, marker: {}, run: {}, kills: {}}}"
    stop = once.format(places / "stopped", "pretrain_kinetics400", "false")
    kill = once.format(places / "killed", "pretrain_ucf101", "true")
    return f"options.train={in_grammar([*words_of(OPTIONS['train']), f'+callback.stop={stop}', f'+callback.kill={kill}'])}"


def ledger(places: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((places / "runs" / "reproduce" / name / "reproduced_run.json").read_text())
    return found


def cells(places: Path, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((places / "runs" / "reproduce" / table / "reproduced.json").read_text())["cells"]
    return found


def times(places: Path) -> dict[str, int]:
    """Of the entries of all finished runs."""
    files = (places / "runs" / "reproduce").rglob("reproduced_run.json")
    return {str(file): file.stat().st_mtime_ns for file in files if json.loads(file.read_text())["finished"]}


@pytest.fixture(scope="module")
def interrupted(places: Path, words: list[str]) -> Path:
    """The retrieval table, for which the first run was stopped and the second killed, and HMDB51 was missing at first; now whole."""
    (places / "empty").mkdir()
    trouble = [ONE_PROCESS, trained(places)]
    assert go(words, "retrieval", *trouble) == 143
    assert not ledger(places, "pretrain_kinetics400/seed_0")["finished"]
    assert not (places / "runs/reproduce/pretrain_ucf101").exists()
    assert go(words, "retrieval", *trouble, f"roots.hmdb51={places / 'empty'}") == 1
    failed = {name: ledger(places, f"{name}/seed_0")["failure"] for name in ("pretrain_ucf101", "retrieval_hmdb51_of_kinetics400")}
    assert failed["pretrain_ucf101"].startswith("ended by SIGKILL after: ")
    assert "empty" in failed["retrieval_hmdb51_of_kinetics400"]
    assert not (places / "runs/reproduce/retrieval_ucf101_of_ucf101").exists()  # its encoder has failed
    log = (places / "runs/reproduce/retrieval/reproduce.log").read_text()
    assert log.count("is left out: it needs pretrain_ucf101/seed_0, which has failed") == 2
    assert "[6/6] " in log
    done = times(places)
    assert {Path(path).parents[1].name for path in done} == {"pretrain_kinetics400", "retrieval_ucf101_of_kinetics400"}
    assert [cell["ours"] is None for cell in cells(places, "retrieval")] == [False, True, True, True]
    assert go(words, "retrieval", *trouble) == 0
    assert {path: times(places)[path] for path in done} == done
    return places / "runs" / "reproduce"


def test_every_run_has_continued(interrupted: Path) -> None:
    for name in ("pretrain_kinetics400", "pretrain_ucf101"):
        folder = interrupted / name / "seed_0"
        assert json.loads((folder / "results.json").read_text())["training"]["epochs"] == 2
        assert ("continuing from" in (folder / "train.log").read_text()) == (name == "pretrain_kinetics400")
    assert json.loads((interrupted / "retrieval_hmdb51_of_ucf101/seed_0/results.json").read_text())["metrics"]


def test_figures_stand_beside_the_published_ones(interrupted: Path, places: Path) -> None:
    found = cells(places, "retrieval")
    assert {(cell["row"].removeprefix("pretrained on "), cell["column"]): cell["published"] for cell in found} == RETRIEVAL
    for cell in found:
        (folder,) = map(Path, cell["runs"])
        record = json.loads((folder / "results.json").read_text())
        assert cell["ours"] == record["metrics"]["retrieval_r1"]
        assert cell["interval"] == record["intervals"]["retrieval_r1"]
        assert cell["difference"] == pytest.approx(cell["ours"] - cell["published"])
        assert cell["commits"] == [record["provenance"]["commit"] or "unknown"]
        assert cell["seeds"] == ["0"]
    with (interrupted / "retrieval" / "results.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [float(line["difference"]) for line in lines] == pytest.approx([cell["difference"] for cell in found], abs=1e-4)
    text = (interrupted / "retrieval" / "results.md").read_text()
    assert "| pretrained on UCF101 | HMDB51 | retrieval R@1 |" in text
    assert "Settings other than those of the table: train: trainer=cpu trainer.max_epochs=2" in text
    assert f"python -m vclr_pl.reproduce table=retrieval roots.kinetics400={places}/kinetics400 " in text


@pytest.mark.parametrize(("table", "kinds"), [("recognition", 6), ("localization", 3), ("ablation", 5)])
def test_a_table(table: str, kinds: int, places: Path, words: list[str], interrupted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Pretraining is shared: these tables find it done, with other options than those of its first command that do not count."""
    del interrupted
    before = times(places)
    assert go(words, table, ONE_PROCESS, trained(places)) == 0, capsys.readouterr()
    assert {path: time for path, time in times(places).items() if path in before} == before
    assert f"{kinds} runs, " in capsys.readouterr().out
    found = cells(places, table)
    assert all(cell["ours"] is not None and len(cell["runs"]) == 1 for cell in found)
    assert any(cell["difference"] is not None for cell in found)


def test_the_plan_does_nothing(interrupted: Path, places: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """States of finished runs, of runs to do and of those that lack a folder; the figures so far."""
    before = {path: path.read_bytes() for path in interrupted.rglob("*") if path.is_file() and path.suffix != ".log"}
    without = [word for word in words if not word.startswith("roots.ssv2=")]
    assert go(without, "recognition", "plan=true", "name=reproduce", trained(places), "table.seeds=[0,1]") == 0
    told = capsys.readouterr().out
    assert re.search(r"train +pretrain_kinetics400/seed_0 +finished, took \d", told)
    assert re.search(r"train +pretrain_kinetics400/seed_1 +to do, about \d", told)
    assert re.search(r"finetune +tsm_ssv2/seed_1 +needs roots.ssv2=DIR", told)
    assert "12 runs, 4 left out, " in told
    assert go(without, "retrieval", "plan=true", trained(places), "table.seeds=[0,1]") == 0
    assert "(1 of 2 seeds)" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in interrupted.rglob("*") if path.is_file() and path.suffix != ".log"} == before
    assert go(words, "linear", "plan=true", "name=fresh") == 0
    assert not (places / "runs" / "fresh").exists()


def test_other_options_are_refused_or_repeated(
    interrupted: Path, places: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    del interrupted
    other = trained(places).replace("head.dim=8", "head.dim=4")
    assert go(words, "linear", other) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "the options, encoder and videos with which pretrain_kinetics400/seed_0 was begun; got head.dim=8 there, head.dim=4 now." in line
    assert "repeat_changed=true" in line
    assert go(words, "linear", trained(places), "roots.kinetics400=null") == 2
    assert "roots.kinetics400=DIR, for pretrain_kinetics400/seed_0, linear_kinetics400/seed_0; got none" in capsys.readouterr().err
    assert go(words, "linear", "plan=maybe") == 2
    assert "got plan=maybe" in capsys.readouterr().err


def test_two_tables_do_not_work_in_one_folder(places: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """They share runs. Another process works in the folder, on the same table: its log stays."""
    base = places / "runs" / "shared"
    (base / "terms").mkdir(parents=True)
    (base / "terms" / "reproduce.log").write_text("of the other process")
    alone = f"works_alone(Path({str(base)!r}), table=Path({str(base / 'terms')!r}))"
    lines = ["import sys", "from pathlib import Path", "from vclr_pl.command.reproduction import works_alone"]
    script = "\n".join([*lines, f"with {alone}:", "    print(1, flush=True)", "    sys.stdin.read()"])
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline()
        for table in ("terms", "demo"):
            assert go(words, table, "name=shared") == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert f"a folder in which no other reproduce works; got {base}, in which process {other.pid} of " in line
        assert go(words, "terms", "name=shared", "plan=true") == 0
        assert (base / "terms" / "reproduce.log").read_text().startswith("of the other process")
        other.communicate()


def test_another_encoder_has_no_results_yet(interrupted: Path, places: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The pretraining on UCF101 is removed and done again: both of its evaluations are repeated, and no cell shows the old figures."""
    given = [ONE_PROCESS, trained(places)]
    shutil.rmtree(interrupted / "pretrain_ucf101")
    assert go(words, "retrieval", "plan=true", *given) == 0
    told = capsys.readouterr().out
    assert re.search(r"train +pretrain_ucf101/seed_0 +to do", told)
    again = r"evaluate +retrieval_\w+_of_ucf101/seed_0 +changed \(pretrain_ucf101/seed_0, which it needs, has to be done again\)"
    assert len(re.findall(again, told)) == 2
    assert len(re.findall(r"UCF101 +│ +retrieval R@1 +│ +- ", told)) == 1
    before = times(places)
    assert go(words, "retrieval", *given) == 0
    changed = {Path(path).parents[1].name for path, time in times(places).items() if before.get(path) != time}
    assert changed == {"pretrain_ucf101", "retrieval_ucf101_of_ucf101", "retrieval_hmdb51_of_ucf101"}


def test_a_long_run_has_a_process_of_its_own(interrupted: Path, places: Path, words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """One command for the whole linear table: its training is done, its evaluation prints to the terminal."""
    assert go(words, "linear", trained(places)) == 0
    assert "linear probe top-1" in capfd.readouterr().out
    (cell,) = cells(places, "linear")
    assert cell["published"] == 64.1
    assert (interrupted / "linear_kinetics400" / "seed_0" / "evaluate.log").is_file()


def test_the_time_is_measured(places: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert go(words, "linear", "plan=measured", "name=measured") == 0
    told = capsys.readouterr().out
    assert re.search(r"train +pretrain_kinetics400/seed_0 +to do, about \d", told)
    assert "2 to do: about " in told
    assert "and 1 of unknown length" in told
    assert not list((places / "runs" / "measured").rglob("checkpoints"))


def test_the_demo_renders_its_videos_and_pairs_its_methods(places: Path, words: list[str]) -> None:
    """One task, two methods, two processes; then a second command for the figures alone."""
    small = {"data.train_videos_per_class": 2, "data.test_videos_per_class": 1, "data.frames": 6, "data.size_pixels": 32}
    training = {**OPTIONS["train"], **small, "trainer.max_steps": 1, "trainer.max_epochs": 1}
    reading = {**READ, **small, "protocol.frames": 3, "protocol.crop_pixels": 32, "backbone.widths": [4, 8]}
    given = [f"options.train={in_grammar(training)}", f"options.compare={in_grammar(reading)}", "jobs=2"]
    chosen = ["table.tasks=[order]", "table.methods=[seco,vclr]", "table.seeds=[0]", "table.reference=seco", *given]
    assert go(words, "demo", *chosen) == 0
    folder = places / "runs" / "reproduce" / "demo"
    found = cells(places, "demo")
    assert {cell["row"] for cell in found} == {"seco", "vclr", "random"}
    assert all(cell["ours"] is not None and cell["published"] is None for cell in found)
    assert "<svg" in (folder / "ablation.svg").read_text()
    assert json.loads((folder / "ablation.json").read_text())["reference"] == "seco"
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".log"}
    done = times(places)
    assert go(words, "demo", *chosen, "jobs=1") == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".log"} == before
    assert times(places) == done
