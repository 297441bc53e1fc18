"""What the source states is what the object has, for every call that conf/ names."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from vclr_pl.config_path import config_folder
from vclr_pl.runner.signature import allowed_by, imported_signature, signature_of, source_signature

TARGETS = sorted({name for file in config_folder().rglob("*.yaml") for name in re.findall(r"_target_: ([\w.]+)", file.read_text())})


def allowed(annotations):
    return {name: tuple(map(set, allowed_by(annotation))) for name, annotation in annotations.items()}


@pytest.mark.parametrize("target", TARGETS)
def test_the_source_states_the_signature(target):
    stated, real = source_signature(target), imported_signature(target)
    assert stated is not None
    assert (list(stated.annotations), stated.takes_any) == (list(real.annotations), real.takes_any)
    ours = target.startswith("vclr_pl.")
    assert not ours or allowed(stated.annotations) == allowed(real.annotations)


@pytest.mark.parametrize(
    ("annotation", "types", "values"),
    [
        ("int | None", ["int"], [None]),
        ("Optional[Union[int, str]]", ["int", "str"], [None]),
        ("'Literal[\"a\", 3] | None'", [], ["a", 3, None]),
        ("typing.Literal['a']", [], ["a"]),
        ("Mapping[str, int]", ["Mapping[str, int]"], []),
        ("", ["Any"], []),
    ],
)
def test_what_an_annotation_allows(annotation, types, values):
    assert allowed_by(annotation) == (types, values)


@pytest.mark.parametrize(
    "target", ["math.sqrt", "functools.lru_cache", "no_such.Thing", "vclr_pl.types.NoSuch", "collections.Counter.update"]
)
def test_the_object_says_what_the_source_does_not(target):
    assert source_signature(target) is None or target == "functools.lru_cache"
    if "o_such" in target or "NoSuch" in target:
        with pytest.raises(Exception, match=r"no_such|NoSuch"):
            signature_of(target)


def test_nothing_is_imported():
    command = (
        "import sys; from vclr_pl.runner.signature import signature_of as of; "
        "found = [of('vclr_pl.pretrain.vclr_module.VCLRModule'), of('pytorch_lightning.Trainer'), of('torch.optim.Adam')]; "
        "names = ['backbone' in found[0].annotations, 'max_epochs' in found[1].annotations, 'lr' in found[2].annotations]; "
        "print([name in sys.modules for name in ('torch', 'pytorch_lightning')], names)"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "[False, False] [True, True, True]\n"


def test_a_class_in_folders_without_init_files_is_imported(tmp_path, monkeypatch):
    folder = tmp_path / "outer_namespace" / "inner_namespace"
    folder.mkdir(parents=True)
    (folder / "part.py").write_text("class Part:\n    def __init__(self, *, width: int) -> None:\n        self.width = width\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert dict(signature_of("outer_namespace.inner_namespace.part.Part").annotations) == {"width": "int"}
