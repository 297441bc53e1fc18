from __future__ import annotations

import pytest

from vclr_pl import config_path
from vclr_pl.config_path import config_folder


def test_conf_is_found_from_any_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert config_folder().is_absolute()
    assert (config_folder() / "train.yaml").is_file()


def test_the_packaged_copy_comes_first(monkeypatch, tmp_path):
    package = tmp_path / "site-packages" / "vclr_pl"
    (package / "conf").mkdir(parents=True)
    (package / "conf" / "train.yaml").touch()
    monkeypatch.setattr(config_path, "__file__", str(package / "config_path.py"))
    assert config_folder() == package / "conf"


def test_a_broken_installation_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(config_path, "__file__", str(tmp_path / "a" / "b" / "config_path.py"))
    with pytest.raises(FileNotFoundError, match=r"conf.*install"):
        config_folder()
