from __future__ import annotations

import math

import pytest

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.record import SceneScore, Status
from recgen_bench.leaderboards.aggregate import tabulate
from recgen_bench.leaderboards.caption import sentences
from recgen_bench.leaderboards.cells import cells_frame, gather, metric_names
from recgen_bench.leaderboards.markdown import to_markdown

FREE = {"name": "heldout", "metrics": {"psnr": 1}, "scenes": []}


@pytest.fixture
def tables(tmp_path, write, infos):
    def build(*records):
        entries = gather([write(tmp_path, *records)], mixed=True)
        metrics = metric_names(entries, infos)
        return tabulate(cells_frame(entries, metrics), metrics, infos)

    return build


def test_means_spreads_counts_and_ranks(tables, grid):
    (table,) = tables(*grid)
    assert (table.scenes, table.seeds, table.shifts) == (("0", "1"), (0, 1), ("3m",))
    gs, faith, ipsm = table.lines
    assert [(line.method, line.cells) for line in table.lines] == [
        ("3dgs", 2),
        ("faithfusion", 4),
        ("ipsm", 2),
    ]
    assert gs.values[0].mean == 20.5
    assert gs.values[0].spread == pytest.approx(0.5**0.5)
    assert faith.values[0].mean == 25.0
    assert [value.rank for value in (gs.values[0], faith.values[0])] == [2, 1]
    # The best number of the table, but over one of two scenes: it says so and is not ranked.
    assert ipsm.values[0].mean == 30.0
    assert ipsm.values[0].rank is None
    assert ipsm.values[0].remark == "failed (1/2)"


def test_lower_is_better_where_the_metric_says_so(tables, record):
    (table,) = tables(record("a", {"lpips": 0.2, "psnr": 1.0}), record("b", {"lpips": 0.1, "psnr": 1.001}))
    assert [line.values[1].rank for line in table.lines] == [2, 1]
    # 1.000 and 1.001 print alike.
    assert [line.values[0].rank for line in table.lines] == [1, 1]


def test_cells_without_numbers_say_why(tables, record):
    (table,) = tables(
        record("ok", {"psnr": 20.0}),
        record("ok", {"psnr": 20.0}, scene="1"),
        *(record("norun", None, scene=s, status=Status.NOT_RUNNABLE) for s in "01"),
        *(record("fails", None, scene=s, status=Status.FAILED) for s in "01"),
        record("mixed", None, scene="0", status=Status.SKIPPED),
        record("mixed", None, scene="1", status=Status.NOT_RUNNABLE),
        record("half", {"psnr": 10.0}),
        record("elsewhere", {"psnr": 10.0}, shift=6.0),
    )
    at_three = {line.method: line.values[0] for line in table.lines}
    assert {name: value.remark for name, value in at_three.items()} == {
        "ok": "",
        "norun": "n/r",
        "fails": "failed (2/2)",
        "mixed": "n/r (1/2), skipped (1/2)",
        "half": "missing (1/2)",
        "elsewhere": "-",
    }
    # Only one method is complete, so nothing is best.
    assert {value.rank for value in at_three.values()} == {None}
    assert all(v.mean is None or not math.isnan(v.mean) for line in table.lines for v in line.values)


def test_configurations_of_one_method_stay_apart(tables, record):
    (table,) = tables(
        record("m", {"psnr": 1.0}),
        record("m", {"psnr": 2.0}, overrides={"steps": "10"}),
        record("m", {"psnr": 3.0}, preset="paper"),
        record("m", {"psnr": 4.0}, method_version=2),
        record("m", {"psnr": 5.0}, external=True),
    )
    assert [(line.method, line.preset, line.overrides, line.values[0].mean) for line in table.lines] == [
        ("m v1", "demo", "", 1.0),
        ("m v1 (external)", "demo", "", 5.0),
        ("m v1", "demo", "steps=10", 2.0),
        ("m v1", "paper", "", 3.0),
        ("m v2", "demo", "", 4.0),
    ]


def test_scenes_outside_the_list_are_no_part_of_its_average(tables, record):
    ours, theirs = tables(*(record("m", {"psnr": 20.0 + int(s)}, scene=s) for s in ("0", "1", "7")))
    assert (ours.scenes, ours.lines[0].values[0].mean) == (("0", "1"), 20.5)
    assert (theirs.scenes, theirs.lines[0].values[0].mean) == (("7",), 27.0)
    assert "outside the protocol's list" in sentences(theirs)[0]
    assert "outside" not in " ".join(sentences(ours))


def test_an_incomplete_list_of_scenes_shows(tables, record):
    (table,) = tables(record("m", {"psnr": 20.0}, scene="1"))
    assert "INCOMPLETE, 1 of the 2" in sentences(table)[0]


def test_data_sets_protocols_and_hashes_get_their_own_tables(tables, record):
    found = tables(
        record("m", {"psnr": 1.0}),
        record("m", {"psnr": 1.0}, protocol={"name": "lanes", "metrics": {"psnr": 2}}),
        record("m", {"psnr": 1.0}, protocol=FREE, shift=None),
        record("m", {"psnr": 1.0}, protocol=FREE, shift=None, dataset="llff"),
    )
    assert [(t.dataset, t.protocol) for t in found] == [
        ("llff", "heldout"),
        ("street", "heldout"),
        ("street", "lanes"),
        ("street", "lanes"),
    ]
    assert found[2].protocol_hash != found[3].protocol_hash
    assert found[0].shifts == ("",)


def test_metrics_that_applied_nowhere_have_no_column(tables, record):
    (table,) = tables(
        record("m", {"psnr": 1.0, "new": 2.0}), record("n", None, shift=6, status=Status.FAILED)
    )
    # lpips is promised by the protocol; where nothing ran, it keeps its place.
    assert [(c.shift, c.metric) for c in table.columns] == [
        (3.0, "psnr"),
        (3.0, "new"),
        (6.0, "psnr"),
        (6.0, "lpips"),
        (6.0, "new"),
    ]
    assert table.columns[1].info is None
    assert table.columns[1].digits == 3


def test_an_unknown_metric_is_printed_and_not_ranked(tables, record):
    (table,) = tables(record("m", {"new": 1.0}), record("n", {"new": 2.0}))
    assert [line.values[0].mean for line in table.lines] == [1.0, 2.0]
    assert [line.values[0].rank for line in table.lines] == [None, None]


def test_the_order_of_files_does_not_matter(tables, grid, tmp_path, write, infos):
    (one,) = tables(*grid)
    entries = gather([write(tmp_path / "again", *grid[::-1])])
    metrics = metric_names(entries, infos)
    assert tabulate(cells_frame(entries, metrics), metrics, infos) == (one,)


def test_scene_metrics_are_columns_and_undefined_values_are_counted(tables, record):
    def scored(method, scene, value, **changes):
        score = SceneScore(value=value, count=3, reason="" if value is not None else "one image")
        return record(method, {"psnr": 20.0}, scene=scene, scenes={"fid": score}, **changes)

    (table,) = tables(
        *(scored("a", scene, value) for scene, value in (("0", 10.0), ("1", 20.0))),
        *(scored("b", scene, value) for scene, value in (("0", 5.0), ("1", None))),
        *(scored("c", scene, None) for scene in "01"),
        *(record("d", {"psnr": 20.0}, scene=s, missing={"fid": "no weights", "lpips": "none"}) for s in "01"),
    )
    names = [column.metric for column in table.columns]
    fid = {line.method: line.values[names.index("fid")] for line in table.lines}
    assert (fid["a"].mean, fid["a"].remark) == (15.0, "")
    assert (fid["b"].mean, fid["b"].remark) == (5.0, "– (1/2)")  # noqa: RUF001 # As it is printed.
    assert (fid["c"].mean, fid["c"].remark) == (None, "–")  # noqa: RUF001 # As it is printed.
    assert (fid["d"].mean, fid["d"].remark) == (None, "no weights")
    lpips = {line.method: line.values[names.index("lpips")].remark for line in table.lines}
    assert lpips == {"a": "-", "b": "-", "c": "-", "d": "no weights"}
    assert "A dash marks values that are not defined; the records say why." in sentences(table)
    assert "nan" not in to_markdown([table]).lower()


def test_two_records_of_a_cell_with_other_scene_values_are_refused(tmp_path, write, record):
    pair = [record("a", {"psnr": 20.0}, scenes={"fid": SceneScore(value=v)}) for v in (1.0, 2.0)]
    with pytest.raises(DataError, match="two records of the same cell"):
        gather([write(tmp_path, *pair)])
