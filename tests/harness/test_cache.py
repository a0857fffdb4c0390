"""Where generated worlds are kept."""

from __future__ import annotations

from pathlib import Path

from recgen_bench.harness.cache import cache_folder


def test_the_environment_decides(monkeypatch, tmp_path):
    monkeypatch.setenv("RECGEN_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.setenv("RECGEN_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "recgen-bench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    assert cache_folder() == tmp_path / "home" / ".cache" / "recgen-bench"
    assert not list(tmp_path.iterdir())
