"""Features from anywhere: NumPy and CSV files of any dimension; what is wrong with a file is told with its video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.data.annotated import write_features

from vclr_pl.localization.feature_folder import SnippetFolder, SnippetResampling
from vclr_pl.localization.snippets import resample
from vclr_pl.types import InputError


def resampling(**changes: Any) -> SnippetResampling:
    return SnippetResampling(**{"positions": 6, "points_per_position": 3, "allow_missing": False, **changes})


@pytest.mark.parametrize("header", ["", "f0,f1\n", "0,1\n", "0, 1\r\n"])
def test_csv_with_and_without_names(tmp_path: Path, header: str) -> None:
    (tmp_path / "v_a.csv").write_text(f"{header}1,2\n3,4\n5,-6.5e-1\n")
    folder = SnippetFolder(tmp_path)
    file = folder.file("a")
    assert file is not None
    np.testing.assert_allclose(folder.read("a", file=file), [[1, 2], [3, 4], [5, -0.65]])
    assert folder.file("b") is None
    assert (folder.frames(), folder.broken(), folder.description()) == ({}, {}, {})


def test_positions_are_written_and_kept(tmp_path: Path) -> None:
    source = SnippetFolder(write_features(tmp_path / "in", {"a": 9, "b": 4}))
    files = resampling().write(source, identities=["a", "b"], output=tmp_path / "out")
    expected = resample(np.load(tmp_path / "in" / "a.npy"), positions=6, points_per_position=3)
    np.testing.assert_array_equal(np.load(files["a"]), expected.T)
    times = {identity: file.stat().st_mtime_ns for identity, file in files.items()}
    write_features(tmp_path / "in", {"b": 5})
    again = resampling().write(source, identities=["a", "b"], output=tmp_path / "out")
    assert again["a"].stat().st_mtime_ns == times["a"]
    assert again["b"].stat().st_mtime_ns > times["b"]
    assert resampling(positions=7).write(source, identities=["a"], output=tmp_path / "out")["a"].stat().st_mtime_ns > times["a"]


def test_features_at_positions_already_stay_as_they_are(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = SnippetFolder(write_features(tmp_path / "in", {"a": 6, "b": 6}))
    with caplog.at_level("INFO"):
        files = resampling().write(source, identities=["a", "b"], output=tmp_path / "out")
    np.testing.assert_array_equal(np.load(files["a"]), np.load(tmp_path / "in" / "a.npy").T)
    assert "are used unchanged" in caplog.text


def test_missing_features_are_told_or_left_out(tmp_path: Path) -> None:
    source = SnippetFolder(write_features(tmp_path / "in", {"a": 9}))
    with pytest.raises(InputError, match=r"features of video 'gone', 'gone.npy' or '.csv'.*1 more"):
        resampling().write(source, identities=["a", "gone", "too"], output=tmp_path / "out")
    assert list(resampling(allow_missing=True).write(source, identities=["a", "gone"], output=tmp_path / "out")) == ["a"]
    with pytest.raises(InputError, match="none of the annotated"):
        resampling(allow_missing=True).write(source, identities=["gone"], output=tmp_path / "out")


def test_videos_known_as_broken_are_passed_over(tmp_path: Path) -> None:
    folder = write_features(tmp_path / "in", {"a": 9})
    (folder / "videos.csv").write_text("video,frames,snippets,status\na,144,9,ok\nbad,0,0,broken: no video (pyav)\n")
    source = SnippetFolder(folder)
    assert list(resampling().write(source, identities=["a", "bad"], output=tmp_path / "out")) == ["a"]
    assert source.frames() == {"a": 144}
    assert list(source.broken()) == ["bad"]


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros(3, np.float32), r"shape \[3\]"),
        (np.zeros((0, 3), np.float32), r"shape \[0, 3\]"),
        (np.full((2, 2), np.nan), "not finite"),
        (np.array([["a"]]), "shape"),
    ],
)
def test_a_useless_file_is_told(tmp_path: Path, array: np.ndarray, told: str) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=f"features of video 'a'.*{told}"):
        SnippetFolder(tmp_path).read("a", file=tmp_path / "a.npy")


@pytest.mark.parametrize(("name", "content"), [("a.npy", "text"), ("a.csv", "1,2\n3\n"), ("a.csv", "f\nword\n")])
def test_a_file_of_another_kind_is_told(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match="features of video 'a'"):
        SnippetFolder(tmp_path).read("a", file=tmp_path / name)


def test_another_dimension_is_told(tmp_path: Path) -> None:
    write_features(tmp_path / "in", {"a": 9})
    write_features(tmp_path / "in", {"b": 9}, dimension=4)
    with pytest.raises(InputError, match=r"video 'b'.*4 numbers per snippet, but 'a' has 3"):
        resampling().write(SnippetFolder(tmp_path / "in"), identities=["a", "b"], output=tmp_path / "out")


def test_two_files_of_one_video_are_refused(tmp_path: Path) -> None:
    write_features(tmp_path, {"a": 2, "v_b": 2})
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("1,2\n")
    with pytest.raises(InputError, match=r"one file of features for video 'a' in .*; got a\.npy and a\.csv\. Remove one"):
        SnippetFolder(tmp_path).file("a")
    assert SnippetFolder(tmp_path).file("b") == tmp_path / "b.csv"
