"""Two or more processes in one gloo group, started once and asked many times: starting them costs seconds, a question milliseconds."""

from __future__ import annotations

import importlib.util
import pickle
import sys
import tempfile
import tomllib
import traceback
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from _pytest.config import parse_warning_filter

ANSWER_TIMEOUT_SECONDS = 180


class ProcessPair:
    """Ranks 0 to `ranks` - 1, each at the end of a pipe. They are forked from a process that has imported what takes long."""

    def __init__(self, *, ranks: int = 2) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["torch.distributed", "pytorch_lightning"])
        self.ranks = ranks
        self._folder = tempfile.TemporaryDirectory(prefix="gloo_")
        self._pipes: list[Connection] = []
        self._processes = []
        self._broken: str | None = None
        for rank in range(ranks):
            ours, theirs = context.Pipe()
            rendezvous = str(Path(self._folder.name) / "rendezvous")
            process = context.Process(target=_serve, args=(rank, ranks, rendezvous, theirs), daemon=False)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def run(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        """`[function(*args) on rank 0, on rank 1, ...]`; raises what a rank raised, with that rank's traceback."""
        if self._broken is not None:
            raise RuntimeError(f"the process pair was lost by an earlier test: {self._broken}")
        module = sys.modules[function.__module__]
        question = (module.__name__, module.__file__, function.__qualname__, pickle.dumps(args))
        for pipe in self._pipes:
            pipe.send(question)
        answers = [self._answer(rank) for rank in range(self.ranks)]
        failures = [f"rank {rank}:\n{content}" for rank, (succeeded, content) in enumerate(answers) if not succeeded]
        if failures:
            raise RuntimeError("\n".join(failures))
        return [pickle.loads(content) for _, content in answers]

    def _answer(self, rank: int) -> tuple[bool, Any]:
        if self._broken is not None:
            return False, self._broken
        if not self._pipes[rank].poll(ANSWER_TIMEOUT_SECONDS):
            self._broken = (
                f"no answer of rank {rank} within {ANSWER_TIMEOUT_SECONDS} seconds (does the other rank call the same collectives?)"
            )
            return False, self._broken
        try:
            answer: tuple[bool, Any] = self._pipes[rank].recv()
        except EOFError:
            self._broken = f"rank {rank} died"
            return False, self._broken
        return answer

    def close(self) -> None:
        for pipe in self._pipes:
            pipe.close()  # the rank sees the end of its pipe and leaves
        for process in self._processes:
            process.join(timeout=1 if self._broken else 20)
            if process.is_alive():
                process.terminate()
                process.join()
        self._folder.cleanup()


def _serve(rank: int, ranks: int, rendezvous: str, pipe: Connection) -> None:
    torch.set_num_threads(1)
    _filter_warnings()
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=ranks)
    try:
        while True:
            try:
                module_name, module_file, function_name, arguments = pipe.recv()
            except EOFError:
                return
            try:
                function = getattr(_load(module_name, module_file), function_name)
                torch.manual_seed(0)
                answer = True, pickle.dumps(function(*pickle.loads(arguments)))
            except Exception:  # the pair must outlive a failing test
                answer = False, traceback.format_exc()
            pipe.send(answer)
    finally:
        dist.destroy_process_group()


def _filter_warnings() -> None:
    """As pyproject.toml has pytest do it."""
    options = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    for line in options["filterwarnings"]:
        warnings.filterwarnings(*parse_warning_filter(line, escape=False))


def _load(name: str, file: str) -> Any:
    """The asking test's module, by its file: pytest's module names are not importable everywhere."""
    if name not in sys.modules:
        specification = importlib.util.spec_from_file_location(name, file)
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        sys.modules[name] = module
        specification.loader.exec_module(module)
    return sys.modules[name]
