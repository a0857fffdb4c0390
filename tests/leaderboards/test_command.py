from __future__ import annotations

import pytest
from click.testing import CliRunner

from recgen_bench.harness.errors import OutputError, PluginError, ProtocolError
from recgen_bench.leaderboards.command import leaderboard


def call(*arguments):
    result = CliRunner().invoke(leaderboard, list(map(str, arguments)))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.parametrize(
    ("kind", "start"), [("csv", "method,preset,"), ("md", "### street"), ("latex", "% Needs")]
)
def test_each_format_prints_and_writes_the_same(tmp_path, grid, write, kind, start):
    folder = write(tmp_path / "runs", *grid)
    printed = call(folder, "--format", kind)
    assert printed.exit_code == 0
    assert printed.stdout.startswith(start)
    out = tmp_path / "tables" / "table"
    call(folder, "--format", kind, "--out", out)
    assert out.read_text() == printed.stdout


def test_built_in_metrics_have_their_direction(tmp_path, record, write):
    folder = write(tmp_path, record("m", {"psnr": 1.0, "depth_rmse": 2.0}))
    assert "3m psnr (dB) ↑ | 3m depth_rmse (m) ↓ |" in call(folder).stdout


def test_metrics_can_be_chosen(tmp_path, grid, write):
    folder = write(tmp_path, *grid)
    head = call(folder, "--format", "csv", "--metric", "lpips").stdout.splitlines()[0]
    assert head.split(",")[8:] == ["lpips", "overrides", "method_version", "protocol_hash", "external"]
    with pytest.raises(PluginError, match="unknown metric"):
        call(folder, "--metric", "psrn")


def test_two_versions_of_a_protocol_need_permission(tmp_path, record, write):
    other = {"name": "lanes", "metrics": {"psnr": 2}}
    folder = write(tmp_path, record("m", {"psnr": 1.0}), record("m", {"psnr": 1.0}, protocol=other))
    with pytest.raises(ProtocolError):
        call(folder)
    assert call(folder, "--mixed").stdout.count("### street") == 2
    assert len(call(folder, "--mixed", "--format", "csv").stdout.splitlines()) == 3


def test_an_unwritable_file_is_an_error(tmp_path, grid, write):
    folder = write(tmp_path / "runs", *grid)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        call(folder, "--out", tmp_path / "file" / "table.md")


def test_needs_a_folder():
    assert call().exit_code == 2
