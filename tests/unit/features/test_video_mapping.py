"""Encoders to be compared: which network `random` is, what each is shown, and what they are called.
What is asked of a video: the norm, a similarity, a class; and videos that cannot be read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.features.pretrained_file import small_backbone, write_resnet18, write_run
from tests.unit.features.written_recognizer import CLASS_NAMES, SHIFT, write_recognizer
from tests.video_fixture import frame_numbers, write_broken, write_video
from torch import Tensor, nn

from vclr_pl.backbone.resnet import clip_network
from vclr_pl.data.transform.evaluation_view import EvaluationView
from vclr_pl.datasets.manifest import Manifest
from vclr_pl.features.activation_map import VideoMaps, feature_of
from vclr_pl.features.encoder import PUBLISHED_POOLING, EvaluationProtocol, FrozenEncoder
from vclr_pl.features.recognizer import FrozenRecognizer, load_recognizer
from vclr_pl.features.video_mapping import MapQuestion, NamedEncoder, SideBySide, VideoMapping, chosen_videos, device_named, short_names
from vclr_pl.types import BrokenVideo, InputError
from vclr_pl.video.pyav import PyavDecoder


def loaded(paths: list[str], *, backbone: nn.Module | None = None, frames_per_clip: int | None = None) -> list[NamedEncoder]:
    figures = {"frames": 5, "frames_per_clip": frames_per_clip, "frame_stride": frames_per_clip and 2, **PUBLISHED_POOLING}
    protocol = EvaluationProtocol(crop_pixels=None, short_side_pixels=None, mean=None, std=None, **figures)
    together = SideBySide(protocol=protocol, momentum=False)
    return together.load(paths, backbone=lambda: backbone)


def test_random_is_the_network_beside_it_with_its_view_wherever_it_stands(tmp_path: Path) -> None:
    run = str(write_run(tmp_path / "runs" / "mine"))
    torch.manual_seed(9)
    chance, trained = loaded(["random", run])
    assert (chance.name, trained.name) == ("random", "runs/mine")
    assert repr(chance.encoder.backbone) == repr(trained.encoder.backbone)
    assert chance.encoder.digest() != trained.encoder.digest()
    assert chance.encoder.view is trained.encoder.view
    assert (trained.encoder.view.frames, trained.encoder.view.crop_pixels) == (5, 32)
    alone = FrozenEncoder(backbone=small_backbone(seed=9), view=chance.encoder.view, frames_per_clip=1, frame_stride=1, origin="")
    assert alone.digest() == chance.encoder.digest()  # of the seed, whatever was loaded before


def test_a_network_that_is_named_is_randoms_and_files_keep_their_own(tmp_path: Path) -> None:
    run = str(write_run(tmp_path / "run"))
    other = small_backbone(seed=4)
    trained, chance = loaded([run, "random"], backbone=other)
    assert chance.encoder.backbone is other
    assert trained.encoder.digest() == loaded([run])[0].encoder.digest()


def test_different_files_keep_their_views(tmp_path: Path) -> None:
    write_resnet18(tmp_path / "resnet18.pth", "torchvision")
    first, second = loaded([str(write_run(tmp_path / "run")), str(tmp_path / "resnet18.pth")])
    assert [first.encoder.view.crop_pixels, second.encoder.view.crop_pixels] == [32, 224]


def test_a_3d_network_is_given_clips_or_asks_for_their_length() -> None:
    (encoder,) = loaded(["random"], backbone=clip_network(name="r3d_18"), frames_per_clip=8)
    assert (encoder.encoder.frames_per_clip, encoder.encoder.frame_stride) == (8, 2)
    with pytest.raises(InputError, match=r"protocol\.frames_per_clip=8 protocol\.frame_stride=2"):
        loaded(["random"], backbone=clip_network(name="r3d_18"))


def test_a_recognizer_keeps_its_own_view_and_random_is_like_the_encoder_beside_it(tmp_path: Path) -> None:
    write_recognizer(tmp_path / "tuned")
    run = str(write_run(tmp_path / "run"))
    recognizer, chance, trained = loaded([str(tmp_path / "tuned"), "random", run])
    assert isinstance(recognizer.encoder, FrozenRecognizer)
    assert (recognizer.encoder.view.frames, recognizer.encoder.view.crop_pixels) == (4, 32)
    assert chance.encoder.view is trained.encoder.view
    with pytest.raises(InputError, match="backbone=resnet50"):
        loaded([str(tmp_path / "tuned"), "random"])


def test_no_encoder_and_random_without_a_network_are_refused() -> None:
    with pytest.raises(InputError, match=r"encoder=\[A,B,random\]"):
        loaded([])
    with pytest.raises(InputError, match="backbone=resnet50"):
        loaded(["random"])


def test_names_tell_encoders_apart() -> None:
    paths = ["/a/runs/demo/one/checkpoints/last.ckpt", "runs/demo/two", "x/backbone.safetensors", "r50.pth", "random", "random", "/"]
    assert short_names(paths) == ["demo/one", "demo/two", "x", "r50.pth", "random", "random (2)", "/"]


pytest.importorskip("pytorch_grad_cam")


def encoder_of(*, crop_pixels: int = 32, clips: bool = False) -> FrozenEncoder:
    torch.manual_seed(0)
    view = EvaluationView(frames=3, crop_pixels=crop_pixels, short_side_pixels=None, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
    backbone = clip_network(name="r3d_18") if clips else small_backbone()
    return FrozenEncoder(backbone=backbone, view=view, frames_per_clip=4 if clips else 1, frame_stride=1, origin="drawn")


@pytest.fixture
def recognizer(tmp_path: Path) -> FrozenEncoder:
    write_recognizer(tmp_path / "tuned")
    return load_recognizer(str(tmp_path / "tuned"))


def question(**asked: str) -> MapQuestion:
    return MapQuestion(
        decoding=PyavDecoder(threads=1, short_side_pixels=None), **{"layer": None, "against": None, "class_name": None, **asked}
    )


def mapping(encoders: list[FrozenEncoder], paths: list[Path], **asked: str) -> VideoMapping:
    named = [NamedEncoder(name=str(place), encoder=encoder) for place, encoder in enumerate(encoders)]
    return VideoMapping(question=question(**asked), encoders=named, manifest=Manifest.from_pairs([(str(path), None) for path in paths]))


@pytest.fixture
def videos(tmp_path: Path) -> list[Path]:
    """Twelve frames, twenty frames, none that can be read, five frames."""
    return [
        write_video(tmp_path / "a.mp4", frames=12),
        write_video(tmp_path / "b.mp4", frames=20),
        write_broken(tmp_path / "c.mp4"),
        write_video(tmp_path / "d.mp4", frames=5),
    ]


def maps_of(asked: VideoMapping, index: int) -> list[VideoMaps]:
    found = asked.of_video(index)
    assert isinstance(found, list)
    return found


def test_each_encoder_sees_the_video_in_its_own_view(videos: list[Path]) -> None:
    small, large, clip = maps_of(mapping([encoder_of(), encoder_of(crop_pixels=40), encoder_of(crop_pixels=40, clips=True)], videos), 0)
    assert [len(small.frames), small.frames.shape[-1], large.frames.shape[-1]] == [3, 32, 40]
    assert frame_numbers(small.frames) == [0, 5, 11]
    assert frame_numbers(clip.frames) == [0, 1, 2, 3, 3, 4, 5, 6, 8, 9, 10, 11]
    assert {small.target, large.target, clip.target} == {"feature norm"}


def test_a_broken_video_is_a_reason_and_not_the_end(videos: list[Path]) -> None:
    asked = mapping([encoder_of()], videos)
    found = asked.of_video(2)
    assert isinstance(found, BrokenVideo)
    assert found.path.endswith("c.mp4")
    assert len(maps_of(asked, 3)) == 1


def test_against_the_next_that_can_be_read(videos: list[Path]) -> None:
    asked = mapping([encoder_of()], videos, against="next")
    asked.check()
    assert [maps_of(asked, index)[0].target for index in (0, 1, 3)] == [
        "similarity to b.mp4",
        "similarity to d.mp4",
        "similarity to a.mp4",
    ]
    features = [feature_of(encoder_of(), maps_of(mapping([encoder_of()], videos), index)[0].frames) for index in (0, 1)]
    assert maps_of(asked, 0)[0].score == pytest.approx(float(torch.cosine_similarity(*features, dim=0)), rel=1e-5)


def test_against_one_video(videos: list[Path]) -> None:
    asked = mapping([encoder_of()], videos, against=str(videos[1]))
    asked.check()
    assert maps_of(asked, 1)[0].score == pytest.approx(1.0, abs=1e-5)
    assert maps_of(asked, 1)[0].highest < 1e-6  # nothing raises a cosine of one
    for other in (videos[2], videos[0].with_name("none.mp4")):
        with pytest.raises(InputError, match=rf"a readable video to compare with; got .*{other.name}"):
            mapping([encoder_of()], videos, against=str(other)).check()
    with pytest.raises(InputError, match="two videos"):
        mapping([encoder_of()], videos[:1], against="next").check()


def test_a_class_by_its_name_or_the_one_predicted(videos: list[Path], recognizer: FrozenEncoder) -> None:
    named, free = (maps_of(mapping([recognizer, encoder_of()], videos, **asked), 0) for asked in ({"class_name": "run"}, {}))
    assert named[0].frames.shape == (4, 3, 32, 32)
    logits = feature_of(recognizer, named[0].frames)
    assert (named[0].target, named[1].target) == ("class run", "feature norm")
    assert named[0].score == pytest.approx(float(logits[1]), rel=1e-5)
    assert free[0].target == f"class {CLASS_NAMES[int(logits.argmax())]} (predicted)"
    assert free[0].score == pytest.approx(float(logits.max()), rel=1e-5)
    assert named[0].times == pytest.approx((0.125, 0.375, 0.625, 0.875), abs=1e-3)
    assert named[1].times == pytest.approx((0, 0.5, 1), abs=1e-3)


def test_a_recognizers_map_is_its_classifiers_weights_on_the_last_stage(videos: list[Path], recognizer: FrozenEncoder) -> None:
    """Zhou et al.'s class activation map, divided by segments and positions, from the rows of the linear layer."""
    found = maps_of(mapping([recognizer], videos, class_name="sit"), 1)[0]
    network: Any = recognizer.backbone
    with torch.no_grad():
        seen: list[Tensor] = []
        handle = network.backbone.stages.register_forward_hook(lambda module, given, output: seen.append(output))
        recognizer.pooled(recognizer.view.normalize(found.frames))
        handle.remove()
    expected = torch.einsum("f,tfhw->thw", network.head.weight[2], seen[0]).clamp(min=0) / seen[0][:, 0].numel()
    large = torch.nn.functional.interpolate(expected[:, None], size=(32, 32), mode="bilinear")[:, 0]
    torch.testing.assert_close(found.maps, large, rtol=1e-4, atol=1e-8)


def test_a_recognizer_with_a_temporal_shift(videos: list[Path], tmp_path: Path) -> None:
    write_recognizer(tmp_path / "tsm", shift=SHIFT)
    found = maps_of(mapping([load_recognizer(str(tmp_path / "tsm"))], videos), 1)[0]
    assert (len(found.frames), len(found.times)) == (4, 4)
    assert len(maps_of(mapping([load_recognizer(str(tmp_path / "tsm"))], videos), 3)[0].frames) == 4


def test_mistakes_are_found_before_a_video_is_read(videos: list[Path], recognizer: FrozenEncoder) -> None:
    mapping([recognizer], videos, class_name="run").check()
    with pytest.raises(InputError, match=r"a class of a recognizer; got class_name=runn\. For instance run"):
        mapping([recognizer], videos, class_name="runn").check()
    with pytest.raises(InputError, match=r"a recognizer, for class_name=; got class_name=wave"):
        mapping([encoder_of()], videos, class_name="wave").check()
    with pytest.raises(InputError, match="layer=conv9"):
        mapping([recognizer], videos, layer="conv9").check()
    with pytest.raises(InputError, match="got both"):
        question(class_name="run", against="next")


def test_videos_are_chosen_at_equal_distances_from_all_lists() -> None:
    first, second = (Manifest.from_pairs([(f"{name}{number}", None) for number in range(5)]) for name in "ab")
    chosen = chosen_videos(first, second, most_videos=4)
    assert [chosen.path(index) for index in range(len(chosen))] == ["a0", "a2", "b0", "b2"]
    assert len(chosen_videos(first, None, most_videos=12)) == 5
    with pytest.raises(InputError, match="most_videos=12"):
        chosen_videos(first, None, most_videos=0)


def test_devices() -> None:
    assert device_named("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("gpu", "cuda:99"):
        with pytest.raises(InputError, match=rf"device={name}"):
            device_named(name)
