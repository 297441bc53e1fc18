"""The sdist, and the wheel made from it: what they hold. Installed outside any checkout, the commands find their configs."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from tests.documentation.documented_commands import ROOT


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, and the wheel built from it, without the network: the build backend is among the development tools."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    return next(distributions.glob("vclr_pl-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel alone in a folder; what it depends on comes from the environment of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(folder), str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def run(command: list[str], *, installed: Path, cwd: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(installed), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_of_the_sdist_is_that_of_the_checkout(wheel, tmp_path):
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    direct = zipfile.ZipFile(tmp_path / wheel.name)
    from_sdist = zipfile.ZipFile(wheel)
    assert {name: from_sdist.read(name) for name in from_sdist.namelist()} == {name: direct.read(name) for name in direct.namelist()}


def test_the_wheel_is_typed(wheel):
    assert "vclr_pl/py.typed" in zipfile.ZipFile(wheel).namelist()


def test_the_sdist_holds_what_make_and_the_tests_need(distributions):
    with tarfile.open(next(distributions.glob("vclr_pl-*.tar.gz"))) as sdist:
        held = {Path(*Path(name).parts[1:]).as_posix() for name in sdist.getnames()}
    assert {"Makefile", "constraints.txt", "LICENSE", "CHANGELOG.md", "tools/install.py", "tests/conftest.py", "Dockerfile"} <= held
    assert not [name for name in held if name.startswith((".venv", "runs/", "data/"))]


def test_the_wheel_holds_every_config(wheel):
    shipped = {name.removeprefix("vclr_pl/") for name in zipfile.ZipFile(wheel).namelist() if name.startswith("vclr_pl/conf/")}
    assert shipped == {path.relative_to(ROOT).as_posix() for path in (ROOT / "conf").rglob("*.yaml")}


def test_the_wheel_holds_the_package_alone(wheel):
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"vclr_pl"}


def test_the_installed_package_is_the_one_that_runs(installed, tmp_path):
    place = run([sys.executable, "-c", "import vclr_pl.config_path as c; print(c.config_folder())"], installed=installed, cwd=tmp_path)
    assert Path(place.strip()) == installed / "vclr_pl" / "conf"


def test_the_module_finds_its_configs(installed, tmp_path):
    shown = run(
        [sys.executable, "-m", "vclr_pl.train", "experiment=ucf101", "data.root=DIR", "--cfg", "job"], installed=installed, cwd=tmp_path
    )
    assert "_target_: vclr_pl.datasets.ucf101.ucf101" in shown


def test_the_console_script_finds_its_configs(installed, tmp_path):
    script = [sys.executable, str(installed / "bin" / "vclr-train")]
    assert "_target_: vclr_pl.datasets.demo.splits.demo" in run([*script, "--cfg", "job"], installed=installed, cwd=tmp_path)
    assert "experiment" in run([*script, "--help"], installed=installed, cwd=tmp_path)
