"""Miniature cells of ablations."""

from __future__ import annotations

import numpy as np

from vclr_pl.report.ablation import Cell
from vclr_pl.report.record import ResultRecord


def record(right: str, *, queries: str = "list", **more: object) -> ResultRecord:
    """R@1 of queries that are right (1) or wrong (0)."""
    content = {"queries": queries, "values": {"retrieval_r1": right}} if right else {}
    percent = 100 * right.count("1") / max(1, len(right))
    fields: dict[str, object] = {"chance": {"retrieval_r1": 25.0}, "outcomes": content, **more}
    return ResultRecord(name="m", metrics={"retrieval_r1": percent}, baseline={}, provenance={}, timings_seconds={}, **fields)  # type: ignore[arg-type]


def drawn(percent: float, *, seed: int, queries: int = 40) -> str:
    return "".join("1" if value else "0" for value in np.random.default_rng(seed).random(queries) < percent / 100)


def cells() -> list[Cell]:
    """Two tasks and three methods with three seeds; `third` lacks the task `order`, and a seed of `shape`."""
    levels = {("order", "VCLR"): 40, ("order", "SeCo"): 42, ("shape", "VCLR"): 50, ("shape", "SeCo"): 90, ("shape", "third"): 10}
    return [
        Cell(task=task, method=method, seed=seed, record=record(drawn(percent, seed=seed + percent), queries=f"{task}{seed}"))
        for (task, method), percent in levels.items()
        for seed in range(2 if method == "third" else 3)
    ]
