"""The run folder of `embed` leads to the features."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from tests.unit.features.pretrained_file import write_run
from tests.video_fixture import write_broken, write_video

from vclr_pl.embed import embed
from vclr_pl.runner.run import run


def test_the_readme_of_the_run_folder_reads_the_features(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    for number in range(3):
        write_video(tmp_path / "set" / f"{number}.mp4", frames=4 + number)
    write_broken(tmp_path / "set" / "0_bad.mp4")
    words = [f"encoder={tmp_path / 'run'}", f"data.root={tmp_path / 'set'}", f"paths.data={tmp_path / 'data'}", "decoding=pyav"]
    words += ["trainer=cpu", "loader.workers=0", "protocol.frames=2", f"hydra.run.dir={tmp_path / 'embedded'}"]
    assert run(embed, config_name="embed", arguments=words) == 0
    readme = (tmp_path / "embedded" / "README.txt").read_text()
    code = textwrap.dedent(readme.partition("In Python:\n")[2])
    names: dict[str, Any] = {}
    exec(code, names)
    assert [Path(line["path"]).name for line in names["videos"]] == ["0.mp4", "1.mp4", "2.mp4"]
    linked = np.load(tmp_path / "embedded" / "features_train" / "features.npy")
    assert np.array_equal(linked, names["features"])
    assert linked.shape == (3, 8)
