"""Print the oracles of the procedural benchmark as a Markdown table: `python benchmarks/oracles.py`.

`--snippets DIR` also writes what a reader of ground truth knows of the untrimmed videos, for the supervised ceiling of localization:
`DIR/<video>.npy`, one-hot `[N, 11]` (background or one of ten classes) of each snippet of 8 frames, and `DIR/classes.json`, the class of
each video.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from vclr_pl.config_path import config_folder
from vclr_pl.datasets.demo.oracle import Reader, chance_percent, oracle_percent
from vclr_pl.datasets.demo.tasks import TASKS
from vclr_pl.datasets.demo.untrimmed import UntrimmedSettings, database, identities, plan_video
from vclr_pl.localization.scores import LocalizationScoring, evenly_spaced_proposals
from vclr_pl.localization.snippets import snippet_centers
from vclr_pl.runner.composition import register_resolvers

SNIPPET_FRAMES = 8  # conf/experiment/localize/demo.yaml
METRICS = ("auc", "ar_100", "map")


def settings_of_demo() -> UntrimmedSettings:
    """Those of `untrimmed=demo`."""
    register_resolvers()
    with initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
        node = compose("localize", overrides=["paths.run=run", "untrimmed=demo"]).untrimmed
    return UntrimmedSettings(
        seed=node.seed,
        training_videos=node.training_videos,
        validation_videos=node.validation_videos,
        seconds_range=tuple(node.seconds_range),
        size_pixels=node.size_pixels,
        appearance=instantiate(node.appearance),
    )


def annotations(settings: UntrimmedSettings) -> dict[str, Any]:
    """The entries of the set's annotations by video."""
    entries: dict[str, Any] = database({identity: plan_video(identity, settings) for identity in identities(settings)})["database"]
    return entries


def classes(entries: dict[str, Any]) -> dict[str, dict[str, float]]:
    """The class of each video's events, as class scores."""
    return {video: {entry["annotations"][0]["label"]: 1.0} for video, entry in entries.items()}


def untrimmed_metrics(settings: UntrimmedSettings) -> dict[str, dict[str, float]]:
    """AUC, AR@100 and mAP on the validation videos, percent, by reader.

    A reader that knows the class of a video's events and nothing of their time proposes evenly spaced windows. A reader of the whole video
    proposes the true segments.
    """
    entries = {video: entry for video, entry in annotations(settings).items() if entry["subset"] == "validation"}
    truth = {
        video: [(event["label"], *(float(second) for second in event["segment"])) for event in entry["annotations"]]
        for video, entry in entries.items()
    }
    proposals = {
        "evenly spaced windows": evenly_spaced_proposals({video: entry["duration"] for video, entry in entries.items()}),
        Reader.VIDEO.value: {video: [(start, end, 1.0) for _, start, end in events] for video, events in truth.items()},
    }
    scoring = LocalizationScoring(classes_per_video=1)
    return {
        reader: scoring.metrics(truth=truth, proposals=proposed, class_scores=classes(entries)) for reader, proposed in proposals.items()
    }


def write_snippets(folder: Path, settings: UntrimmedSettings) -> None:
    """`<video>.npy` and `classes.json`; see the module."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = annotations(settings)
    labels = sorted({event["label"] for entry in entries.values() for event in entry["annotations"]})
    for identity, entry in entries.items():
        seconds = entry["duration"] / entry["frames"]
        centers = snippet_centers(frame_count=entry["frames"], snippet_frames=SNIPPET_FRAMES)
        features = np.zeros((len(centers), 1 + len(labels)), dtype=np.float32)
        for snippet, center in enumerate(centers):
            shown = [e["label"] for e in entry["annotations"] if e["segment"][0] <= center * seconds < e["segment"][1]]
            features[snippet, 1 + labels.index(shown[0]) if shown else 0] = 1.0
        np.save(folder / f"{identity}.npy", features)
    (folder / "classes.json").write_text(json.dumps(classes(entries), indent=1))


def table() -> list[str]:
    """The lines of the two tables, percent."""
    lines = ["| `data.task` | chance | one frame | frames without order | whole video |", "|---|---:|---:|---:|---:|"]
    for task in TASKS:
        values = [chance_percent(task), *(oracle_percent(task, reader, frames=15) for reader in Reader)]
        lines.append(f"| `{task}` | {' | '.join(f'{float(value):.1f}' for value in values)} |")
    lines += ["", "| untrimmed | AUC | AR@100 | mAP |", "|---|---:|---:|---:|"]
    for reader, metrics in untrimmed_metrics(settings_of_demo()).items():
        lines.append(f"| {reader} | {' | '.join(f'{metrics[name]:.1f}' for name in METRICS)} |")
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--snippets", type=Path, metavar="DIR")
    chosen = parser.parse_args()
    print("\n".join(table()))
    if chosen.snippets:
        write_snippets(chosen.snippets, settings_of_demo())
