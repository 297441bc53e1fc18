"""The logger in processes of their own, for wandb reads its surroundings once a process; no key but where a test gives one."""

from __future__ import annotations

import base64
import http.server
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.user_environment import user_environment

KEY = "0123456789" * 4
LOGGED = """
import logging
logging.basicConfig(level=logging.WARNING)
from vclr_pl.report.scalar_loggers import log_evaluation
from vclr_pl.report.wandb_logger import wandb_logger
logger = wandb_logger(project="vclr_pl", name="evaluate", group="evaluate", save_dir="run")
logger.log_hyperparams({"seed": 0})
logger.log_metrics({"train/loss": 1.0}, step=1)
log_evaluation([object(), logger], metrics={"knn_top1": 50.0}, page=None)
"""


class Refusal(http.server.BaseHTTPRequestHandler):
    """A W&B server that knows nobody, and writes down who asked."""

    asked: list[str | None]

    def refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append(self.headers.get("Authorization"))
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = refuse  # noqa: N815 (so the module of the standard library asks for them)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def refusal() -> Iterator[tuple[str, list[str | None]]]:
    """The address of the server, without a scheme, and the list of who asked."""
    handler = type("OfThisTest", (Refusal,), {"asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}", handler.asked
    server.shutdown()
    server.server_close()


def ended(code: str, folder: Path, *, home: Path | None = None, **variables: str) -> str:
    """What the code showed, run in `folder`, with an empty home where there is none yet."""
    if home is None:
        home = folder / "home"
        home.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=folder,
        env=user_environment(home=home, **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def kept(folder: Path) -> list[Path]:
    return list(folder.glob("run/wandb/offline-run-*/*.wandb"))


def test_a_mode_of_the_user_holds(tmp_path):
    (tmp_path / "disabled").mkdir()
    assert "wandb" not in ended(LOGGED, tmp_path / "disabled", WANDB_MODE="disabled", WANDB_API_KEY=KEY)
    assert not kept(tmp_path / "disabled")
    assert "API key" not in ended(LOGGED, tmp_path, WANDB_MODE="offline", WANDB_API_KEY=KEY)
    assert len(kept(tmp_path)) == 1


@pytest.mark.parametrize("place", ["variable", "netrc"])
def test_a_key_is_shown_to_the_server_and_its_refusal_costs_nothing(place, refusal, tmp_path):
    address, asked = refusal
    variables = {"WANDB_BASE_URL": f"http://{address}"}
    if place == "netrc":
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / ".netrc").write_text(f"machine {address} login user password {KEY}\n")
        (tmp_path / "home" / ".netrc").chmod(0o600)
    else:
        variables["WANDB_API_KEY"] = KEY
    shown = ended(LOGGED, tmp_path, **variables)
    assert f"Basic {base64.b64encode(f'api:{KEY}'.encode()).decode()}" in asked
    assert shown.count("W&B could not start the run (") == 1
    assert "then `wandb sync run/wandb/offline-run-*`" in shown
    assert len(kept(tmp_path)) == 1


def test_a_key_that_is_none_leaves_the_run_offline(tmp_path):
    assert "wandb sync" in ended(LOGGED, tmp_path, WANDB_API_KEY="abc")
    assert len(kept(tmp_path)) == 1


def test_without_a_key_no_dashboard_is_attempted(tmp_path):
    asked = LOGGED.replace('save_dir="run"', 'save_dir="run", dashboard=True')
    shown = ended(asked + "\nimport sys\nassert 'wandb_workspaces' not in sys.modules\n", tmp_path)
    assert "W&B has no API key: the run stays offline" in shown
    assert "dashboard" not in shown
    assert len(kept(tmp_path)) == 1


def test_a_home_that_is_no_folder_is_no_hindrance(tmp_path):
    (tmp_path / "file").write_text("")
    shown = ended(LOGGED, tmp_path, home=tmp_path / "file" / "home")
    assert "W&B has no API key: the run stays offline" in shown
    assert "ERROR" not in shown
    assert len(kept(tmp_path)) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "run"]


def test_a_page_is_logged_and_an_error_ends_only_the_logging(tmp_path):
    shown = ended(
        LOGGED
        + """
        from pathlib import Path
        Path("page.html").write_text("<h1>Nearest videos</h1>")
        log_evaluation([logger], metrics={}, page=Path("page.html"))
        assert not logger.is_lost
        logger.log_image(key="views", images=["no_such_file.png"])
        logger.log_metrics({"train/loss": 0.5})
        log_evaluation([logger], metrics={}, page=Path("page.html"))
        assert logger.experiment is None
        """.replace("\n        ", "\n"),
        tmp_path,
    )
    assert shown.count("W&B failed (") == 1
    assert "continuing without it" in shown
    (panel,) = tmp_path.glob("run/wandb/offline-run-*/files/media/html/**/*.html")
    assert panel.read_text() == "<h1>Nearest videos</h1>"


def test_a_restart_continues_the_run_and_a_new_start_does_not(tmp_path):
    """Offline: the parts have one id, so `wandb sync` sends them to one run."""
    for resume in ("None", "'auto'", "'auto'", "None"):
        ended(LOGGED.replace('save_dir="run"', f'save_dir="run", resume={resume}'), tmp_path)
    ids = [path.stem.removeprefix("run-") for path in sorted(kept(tmp_path), key=lambda path: path.stat().st_mtime)]
    assert len(ids) == 4
    assert ids[0] == ids[1] == ids[2] != ids[3]


def test_a_restart_asks_the_server_for_its_run(tmp_path):
    """Online: wandb gets the id and may resume it; the server's part is W&B's own."""
    told = """
    from vclr_pl.report.wandb_logger import wandb_logger
    for resume in (None, "auto"):
        logger = wandb_logger(project="vclr_pl", name="a", save_dir="run", resume=resume)
        from vclr_pl.report.logged_run import keep_logged_run
        print(resume, logger._wandb_init["id"], logger._wandb_init["resume"])
        keep_logged_run("run", kind="wandb", name=logger._wandb_init["id"])
    """
    first, second = (line.split() for line in ended(told, tmp_path).splitlines())
    assert (first[0], second[0]) == ("None", "auto")
    assert first[1:] == second[1:] == [first[1], "allow"]
