"""Draw the ten pictures of docs/method.md from a run of the demo, a collapsed one, and the folder of the demo's videos.

python docs/images/method/draw.py runs/demo runs/collapse data/demo

The end of docs/method.md has the commands of the two runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import data_pictures
import result_pictures
import term_pictures
from material import DemoRun, curves, similarities

FIRST_VIDEO, FRAME, QUERY, NEIGHBORS = 39, 3, 3, 4
VIEWS_SEED = 58
POSITIVE, BATCH = (f"train/segment_contrast_{name}_similarity" for name in ("positive", "batch"))


def draw(*, run: Path, collapsed: Path, root: Path) -> dict[str, str]:
    """The SVGs by name."""
    demo = DemoRun(folder=run, root=root)
    batch = demo.batch(FIRST_VIDEO)
    sample, contrasts = demo.sample(batch), demo.contrasts(batch)
    found = {head: similarities(contrasts[head], video=0) for head in ("inter", "intra", "segment")}
    augmented = demo.augmented(sample.frames[FRAME], views=6, seed=VIEWS_SEED)
    results = demo.results(query=QUERY, neighbors=NEIGHBORS)
    healthy, failed = curves(run, POSITIVE, BATCH), curves(collapsed, POSITIVE, BATCH)
    return {
        "01_video": data_pictures.video(sample),
        "02_views": data_pictures.views(sample, augmented, FRAME),
        "03_sample": data_pictures.sample_of_a_video(sample),
        "04_encoders": data_pictures.encoders(sample),
        "05_inter_frame": term_pictures.inter_frame(sample, found["inter"]),
        "06_intra_frame": term_pictures.intra_frame(sample, found["intra"]),
        "07_segment": term_pictures.segment_contrast(sample, found["segment"]),
        "08_order": term_pictures.temporal_order(sample),
        "09_result": result_pictures.neighbors(results),
        "10_collapse": result_pictures.collapse(healthy=(healthy[0], healthy[1]), collapsed=(failed[0], failed[1])),
    }


if __name__ == "__main__":
    run, collapsed, root = map(Path, sys.argv[1:4])
    for name, svg in draw(run=run, collapsed=collapsed, root=root).items():
        Path(__file__).with_name(f"{name}.svg").write_text(svg, encoding="utf-8")
