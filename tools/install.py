"""Install vclr_pl into the environment of the interpreter that runs this file. `make` calls it; it needs Python and pip alone.

    .venv/bin/python tools/install.py --extra dev --versions tried -- --proxy http://proxy:3128

`--versions` chooses what pip may install:

tried   exactly the versions of constraints.txt, with which the tests passed. In an environment that `make` did not fill,
        torch and torchvision are kept where pyproject.toml's ranges take them.
newest  the newest versions that pyproject.toml's ranges take.
lowest  the lower end of the range of each package that pyproject.toml requires.

What follows `--` goes to pip as it is.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

if not (3, 11) <= sys.version_info[:2] < (3, 14) or not any(importlib.metadata.distributions(name="pip")):
    version = ".".join(map(str, sys.version_info[:3]))
    sys.exit(f"Expected Python 3.11, 3.12 or 3.13 with pip; got {sys.executable}, which is Python {version}, or has no pip.")

import tomllib

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
FILLED_BY_MAKE = Path(sys.prefix) / ".package"  # where make notes that it has installed; its torch follows constraints.txt
KEPT_IF_PRESENT = ("torch", "torchvision")
COMES_WITH_TORCH = ("torch==", "torchvision==", "triton==", "nvidia-", "cuda-")

# Gigabytes to download and gigabytes installed, measured with the versions of constraints.txt on Linux, x86_64, Python 3.11.
CUDA_BUILD = (3.2, 6.4)
WITHOUT_TORCH = (0.2, 0.8)
DEVELOPMENT = (0.3, 1.0)  # what the extra dev adds


def requirements() -> dict[str, str]:
    """Name and range of each package that pyproject.toml requires: `{"torch": ">=2.11,<2.16"}`."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    matches = (re.fullmatch(r"([A-Za-z0-9_.-]+?)\s*([<>=!~].*)", line) for line in listed)
    return {found.group(1): found.group(2) for found in matches if found is not None}


def release(version: str) -> tuple[int, ...]:
    """`2.14.1+cpu` as `(2, 14, 1)`, `>=2.11` as `(2, 11, 0)`."""
    numbers = [int(number) for number in re.findall(r"\d+", version.split("+")[0])]
    return tuple([*numbers, 0, 0][:3])


def fits(version: str, wanted: str) -> bool:
    """Whether a version lies in a range of `>=`, `<` and `==` parts."""
    held = release(version)
    for part in wanted.split(","):
        bound = release(part)
        if part.startswith(">="):
            inside = held >= bound
        elif part.startswith("<"):
            inside = held < bound
        else:
            inside = held == bound
        if not inside:
            return False
    return True


def holds_torch() -> bool:
    """Whether the environment has torch and torchvision of versions that pyproject.toml takes."""
    wanted = requirements()
    try:
        return all(fits(importlib.metadata.version(name), wanted[name]) for name in KEPT_IF_PRESENT)
    except importlib.metadata.PackageNotFoundError:
        return False


def constraints(versions: str, *, keeps_torch: bool) -> list[str]:
    """The lines of the constraints file for pip."""
    if versions == "newest":
        return []
    if versions == "lowest":
        return [f"{name}=={re.split('>=|==', wanted)[1].split(',')[0]}" for name, wanted in requirements().items()]
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not (keeps_torch and line.startswith(COMES_WITH_TORCH))]


SECONDS_BETWEEN_LINES = 30


def announce(*, keeps_torch: bool, extra: str, pip_arguments: list[str]) -> None:
    """Say what is downloaded and how much disk it takes; leave where the disk cannot hold it."""
    download, installed = (
        package + (development if extra else 0)
        for package, development in zip(WITHOUT_TORCH if keeps_torch else CUDA_BUILD, DEVELOPMENT, strict=True)
    )
    what = f"vclr_pl beside torch {importlib.metadata.version('torch')}" if keeps_torch else "vclr_pl and PyTorch"
    print(f"Installing {what} into {sys.prefix}.", flush=True)
    if pip_arguments and not keeps_torch:
        print(f"Arguments for pip: {' '.join(pip_arguments)}", flush=True)
        print(f"Disk: {installed:.1f} GB for the CUDA build of torch, less for a CPU build.", flush=True)
        return
    free = shutil.disk_usage(sys.prefix).free / 1e9
    print(f"Download: {download:.1f} GB, less what pip's cache holds. Disk: {installed:.1f} GB of {free:.0f} GB free.", flush=True)
    if not keeps_torch and sys.platform == "linux":
        print("This is torch for NVIDIA GPUs; a CPU build is smaller: docs/install.md, 'CPU builds'.", flush=True)
    if free < installed:
        expected = f"Expected {installed:.1f} GB of free disk for {sys.prefix}; got {free:.1f} GB."
        sys.exit(f"{expected} Free disk space, or install on another disk: make demo VENV=DIR")


def main() -> int:
    parser = argparse.ArgumentParser(description="Install vclr_pl into the environment of this interpreter.")
    parser.add_argument("--extra", default="", help="an extra of pyproject.toml, for example dev")
    parser.add_argument("--versions", choices=("tried", "newest", "lowest"), default="tried")
    parser.add_argument("--holds-torch", action="store_true", help="install nothing; exit 0 where a torch that fits is there, 1 elsewhere")
    parser.add_argument("pip_arguments", nargs="*", help="after --: arguments for pip")
    asked = parser.parse_args()
    if asked.holds_torch:  # a new environment sees the packages of the base interpreter, not those of another environment
        return 0 if sys.prefix == sys.base_prefix and holds_torch() else 1
    keeps_torch = asked.versions == "tried" and not FILLED_BY_MAKE.exists() and holds_torch()
    announce(keeps_torch=keeps_torch or holds_torch(), extra=asked.extra, pip_arguments=asked.pip_arguments)
    package = f"{ROOT}[{asked.extra}]" if asked.extra else str(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "constraints.txt"
        file.write_text("\n".join(constraints(asked.versions, keeps_torch=keeps_torch)) + "\n", encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        return run_told([*pip, "--constraint", str(file), *asked.pip_arguments, "--editable", package])


def run_told(command: list[str]) -> int:
    """Run a command that prints nothing; a line every half minute says that it goes on. Returns its exit code."""
    free = shutil.disk_usage(sys.prefix).free
    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait(timeout=SECONDS_BETWEEN_LINES)
        except subprocess.TimeoutExpired:
            used = max(0, free - shutil.disk_usage(sys.prefix).free) / 1e9
            print(f"still installing: {used:.1f} GB of disk so far", flush=True)


if __name__ == "__main__":
    sys.exit(main())
