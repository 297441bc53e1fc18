"""tools/install.py: which constraints pip gets, and what is said of the disk before anything is downloaded."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from tests.documentation.documented_commands import ROOT


@pytest.fixture(scope="module")
def install() -> ModuleType:
    specification = importlib.util.spec_from_file_location("vclr_install", ROOT / "tools" / "install.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("wanted", [">=2.11,<2.16", "==0.1.5", ">=2.6,<3", ">=3.1.4,<4"])
@pytest.mark.parametrize("version", ["0.1.5", "2.6", "2.10.3", "2.11.0", "2.14.1+cpu", "2.16.0", "3.0", "3.1.3", "3.1.4", "4.0.0"])
def test_a_version_fits_as_packaging_says(install, version, wanted):
    assert install.fits(version, wanted) == SpecifierSet(wanted).contains(Version(version))


def test_a_held_torch_is_not_constrained(install):
    all_lines, without_torch = install.constraints("tried", keeps_torch=False), install.constraints("tried", keeps_torch=True)
    assert {line.split("==")[0] for line in all_lines} >= {"torch", "torchvision", "nvidia-cublas", "numpy", "torchcodec"}
    assert set(all_lines) > set(without_torch)
    assert [line for line in without_torch if line.startswith(("torch==", "torchvision==", "nvidia", "triton"))] == []
    assert any(line.startswith("torchcodec==") for line in without_torch)


def test_the_lowest_are_the_lower_bounds(install):
    lowest = install.constraints("lowest", keeps_torch=False)
    assert "pytorchvideo==0.1.5" in lowest
    assert "torch==2.11" in lowest
    assert len(lowest) == len(install.requirements())


def test_a_disk_that_is_too_small_is_told_before_the_download(install, monkeypatch):
    free = type("Usage", (), {"free": 2.5e9})
    monkeypatch.setattr(install.shutil, "disk_usage", lambda _: free)
    with pytest.raises(SystemExit, match=r"got 2\.5 GB"):
        install.announce(keeps_torch=False, extra="", pip_arguments=[])


def test_what_is_downloaded_is_said(install, capsys):
    install.announce(keeps_torch=False, extra="", pip_arguments=[])
    told = capsys.readouterr().out
    assert sys.prefix in told
    assert "3.2 GB" in told
