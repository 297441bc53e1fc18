"""Encoders in folders, and in repositories of a stand-in of the hub, with which huggingface_hub itself speaks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from tests.hub_stand_in import TOKEN, stand_in
from tests.unit.features.pretrained_file import small_backbone, write_run

from vclr_pl.features.encoder import EvaluationProtocol, load_encoder
from vclr_pl.features.pooling import FramePooling
from vclr_pl.features.sharing import HubFolder, run_folder
from vclr_pl.localization.snippets import SnippetProtocol
from vclr_pl.types import InputError

VISITOR = """
import json, sys
from vclr_pl import InputError, load_encoder
from vclr_pl.features.sharing import HubFolder

def said(call):
    try:
        return call()
    except InputError as error:
        return str(error)

run, names = sys.argv[1], sys.argv[2:]
encoder = load_encoder(run)
answers = {"address": said(lambda: encoder.push_to_hub("owner/mine", model_card_kwargs={"license_name": "mit"})), "own": encoder.digest()}
answers["loaded"] = said(lambda: load_encoder("hf://owner/mine").digest())
answers["written"] = said(lambda: HubFolder(path="hf://owner/again", license=None, results=None).write_encoder(encoder))
answers |= {name: said(lambda: load_encoder(name).origin) for name in names}
print(json.dumps(answers))
"""


def visit(run: Path, *names: str, home: Path, **surroundings: str) -> dict[str, Any]:
    """What a process of its own sees: the endpoint and the token are read when huggingface_hub is imported."""
    own = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy") and not key.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", VISITOR, str(run), *names], env=own | {"HF_HOME": str(home)} | surroundings, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "secret_place" / "run")


def test_an_encoder_is_uploaded_and_downloaded(run: Path, tmp_path: Path) -> None:
    others = {
        "owner/model": {"config.json": b'{"model_type": "dinov2"}', "model.safetensors": b""},
        "owner/pickle": {"backbone.pth": b"pickle", "pytorch_model.bin": b"pickle"},
        "owner/gated": {"config.json": b"{}"},
    }
    names = ["hf://owner/model", "hf://owner/pickle", "hf://owner/gated", "hf://owner/absent", "hf:owner/mine", "hf:owner/pickle"]
    with stand_in(others) as hub:
        answers = visit(run, *names, home=tmp_path / "home", HF_ENDPOINT=hub.address, HF_TOKEN=TOKEN)
        downloaded = [line for line in hub.asked if line.startswith("GET") and line.endswith((".pth", ".bin"))]
    assert downloaded == []
    assert answers["loaded"] == answers["own"]
    assert answers["address"].startswith(
        (f"{hub.address}/owner/mine/commit/", f"{hub.address}/owner/mine/tree/main/")
    )  # the second before huggingface_hub 1
    assert (
        set(hub.repositories["owner/mine"]) == set(hub.repositories["owner/again"]) == {"backbone.safetensors", "config.json", "README.md"}
    )
    assert b"license: mit" in hub.repositories["owner/mine"]["README.md"]
    assert b'load_encoder("hf://owner/mine")' in hub.repositories["owner/mine"]["README.md"]
    assert "Write encoder=hf:owner/model" in answers["hf://owner/model"]
    assert "pickles, are not read" in answers["hf://owner/pickle"]
    assert "which is gated" in answers["hf://owner/gated"]
    assert "does not exist or is private" in answers["hf://owner/absent"]
    assert "Write encoder=hf://owner/mine" in answers["hf:owner/mine"]
    assert "without it" in answers["hf:owner/pickle"]
    assert not [text for name, text in answers.items() if name.startswith("hf:") and "\n" in text]


def test_without_a_token_and_without_a_network_one_line_says_so(run: Path, tmp_path: Path) -> None:
    with stand_in() as hub:
        answers = visit(run, home=tmp_path / "home", HF_ENDPOINT=hub.address)
    assert "expected a token that may write to owner/mine" in answers["address"]
    answers = visit(run, home=tmp_path / "home", HF_ENDPOINT=hub.address, HF_TOKEN=TOKEN)
    assert "got no network. Write a folder" in answers["address"]
    assert "no network, and no copy in the cache" in answers["loaded"]


@torch.no_grad()
def test_a_saved_folder_is_an_encoder_with_the_same_view(run: Path, tmp_path: Path) -> None:
    encoder = load_encoder(str(run))
    encoder.save_pretrained(tmp_path / "shared", model_card_kwargs={"license_name": "apache-2.0"})
    assert sorted(file.name for file in (tmp_path / "shared").iterdir()) == ["README.md", "backbone.safetensors", "config.json"]
    again = load_encoder(str(tmp_path / "shared"))
    assert vars(again.view) == vars(encoder.view)
    frames = torch.randint(0, 256, (2, 3, 3, 48, 64), dtype=torch.uint8)
    torch.testing.assert_close(again(again.transform(frames)), encoder(encoder.transform(frames)), atol=0, rtol=0)
    card = ModelCard.load(tmp_path / "shared" / "README.md")
    assert (card.data.license, card.data.library_name) == ("apache-2.0", "vclr_pl")


@torch.no_grad()
def test_the_pooling_is_kept_unless_another_is_chosen(run: Path, tmp_path: Path) -> None:
    shared, place = tmp_path / "shared", str(tmp_path / "shared")
    encoder = load_encoder(str(run), view={"pooling": "segments", "pooling_segments": 4})
    encoder.save_pretrained(shared)
    again = load_encoder(place)
    assert (again.pooling, again.feature_dim) == (FramePooling(4), 32)
    frames = torch.rand(2, 8, 3, 32, 32)
    torch.testing.assert_close(again(frames), encoder(frames), atol=0, rtol=0)
    assert json.loads((shared / "config.json").read_text())["feature_dim"] == 32
    card = (shared / "README.md").read_text()
    assert "The feature is the means over 4 equal segments of them, one after another." in card
    assert "The mean over a segment ignores the order of its frames." in card
    unchosen: dict[str, Any] = dict.fromkeys(field.name for field in fields(EvaluationProtocol))
    for chosen, segments in (({}, 4), ({"pooling": "mean"}, 1), ({"pooling_segments": 2}, 2), ({"pooling": "segments"}, 4)):
        protocol = EvaluationProtocol(**{**unchosen, **chosen})
        assert protocol.load(place, momentum=False, backbone=None).pooling.segments == segments
    none = SnippetProtocol(crop_pixels=None, short_side_pixels=None, mean=None, std=None)
    assert none.load(place, momentum=False, backbone=None).feature_dim == 8  # of one frame, in localization


def test_the_mean_is_the_pooling_of_a_run_and_of_its_shared_folder(run: Path, tmp_path: Path) -> None:
    load_encoder(str(run)).save_pretrained(tmp_path / "shared")
    settings = json.loads((tmp_path / "shared" / "config.json").read_text())
    assert {name: value for name, value in settings.items() if name.startswith("pooling")} == {"pooling": "mean"}
    card = (tmp_path / "shared" / "README.md").read_text()
    assert "The feature is the mean over them." in card
    assert "The mean over frames ignores their order." in card
    assert load_encoder(str(tmp_path / "shared"), view={"pooling": "segments"}).pooling.segments == 3


def test_nothing_in_a_shared_folder_names_a_place_of_this_machine(run: Path, tmp_path: Path) -> None:
    load_encoder(str(run)).save_pretrained(tmp_path / "shared")
    for file in (tmp_path / "shared").iterdir():
        assert b"secret_place" not in file.read_bytes(), file.name


def test_an_edited_model_card_is_kept(run: Path, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "README.md").write_text("my words")
    HubFolder(path=str(tmp_path / "shared"), license=None, results=None).write_encoder(load_encoder(str(run)))
    assert (tmp_path / "shared" / "README.md").read_text() == "my words"


def test_a_network_that_no_file_can_describe_is_refused(tmp_path: Path) -> None:
    class Own(torch.nn.Module):
        feature_dim = 3

        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            return frames.mean(dim=(2, 3))

    with pytest.raises(InputError, match="whose network a file can describe; got Own"):
        load_encoder("random", backbone=Own()).save_pretrained(tmp_path / "shared")


def test_from_pretrained_names_load_encoder() -> None:
    kind = type(load_encoder("random", backbone=small_backbone()))
    with pytest.raises(InputError, match=r"vclr_pl\.load_encoder"):
        kind._from_pretrained(model_id="owner/name")


def test_the_run_folder_is_that_of_the_file(tmp_path: Path) -> None:
    for name in ("results.json", "config.yaml"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "checkpoints").mkdir()
    assert (
        run_folder(tmp_path)
        == run_folder(tmp_path / "checkpoints" / "last.ckpt")
        == run_folder(tmp_path / "backbone.safetensors")
        == tmp_path
    )
    (tmp_path / "results.json").unlink()
    assert run_folder(tmp_path) is None
