"""The packed list of videos: what goes in comes out, from every source, at a known cost."""

from __future__ import annotations

import os
import pickle
import tracemalloc

import numpy as np
import pytest
from pytorchvideo.data.clip_sampling import UniformClipSampler
from pytorchvideo.data.labeled_video_dataset import LabeledVideoDataset
from pytorchvideo.data.labeled_video_paths import LabeledVideoPaths

from vclr_pl.datasets.manifest import Manifest, ManifestBuilder, VideoSplits
from vclr_pl.types import InputError

ODD_NAMES = ["a b.mp4", "ünïcode/日本.avi", "comma, dot.v2.mkv", "-dash.mp4", os.fsdecode(b"latin-\xe9.avi")]


def contents(manifest):
    return [(path, attributes["label"]) for path, attributes in (manifest[index] for index in range(len(manifest)))]


def test_paths_of_any_bytes_survive():
    pairs = [(f"/data/{name}", number) for number, name in enumerate(ODD_NAMES)]
    assert contents(Manifest.from_pairs(pairs, root="/data")) == pairs
    assert contents(Manifest.from_pairs(pairs)) == pairs


def test_a_path_outside_the_root_is_kept_whole():
    pairs = [("/data/in.mp4", 0), ("/data2/out.mp4", 1), ("relative.mp4", 2)]
    assert [path for path, _ in contents(Manifest.from_pairs(pairs, root="/data"))] == [
        "/data/in.mp4",
        "/data2/out.mp4",
        "/data/relative.mp4",
    ]


def test_names_are_numbered_alphabetically_and_no_label_stays_none():
    manifest = Manifest.from_pairs([("1", "wave"), ("2", {"label": "brush hair"}), ("3", None), ("4", "wave"), ("5", {"other": 1})])
    assert manifest.labels.tolist() == [1, 0, -1, 1, -1]
    assert manifest.class_names == ("brush hair", "wave")
    assert not manifest.labeled


def test_given_class_names_fix_the_numbers():
    builder = ManifestBuilder(root="")
    builder.add("1", "wave")
    assert builder.finish(class_names=("run", "sit", "wave")).labels.tolist() == [2]


def test_labeled_means_every_video():
    assert Manifest.from_pairs([("1", 0), ("2", {"label": 3})]).labeled
    assert not Manifest.from_pairs([]).labeled


def test_sources_of_pytorchvideo():
    pairs = [("/x/1.mp4", 0), ("/x/2.mp4", 1)]
    paths = LabeledVideoPaths([("1.mp4", 0), ("2.mp4", 1)], path_prefix="/x")
    dataset = LabeledVideoDataset(paths, UniformClipSampler(1))
    for source in (
        pairs,
        paths,
        dataset,
        Manifest.from_pairs(pairs),
        Manifest.from_pairs(pairs).labeled_video_dataset(clip_sampler=UniformClipSampler(1)),
    ):
        assert contents(Manifest.from_source(source)) == pairs
    assert isinstance(Manifest.from_pairs(pairs), LabeledVideoPaths)


@pytest.mark.parametrize("source", [3, iter([]), None])
def test_other_sources_are_told(source):
    with pytest.raises(InputError, match="a list of \\(path, label\\); got a"):
        Manifest.from_source(source)


def test_pickled_and_back():
    pairs = [("/data/1.mp4", 4), ("/data/2.mp4", 5)]
    manifest = pickle.loads(pickle.dumps(Manifest.from_pairs(pairs, root="/data", class_names=("a",))))
    assert contents(manifest) == pairs
    assert (manifest.class_names, manifest.labels.tolist()) == (("a",), [4, 5])


def test_hundred_thousand_videos_take_their_share():
    """A million may take 300 MB while they are read: 100,000 take a tenth, and half of that once they are packed."""
    tracemalloc.start()
    builder = ManifestBuilder(root="/data/kinetics")
    for number in range(100_000):
        builder.add(f"/data/kinetics/train/some class name/{number:011d}_000010_000020.mp4", number % 400)
    manifest = builder.finish()
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < 30e6
    assert manifest.size_bytes < 8e6
    assert manifest[99_999] == ("/data/kinetics/train/some class name/00000099999_000010_000020.mp4", {"label": 399})


def test_splits_need_no_test():
    splits = VideoSplits(train=Manifest.from_pairs([("1", 0)]))
    assert (splits.test, splits.absent) == (None, 0)


def test_parts_of_one_file_are_one_file():
    builder = ManifestBuilder(root="/data")
    for path, span in (("a.mp4", (0.0, 0.5)), ("a.mp4", (0.5, 1.0)), ("b.mp4", (0.0, 1.0))):
        builder.add(f"/data/{path}", span=span)
    parts = builder.finish()
    assert (len(parts), parts.files) == (3, 2)
    assert Manifest.from_pairs([("a.mp4", 0), ("b.mp4", 1)]).files == 2


def test_one_line_says_what_was_understood(caplog):
    train = Manifest.from_pairs([("a", "run"), ("b", "sit"), ("c", None)])
    with caplog.at_level("INFO"):
        VideoSplits(train=train, test=Manifest.from_pairs([("a", 7), ("d", 7)])).told(root="/data", folders=["fit", "val"])
        VideoSplits(train=Manifest.from_pairs([(str(number), number) for number in range(6)])).told(root="/data")
        VideoSplits(train=Manifest.from_pairs([("a", None)])).told(root="/data")
    assert [record.getMessage() for record in caplog.records] == [
        "data in /data: train (fit): 3 videos of 2 classes (run, sit), 1 of them without a label; test (val): 2 videos of 1 classes (7)",
        "1 videos are in both lists, so the test result is too good: a",
        "data in /data: train: 6 videos of 6 classes (0, 1, 2, 3, 4, ...)",
        "data in /data: train: 1 videos without labels",
    ]


def test_numbers_without_names_keep_their_size():
    assert Manifest.from_pairs([("a", 3)]).labels.dtype == np.int32
    wide = VideoSplits(train=Manifest.from_pairs([("a", 2**40), ("b", -1), ("c", 5)]))
    assert wide.train.labels.tolist() == [2**40, -1, 5]
    narrow = wide.with_numbered_classes()
    assert (narrow.train.labels.tolist(), narrow.train.class_names, narrow.train.path(2)) == ([1, -1, 0], ("5", str(2**40)), "c")
    assert narrow.with_numbered_classes() is narrow
