from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image
from tests.unit.callback.test_view_grid import MEAN, STD, batch

from vclr_pl.callback.run_views import GOALS, note_on, views_of
from vclr_pl.config_path import config_folder
from vclr_pl.data.local_clips import LocalClips
from vclr_pl.data.sampling import SegmentClipSampler
from vclr_pl.types import LabeledFeatures, LabeledViews

NORMALIZED = SimpleNamespace(mean=MEAN, std=STD)


def shade(picture: bytes) -> float:
    return float(np.asarray(Image.open(io.BytesIO(picture)).convert("L")).mean())


def test_the_tuples_are_grouped_in_the_order_shown_and_the_anchor_is_marked():
    views = views_of(batch(), names=["a.mp4", "b.mp4"], class_names=(), normalized=NORMALIZED)
    assert [(video.name, video.answer) for video in views] == [
        ("a.mp4", "Order label 1: query shuffled"),
        ("b.mp4", "Order label 3: both shuffled"),
    ]
    groups = views[0].groups
    assert [len(group.pictures) for group in groups] == [3, 3, 1]
    assert groups[0].captions == ["segment 3", "segment 2", "segment 1, anchor"]
    assert groups[1].captions == ["segment 1", "segment 2", "segment 3"]
    assert [list(group.marked) for group in groups] == [[False, False, True], [False] * 3, [True]]
    shades = [shade(picture) for group in groups for picture in group.pictures]
    assert np.abs(np.array(shades) - [60, 30, 0, 90, 120, 150, 180]).max() < 3  # view v is of gray level 30 v


def test_the_note_has_the_frames_of_the_sampling_and_the_goals_of_the_terms():
    options = {"segments": 3, "frames_per_clip": 1, "frame_stride": 1}
    segments, clips = SegmentClipSampler(**options), LocalClips(**options, window_fraction=0.2, window_frames=None)
    assert note_on(batch(), sampled=segments.in_words, terms=["byol", "mine"]) == (
        "What the network receives of each video: two frames or clips of each of its equal segments, one for the query and one for "
        "the key, cropped and colored at random. BYOL: a predictor maps the mean of the query tuple to that of the key tuple."
    )
    note = note_on(batch(), sampled=clips.in_words, terms=["segment_contrast"])
    assert "one short window for the query and of another one for the key" in note
    assert "Segment contrast" in note
    assert "order" not in note
    assert "video: frames, cropped" in note_on(batch(), sampled="", terms=[])
    shipped = {path.stem for path in (config_folder() / "objective" / "term").glob("*.yaml")}
    assert set(GOALS) == shipped


def test_the_views_of_recognition_have_their_class():
    labeled = LabeledViews(
        views=torch.zeros(2, 4, 3, 8, 8), color_parameters=torch.zeros(2, 4, 1), label=torch.tensor([1, 0]), video_index=torch.arange(2)
    )
    (video,) = views_of(labeled, names=["run/a.mp4"], class_names=("jump", "run"), normalized=NORMALIZED)
    assert video.answer == "Class: run"
    assert [len(group.pictures) for group in video.groups] == [4]
    assert "one frame or clip of each segment" in note_on(labeled, sampled="", terms=[])


def test_large_views_become_small_pictures():
    large = torch.zeros(1, 1, 3, 300, 400)
    labeled = LabeledViews(views=large, color_parameters=torch.zeros(1, 1, 1), label=torch.tensor([0]), video_index=torch.tensor([0]))
    (video,) = views_of(labeled, names=["a.mp4"], class_names=("jump",), normalized=NORMALIZED)
    assert Image.open(io.BytesIO(video.groups[0].pictures[0])).size == (128, 96)


def test_features_in_place_of_views_are_not_drawn():
    features = LabeledFeatures(features=torch.zeros(2, 1, 4), label=torch.tensor([1, 0]), video_index=torch.arange(2))
    assert views_of(features, names=["a.mp4"], class_names=("jump", "run"), normalized=NORMALIZED) == []
