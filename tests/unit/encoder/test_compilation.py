"""The compiler is torch's `aot_eager`, which needs no C++ compiler, or one that fails; one test compiles with the default one."""

from __future__ import annotations

import logging
import shutil
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vclr_pl.backbone.resnet import SmallResNet
from vclr_pl.encoder import compilation
from vclr_pl.encoder.compilation import compile_backbones
from vclr_pl.encoder.video_encoder import EncoderRuntime, VideoEncoder

HAS_COMPILER = shutil.which("c++") is not None or shutil.which("g++") is not None
FRAMES = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def backbone() -> SmallResNet:
    torch.manual_seed(0)
    return SmallResNet(widths=[8, 16], stem_stride=2).train()


def settled(network: nn.Module, **asked: Any) -> str:
    return compile_backbones([network], loss=lambda: network(FRAMES).sum(), **asked)


def compiled_by(network: nn.Module, compiler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`network.compile()` takes this compiler."""
    monkeypatch.setattr(network, "compile", lambda: nn.Module.compile(network, backend=compiler))


class OfACompilerError(Exception):
    """Triton's errors are of no common class."""


def failing(graph: Any, inputs: Any) -> Any:
    raise OfACompilerError("g++ is not there\nand a traceback")


class Slow:
    """A compiler whose code sleeps in no test: it computes the graph many times."""

    def __init__(self, repeated: int) -> None:
        self.repeated = repeated

    def __call__(self, graph: Any, inputs: Any) -> Any:
        def run(*arguments: Any) -> Any:
            for _ in range(self.repeated):
                graph.forward(*arguments)
            return graph.forward(*arguments)

        return run


def test_buffers_and_gradients_are_those_from_before(monkeypatch: pytest.MonkeyPatch) -> None:
    network, untouched = backbone(), backbone()
    compiled_by(network, "aot_eager", monkeypatch)
    settled(network, only_if_faster=False)
    assert network._compiled_call_impl is not None
    for (name, value), (other_name, other) in zip(network.state_dict().items(), untouched.state_dict().items(), strict=True):
        assert name == other_name
        assert torch.equal(value, other), name
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_compiler_that_fails_leaves_the_network_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    network = backbone()
    compiled_by(network, failing, monkeypatch)
    assert settled(network, only_if_faster=False) == "not compiled: g++ is not there"
    assert network._compiled_call_impl is None
    assert torch.equal(network(FRAMES), backbone()(FRAMES))


def test_a_slower_compiled_network_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    network = backbone()
    compiled_by(network, Slow(20), monkeypatch)
    assert settled(network, only_if_faster=True).startswith("not compiled: 0.")
    assert network._compiled_call_impl is None


def test_a_faster_one_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    network = backbone()
    compiled_by(network, "aot_eager", monkeypatch)
    monkeypatch.setattr(compilation, "WORTH_IT", 0.0)  # on a busy machine neither is faster for sure
    assert settled(network, only_if_faster=True).startswith("compiled: ")
    assert network._compiled_call_impl is not None


def test_it_is_asked_for_once_and_said_in_a_line(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    network, passes = backbone(), []
    compiled_by(network, failing, monkeypatch)

    def loss() -> Tensor:
        passes.append(1)
        return network(FRAMES).sum()

    runtime = EncoderRuntime(channels_last=False, compile="auto")
    runtime.apply(VideoEncoder(backbone=network, heads={}))
    assert network._compiled_call_impl is None
    with caplog.at_level(logging.INFO):
        runtime.settle([network], loss=loss)
        seen = len(passes)
        runtime.settle([network], loss=loss)
    assert len(passes) == seen > 0
    assert [record.message for record in caplog.records] == ["runtime.compile=auto: not compiled: g++ is not there"]
    EncoderRuntime(channels_last=False, compile=False).settle([network], loss=loss)
    assert len(passes) == seen


@pytest.mark.skipif(not HAS_COMPILER, reason="torch.compile needs a C++ compiler on the CPU")
@pytest.mark.filterwarnings("ignore")  # the compiler's own warnings, which differ from release to release
def test_a_compiled_backbone_gives_the_same_features_and_gradients() -> None:
    network, plain = backbone(), backbone()
    assert settled(network, only_if_faster=False).startswith("compiled in ")
    features, expected = network(FRAMES), plain(FRAMES)
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)
    (features**2).sum().backward()
    (expected**2).sum().backward()
    for own, other in zip(network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad, rtol=1e-3, atol=1e-4)
    for own, other in zip(network.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5)


def _said_by_two(compile: object) -> tuple[int, bool]:
    network = backbone()
    runtime = EncoderRuntime(channels_last=False, compile=compile)  # type: ignore[arg-type]
    passes: list[int] = []
    runtime.settle([network], loss=lambda: passes.append(1) or network(FRAMES).sum())  # type: ignore[func-returns-value]
    return len(passes), network._compiled_call_impl is not None


def test_several_processes_try_no_pass_before_the_step(two_processes: Any) -> None:
    """A pass exchanges views with the other processes, which may make fewer of them."""
    assert two_processes(_said_by_two, "auto") == [(0, False)] * 2
    assert two_processes(_said_by_two, True) == [(0, True)] * 2
