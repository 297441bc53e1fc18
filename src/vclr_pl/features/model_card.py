"""The model card of a shared encoder: README.md, written from its run folder. No path and no name of a user is in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

RESULTS, CONFIG = "results.json", "config.yaml"
SCALARS = (bool, int, float)
SHOWN = ("optimizer", "schedule", "sampling", "momentum_encoder")  # nodes of a run's config
INTERVALS = "python -m vclr_pl.evaluate encoder=... data=..."


def card_text(*, description: Mapping[str, Any], place: str, run: Path | None, results: Path | None, license_name: str | None) -> str:
    """Markdown without the metadata.

    Args:
        description: the encoder's, as its file has it.
        place: what `load_encoder` takes.
        run: the run folder of the training, None where there is none.
        results: a run folder of `evaluate`, whose figures have intervals; None for the figures of `run`.
        license_name: for instance `apache-2.0`; None if it is not chosen.
    """
    trained = _content(run, RESULTS)
    figures = _content(results, RESULTS) or trained
    parts = [
        f"# {title_of(description)}",
        f"A frozen encoder of videos: one vector of {description['feature_dim']} numbers per video. "
        "Made with vclr_pl (Video Contrastive Learning with Global Context).",
        f"## Use\n\n```python\n{snippet(description, place=place)}```",
        f"## Input\n\n{_input(description)}",
        f"## Training\n\n{_training(trained, _content(run, CONFIG))}",
        f"## Figures\n\n{_figures(figures)}",
        f"## Limits\n\n{_limits(description)}",
        f"## License\n\n{license_name or 'Not chosen yet. The license of the training data and of the start may restrict it.'}",
    ]
    return "\n\n".join(parts) + "\n"


def title_of(description: Mapping[str, Any]) -> str:
    """The network, in words."""
    architecture = description["architecture"]
    kind = architecture["network"]
    name = architecture.get("name") or dict(architecture.get("settings", {})).get("model_type") or kind
    return f"{name}, encoder of videos"


def snippet(description: Mapping[str, Any], *, place: str) -> str:
    """Python that computes features of two videos of noise."""
    clip = int(description["frames_per_clip"])
    shape = f"(2, 5, {clip}, 3, 240, 320)" if clip > 1 else "(2, 5, 3, 240, 320)"
    axes = f"[videos, clips, {clip} frames, RGB, height, width]" if clip > 1 else "[videos, frames, RGB, height, width]"
    ready = (
        "encoder.transform(videos).transpose(2, 3)  # [videos, clips, RGB, frames, height, width]"
        if clip > 1
        else "encoder.transform(videos)"
    )
    return (
        "import torch\nimport vclr_pl\n\n"
        f'encoder = vclr_pl.load_encoder("{place}")\n'
        f"videos = torch.randint(0, 256, {shape}, dtype=torch.uint8)  # {axes}\n"
        f"frames = {ready}\n"
        f"features = encoder(frames)  # [2, {description['feature_dim']}]\n"
    )


def _content(folder: Path | None, name: str) -> dict[str, Any]:
    if folder is None or not (folder / name).is_file():
        return {}
    text = (folder / name).read_text(encoding="utf-8")
    content = json.loads(text) if name == RESULTS else yaml.safe_load(text)
    return content if isinstance(content, dict) else {}


def _input(description: Mapping[str, Any]) -> str:
    clip = int(description["frames_per_clip"])
    what = f"clips of {clip} frames, {description['frame_stride']} frames apart" if clip > 1 else "single frames"
    side = description.get("short_side_pixels")
    return (
        f"{description['frames']} evenly spaced {'clips' if clip > 1 else 'frames'} of a video: {what}, "
        f"{'' if side is None else f'resized to a short side of {side} pixels, '}center crop of {description['crop_pixels']} pixels, "
        f"RGB with mean {_numbers(description['mean'])} and std {_numbers(description['std'])}. The feature is {_pooled(description)}."
    )


def _pooled(description: Mapping[str, Any]) -> str:
    segments = description.get("pooling_segments")
    return "the mean over them" if segments is None else f"the means over {segments} equal segments of them, one after another"


def _order(description: Mapping[str, Any]) -> str:
    parts = "frames" if int(description["frames_per_clip"]) == 1 else "clips"
    if "pooling_segments" in description:
        return f"The mean over a segment ignores the order of its {parts}."
    return f"The mean over {parts} ignores their order."


def _training(trained: Mapping[str, Any], chosen: Mapping[str, Any]) -> str:
    if not trained and not chosen:
        return "Not trained by vclr_pl, or without its run folder: data and recipe are not known."
    rows = dict(_recipe(trained, chosen))
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def _recipe(trained: Mapping[str, Any], chosen: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    data = chosen.get("data") or {}
    if "_target_" in data:
        yield "data", _class(data)
    yield from ((name, str(trained["training"][name])) for name in ("epochs", "steps", "verdict") if name in trained.get("training", {}))
    exported = trained.get("training", {}).get("exported_step")
    if exported is not None and exported != trained["training"].get("steps"):
        yield "this encoder", f"of step {exported}" if exported else "the start itself: training made it worse"
    if trained.get("baseline_name"):
        yield "start", str(trained["baseline_name"]).removeprefix("start: ")
    terms = dict(chosen.get("objective", {}).get("terms", {}))
    if terms:
        yield "loss terms and weights", ", ".join(f"{name} {term.get('weight')}" for name, term in terms.items() if term)
    for name in SHOWN:
        node = chosen.get(name)
        if isinstance(node, Mapping):
            values = ", ".join(f"{key} {value}" for key, value in node.items() if isinstance(value, SCALARS) and key[0] != "_")
            yield name.replace("_", " "), f"{_class(node)}: {values}"
    for group, key in (("loader", "batch_size"), ("transform", "size_pixels")):
        if isinstance(chosen.get(group), Mapping) and key in chosen[group]:
            yield f"{group}.{key}", str(chosen[group][key])
    versions = trained.get("provenance", {}).get("versions", {})
    if "seed" in trained.get("provenance", {}):
        yield "seed", str(trained["provenance"]["seed"])
    if versions:
        yield "versions", ", ".join(f"{name} {versions[name]}" for name in ("vclr-pl", "torch") if name in versions)


def _figures(record: Mapping[str, Any]) -> str:
    metrics = record.get("metrics", {})
    if not metrics:
        return f"None measured. Measure them with `{INTERVALS}`."
    intervals, start, chance = (record.get(name, {}) for name in ("intervals", "baseline", "chance"))
    if record.get("training", {}).get("exported_step") == 0 and start:
        metrics = start  # the start is the exported encoder
    lines = ["| percent | this encoder | 95% interval | start | chance |", "|---|---|---|---|---|"]
    for name, value in metrics.items():
        low_high = intervals.get(name)
        interval = "-" if low_high is None else f"{low_high[0]:.1f} to {low_high[1]:.1f}"
        others = " | ".join(f"{one[name]:.1f}" if name in one else "-" for one in (start, chance))
        lines.append(f"| {name} | {value:.1f} | {interval} | {others} |")
    if not intervals:
        lines += ["", f"Without intervals, as at the end of a training run. `{INTERVALS}` gives them."]
    if record.get("queries"):
        lines += ["", f"Over {record['queries']} queries."]
    return "\n".join(lines)


def _limits(description: Mapping[str, Any]) -> str:
    lines = [
        "The figures hold for the data above; measure the encoder on your own videos before you rely on it.",
        _order(description),
        f"The center crop leaves out the borders of a frame; it has {description['crop_pixels']} pixels, so small objects may be lost.",
        "It gives features, not class names.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _class(node: Mapping[str, Any]) -> str:
    return str(node.get("_target_", "")).rpartition(".")[2]


def _numbers(values: Any) -> str:
    return "(" + ", ".join(f"{float(value):.4g}" for value in values) + ")"
