"""The study on cells with known answers."""

from __future__ import annotations

import io
import math
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from recgen_bench.harness.cli import main
from recgen_bench.harness.errors import DataError, PluginError, ProtocolError
from recgen_bench.harness.plugins import load_registry
from recgen_bench.harness.record import Status
from recgen_bench.harness.registration import MetricInfo
from recgen_bench.leaderboards.cells import gather
from recgen_bench.leaderboards.figure import draw
from recgen_bench.leaderboards.study import ALL, BESIDE, BOARD, SAME, at, cells_table, choose, conduct
from recgen_bench.leaderboards.study_command import study
from recgen_bench.leaderboards.study_page import blocks, cells_csv, findings_csv, page

GOLDEN = Path(__file__).with_name("study.txt")
COMMANDS = [
    "metrics studdy",
    "metrics --json study",
    "metrics study missing",
    "metrics study empty",
    "metrics study failed",
    "metrics study control",
    "metrics study mixed",
    "metrics study runs",
    "metrics study runs --scene 0",
    "metrics study runs --metric ssin",
    "metrics study runs --metric ssim --truth lpips",
    "metrics study runs --metric ssim --protocol roads",
    "metrics study new --run --method 3dgss --protocol street-laneshift",
    "metrics study new --run --protocol street-laneshifts",
    "metrics study new --run --shift 3ft",
]
LISTED = {"name": "lanes", "metrics": {"psnr": 1}}
NAMES = ("good", "simpson", "flat", "noisy")
LANES = {"name": "lanes", "metrics": dict.fromkeys(("psnr", "depth_abs_rel_80m", *NAMES), 1)}
INFOS = {
    "psnr": MetricInfo("psnr", "", "", unit="dB", digits=2),
    "depth_abs_rel_80m": MetricInfo("depth_abs_rel_80m", "", "", direction="lower"),
    **{name: MetricInfo(name, "", "", direction="lower", scope="scene") for name in NAMES},
}


def values(quality: float, shift: float, noise: float) -> dict[str, float]:
    """What a method of this quality scores; `simpson` follows the shift and is upside down at any one."""
    return {
        "psnr": 30 - 2 * shift + quality,
        "depth_abs_rel_80m": 0.5 + 0.05 * shift - 0.01 * quality,
        "good": 10 + 5 * shift - quality,
        "simpson": 10 + 5 * shift + quality,
        "flat": 1.0,
        "noisy": 10 + 5 * shift - quality + noise,
    }


@pytest.fixture
def records(record):
    """Three methods, two scenes, two shifts, two seeds, and two controls."""
    random = np.random.default_rng(0)
    made = []
    for scene in ("0", "1"):
        for shift in (0.0, 3.0):
            for seed in (0, 1):
                for quality, method in enumerate(("poor", "fair", "fine")):
                    found = values(quality + 0.1 * seed, shift, random.normal())
                    made.append(record(method, found, scene=scene, shift=shift, seed=seed, protocol=LANES))
            perfect = values(60, shift, 0) | {"psnr": math.inf}
            grey = {name: value for name, value in values(-20, shift, 0).items() if "depth" not in name}
            made.append(record("control/real", perfect, scene=scene, shift=shift, protocol=LANES))
            made.append(record("control/grey", grey, scene=scene, shift=shift, protocol=LANES))
    return made


@pytest.fixture
def found(tmp_path, records, write):
    frame = cells_table(gather([write(tmp_path / "runs", *records)]), INFOS)
    return conduct(frame, choose(frame, INFOS, (), "metric"), choose(frame, INFOS, (), "truth"))


def test_what_is_studied(found):
    assert [info.name for info in found.metrics] == list(NAMES)
    assert [info.name for info in found.truths] == ["psnr", "depth_abs_rel_80m"]
    assert (len(found.methods), len(found.frame), found.shifts) == (24, 32, (0.0, 3.0))


@pytest.mark.parametrize("truth", ["psnr", "depth_abs_rel_80m"])
def test_directions_are_turned(found, truth):
    for scope, kind in ((SAME, "kendall"), (at(3.0), "spearman")):
        assert found.find("good", truth, scope, kind).value == pytest.approx(1)
        assert found.find("simpson", truth, scope, kind).value == pytest.approx(-1)


def test_simpson_is_seen_through(found):
    assert found.find("simpson", "psnr", ALL, "spearman").value > 0.4
    assert found.find("simpson", "psnr", SAME, "agreement").value == 0
    assert found.find("simpson", "psnr", BOARD, "ranking").value == 0
    assert found.find("good", "psnr", BOARD, "ranking").value == 1
    assert found.find("shift", "psnr", ALL, "spearman").value > 0.8
    assert found.find("shift", "psnr", SAME, "kendall").reason == "no pair differs in both"


def test_a_constant_metric_has_no_correlation(found):
    assert found.find("flat", "psnr", ALL, "spearman").reason == "the metric is constant"
    assert found.find("flat", "psnr", ALL, "pearson").value is None


def test_controls_are_counted_apart(found):
    """60 is better than every method; the infinite psnr of the truth is beaten by none."""
    share = found.find("good", "control/real", BESIDE, "beaten")
    assert (share.value, share.count, share.clusters) == (0, 12, 2)
    assert found.find("good", "control/grey", BESIDE, "beaten").value == 1
    assert found.find("simpson", "control/grey", BESIDE, "beaten").value == 0
    assert found.find("flat", "control/grey", BESIDE, "beaten").value == 0.5
    assert found.find("psnr", "control/real", BESIDE, "beaten").value == 0
    assert found.find("depth_abs_rel_80m", "control/grey", BESIDE, "beaten").reason == "nothing to count"


def test_the_numbers_can_be_read_back(found):
    frame = pd.read_csv(io.StringIO(cells_csv(found)))
    again = conduct(frame, found.metrics, found.truths)
    assert blocks(again) == blocks(found)
    assert findings_csv(again) == findings_csv(found)


def test_same_records_same_study(tmp_path, records, write, found):
    again = cells_table(gather([write(tmp_path / "more", *reversed(records))]), INFOS)
    again = conduct(again, found.metrics, found.truths)
    assert findings_csv(again) == findings_csv(found)
    assert cells_csv(again) == cells_csv(found)
    assert draw(again) == draw(found)


def test_tables_have_every_metric_and_no_nan(found):
    parts = blocks(found)
    assert set(parts) == {"cells", "pooled", "fixed", "floors", "beaten"}
    for name in ("pooled", "fixed", "beaten"):
        for metric in NAMES:
            assert f"| {metric} |" in parts[name]
    text = page(parts)
    assert "nan" not in text.lower().replace("fid", "")
    assert "| 3m | control/grey | 4.00 ± 0.00 | - |" in parts["floors"]
    assert "| 3m | best method | 26.05 | 0.629" in parts["floors"]
    assert "24 cells under the protocol lanes" in parts["cells"]
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")


def test_prose_of_a_page_is_kept(found):
    parts = blocks(found)
    first = page(parts)
    mine = first.replace("## At a fixed shift\n", "## Mine\n\nA \\1 remark.\n").replace(
        "| noisy |", "| old |"
    )
    assert page(parts, mine) == mine.replace("| old |", "| noisy |")
    assert page(parts, "# Only prose.\n") == "# Only prose.\n"


def test_findings_as_csv(found):
    table = pd.read_csv(io.StringIO(findings_csv(found)))
    assert len(table) == len(found.findings)
    row = table[(table.metric == "good") & (table.truth == "psnr") & (table.scope == SAME)].iloc[0]
    assert (row.statistic, row.value, row.points, row.scenes) == ("kendall", 1.0, 24, 2)
    assert "the metric is constant" in set(table.reason)


def test_the_figure_is_a_png(found):
    png = draw(found)
    assert png.startswith(b"\x89PNG")
    assert len(png) > 20_000


def table(folder):
    return cells_table(gather([folder]), INFOS)


def test_bad_input(tmp_path, record, write):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no record\.json"):
        table(tmp_path / "empty")
    failed = write(tmp_path / "failed", record("m", None, status=Status.FAILED, protocol=LANES))
    with pytest.raises(DataError, match="no cell is finished"):
        table(failed)
    control = write(tmp_path / "control", record("control/real", {"psnr": 1.0}, protocol=LANES))
    with pytest.raises(DataError, match="only controls"):
        table(control)
    track = write(tmp_path / "track", record("m", {"psnr": 1.0}, shift=None, protocol=LANES))
    with pytest.raises(DataError, match="lane shifts"):
        table(track)


def test_mixed_protocols(tmp_path, record, write):
    changed, other = LANES | {"version": 2}, LANES | {"name": "roads"}
    numbers = {"psnr": 1.0, "good": 2.0}
    same_name = [record(name, numbers, protocol=each) for name, each in (("a", LANES), ("b", changed))]
    with pytest.raises(ProtocolError, match="several protocols"):
        cells_table(gather([write(tmp_path / "hashes", *same_name)], mixed=True), INFOS)
    control = record("control/real", numbers, protocol=changed)
    with pytest.raises(ProtocolError, match="several protocols"):
        cells_table(gather([write(tmp_path / "control", same_name[0], control)], mixed=True), INFOS)
    names = [record(name, numbers, protocol=each) for name, each in (("a", LANES), ("b", other))]
    folder = write(tmp_path / "names", *names)
    with pytest.raises(ProtocolError, match="several protocols"):
        table(folder)
    assert list(cells_table(gather([folder]), INFOS, "roads")["method"]) == ["b"]


def test_records_without_the_metrics(tmp_path, record, write):
    frame = table(write(tmp_path / "a", record("m", {"psnr": 1.0}, protocol=LANES)))
    with pytest.raises(DataError, match="none of the metrics to study"):
        choose(frame, INFOS, (), "metric")
    with pytest.raises(PluginError, match=r"(?s)no finished cell has this metric.*psnrr"):
        choose(frame, INFOS, ("psnrr",), "metric")
    frame = table(write(tmp_path / "b", record("m", {"good": 1.0}, protocol=LANES)))
    with pytest.raises(DataError, match="nothing true to compare with"):
        choose(frame, INFOS, (), "truth")


def call(*arguments):
    outcome = CliRunner().invoke(study, list(map(str, arguments)))
    if outcome.exception and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    return outcome


@pytest.fixture
def runs(tmp_path, record, write):
    """Records with built-in names: ssim plays the metric, psnr the truth."""
    made = [
        record(method, {"psnr": 30 - shift - q, "ssim": 0.9 - 0.1 * shift + 0.01 * q}, scene=s, shift=shift)
        for q, method in enumerate("abc")
        for s in "01"
        for shift in (0.0, 3.0)
    ]
    return write(tmp_path / "runs", *made)


def test_command_prints_or_writes(tmp_path, runs):
    chosen = ("--metric", "ssim", "--truth", "psnr")
    printed = call(runs, *chosen)
    assert printed.exit_code == 0
    assert printed.stdout.startswith("# How good are the metrics")
    out = tmp_path / "docs"
    told = call(runs, *chosen, "--out", out).stdout
    files = [
        "images/metrics-study.png",
        "metrics-study-cells.csv",
        "metrics-study-findings.csv",
        "metrics-study.md",
    ]
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()) == files
    assert all(str(out / name) in told for name in files)
    assert (out / "metrics-study.md").read_text() == printed.stdout
    linked = re.findall(r"!\[.*?\]\((.*?)\)", printed.stdout)
    assert [(out / link).is_file() for link in linked] == [True]
    assert "| ssim | -1.00" in printed.stdout.split("## At a fixed shift")[1].replace("0.00 |", "")


def test_mistakes_are_told_as_agreed(tmp_path, monkeypatch, runs, record, write, capsys):
    """The golden file holds every message; REGENERATE=1 writes it anew."""
    (tmp_path / "empty").mkdir()
    write(tmp_path / "failed", record("m", None, status=Status.FAILED))
    write(tmp_path / "control", record("control/real", {"psnr": 1.0}))
    both = [record(name, {"psnr": 1.0}, protocol=LISTED | {"version": n}) for n, name in enumerate("ab")]
    write(tmp_path / "mixed", *both)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("RECGEN_PLUGINS", "")
    told = []
    for command in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main(command.split())
        printed = capsys.readouterr()
        told.append(f"$ recgen-bench {command}\n{printed.out}{printed.err}[exit status {ended.value.code}]\n")
    text = "\n".join(told)
    if os.environ.get("REGENERATE"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_the_page_in_the_docs_follows_from_the_numbers_beside_it():
    docs = Path(__file__).resolve().parents[2] / "docs"
    if not (docs / "metrics-study-cells.csv").exists():
        pytest.skip("the study was not run for this version")
    frame = pd.read_csv(docs / "metrics-study-cells.csv")
    infos = load_registry().metrics
    found = conduct(frame, choose(frame, infos, (), "metric"), choose(frame, infos, (), "truth"))
    existing = (docs / "metrics-study.md").read_text()
    assert page(blocks(found), existing) == existing
    assert findings_csv(found) == (docs / "metrics-study-findings.csv").read_text()
