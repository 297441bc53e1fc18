"""Lines where the output is no terminal, counted in videos."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from vclr_pl.callback.video_progress import VideoProgress


def test_lines_are_counted_in_videos(capsys: pytest.CaptureFixture[str]) -> None:
    module: Any = SimpleNamespace(videos=list(range(40)), videos_done=0)
    trainer: Any = SimpleNamespace(is_global_zero=True, world_size=1, lightning_module=module)
    progress = VideoProgress()
    progress.on_predict_start(trainer, module)
    for done in (0, 0, 1, 1, 2, 3, 4, 9, 40):
        module.videos_done = done
        progress.on_predict_batch_end(trainer, module, None, None, 0)
    lines = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["1/40", "4/40", "9/40", "40/40"]


def test_other_ranks_are_silent(capsys: pytest.CaptureFixture[str]) -> None:
    module: Any = SimpleNamespace(videos=[0], videos_done=1)
    trainer: Any = SimpleNamespace(is_global_zero=False, world_size=1, lightning_module=module)
    progress = VideoProgress()
    progress.on_predict_start(trainer, module)
    progress.on_predict_batch_end(trainer, module, None, None, 0)
    assert capsys.readouterr().out == ""
