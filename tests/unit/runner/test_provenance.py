from __future__ import annotations

import json
import subprocess
from pathlib import Path

from omegaconf import OmegaConf

from vclr_pl.runner.provenance import choices, commit, config_hash, provenance

CONFIG = {
    "seed": 0,
    "name": "a",
    "paths": {"run": "/runs/1"},
    "data": {"root": "/data", "split": 1},
    "trainer": {"max_epochs": 2, "default_root_dir": "${paths.run}"},
    "callback": {},
    "resume": None,
}


def changed(**changes):
    config = OmegaConf.create(CONFIG)
    for key, value in changes.items():
        OmegaConf.update(config, key.replace("__", "."), value, force_add=True)
    return config_hash(config)


def test_places_and_pictures_do_not_change_the_hash():
    assert len(changed()) == 12
    for place in ({"paths__run": "/runs/2"}, {"data__root": "/other"}, {"name": "b"}, {"resume": "last"}, {"callback__progress": 1}):
        assert changed(**place) == changed()


def test_science_changes_the_hash():
    hashes = {changed(), changed(seed=1), changed(data__split=2), changed(trainer__max_epochs=3)}
    assert len(hashes) == 4


def test_it_is_json_with_versions_and_hardware():
    record = json.loads(json.dumps(provenance(OmegaConf.create(CONFIG))))
    assert set(record) == {"config_hash", "seed", "commit", "versions", "hardware"}
    assert {"python", "torch", "vclr-pl"} <= set(record["versions"])
    assert record["hardware"]["threads"] >= 1


def test_the_choices_name_data_task_and_seed_of_the_data():
    demo = {"_target_": "vclr_pl.datasets.demo.splits.demo", "root": "/data/demo", "task": "order", "seed": 3}
    drawn = choices(OmegaConf.create({"data": demo}))
    assert drawn.items() >= {"data": "demo", "task": "order", "seed": "3"}.items()
    gray = {**demo, "appearance": {"gray": True}}
    assert choices(OmegaConf.create({"data": gray}))["videos"] != drawn["videos"]  # same names, other videos
    assert choices(OmegaConf.create({"data": {**demo, "root": "/elsewhere"}})) == drawn
    ucf101 = {"_target_": "vclr_pl.datasets.ucf101.ucf101", "root": "/data/ucf"}
    assert choices(OmegaConf.create({"data": ucf101})) == {"data": "ucf101"}
    own = {"_target_": "vclr_pl.datasets.folder.folder", "root": "/data/of mine"}
    assert choices(OmegaConf.create({"data": own})) == {"data": "folder", "task": "of mine"}
    untrimmed = {"_target_": "vclr_pl.datasets.demo.untrimmed.demo_untrimmed", "root": "/data/demo_untrimmed", "seed": 0}
    assert choices(OmegaConf.create({"untrimmed": untrimmed})).items() >= {"data": "demo_untrimmed", "seed": "0"}.items()


def test_another_repository_is_not_ours(tmp_path: Path):
    """Installed into an environment inside somebody's own checkout, the package must not claim that checkout's commit."""
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.com"]
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run(["git", *identity, "commit", "-q", "--allow-empty", "-m", "theirs"], cwd=tmp_path, check=True)
    assert commit(tmp_path) is None
