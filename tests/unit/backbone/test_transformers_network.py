from __future__ import annotations

import importlib.util
import inspect
import subprocess
import sys

import pytest
import torch

from vclr_pl.backbone.transformers_network import FAMILIES, transformers_network
from vclr_pl.types import InputError

INSTALLED = pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="transformers is not installed")
TINY = {"model_type": "dinov2", "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}
VIEW = {"crop_pixels": 28, "mean": [0.5] * 3, "std": [0.5] * 3}


@INSTALLED
@torch.no_grad()
def test_the_description_rebuilds_the_network() -> None:
    first = transformers_network(settings=TINY, **VIEW).eval()
    again = transformers_network(**{name: value for name, value in first.exported_as.items() if name != "network"}).eval()
    again.load_state_dict(first.state_dict())
    frames = torch.randn(2, 3, 28, 28)
    torch.testing.assert_close(again(frames), first(frames), atol=0, rtol=0)
    assert again.exported_as == first.exported_as
    assert (again.input_pixels, again.feature_dim, again.takes_clips) == (28, 24, False)


@INSTALLED
@pytest.mark.parametrize("kind", FAMILIES)
def test_every_family_has_its_class_and_arguments(kind: str) -> None:
    import transformers

    network = getattr(transformers, FAMILIES[kind].network)
    assert set(FAMILIES[kind].without or {}) <= set(inspect.signature(network.__init__).parameters)


@INSTALLED
def test_an_unknown_family_is_one_line() -> None:
    with pytest.raises(InputError, match="got bert in the file"):
        transformers_network(settings={"model_type": "bert"}, **VIEW)


def test_without_the_package_one_line_says_how_to_install_it() -> None:
    """`-S` and a path without site-packages would hide torch too, so a finder hides transformers alone."""
    code = (
        "import sys; sys.modules['transformers'] = None\n"
        "from vclr_pl.features.encoder import load_encoder\n"
        "from vclr_pl.types import InputError\n"
        "try: load_encoder('hf:owner/name')\n"
        "except InputError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'vclr-pl[transformers]'" in done.stdout
    assert done.stdout.count("\n") == 1
