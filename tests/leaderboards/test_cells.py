from __future__ import annotations

import csv
import io
import math

import pytest

from recgen_bench.harness.errors import DataError, PluginError, ProtocolError
from recgen_bench.harness.record import Status
from recgen_bench.leaderboards.cells import cells_frame, gather, metric_names, to_csv

OTHER = {"name": "lanes", "metrics": {"psnr": 2}, "scenes": []}


def text(folder, infos, chosen=()):
    entries = gather([folder])
    metrics = metric_names(entries, infos, chosen)
    return to_csv(cells_frame(entries, metrics), metrics)


def test_csv_has_a_row_per_cell_in_order(tmp_path, record, write, infos):
    folder = write(
        tmp_path,
        record("3dgs", {"psnr": 0.1 + 0.2, "new": 1.5}, scene="10"),
        record("3dgs", {"psnr": math.inf}, scene="9", overrides={"b": "x,y", "a": "1"}),
        record("3dgs", {"psnr": 21.0}, scene="9", shift=None),
        record("2dgs", None, scene="9", status=Status.NOT_RUNNABLE, reason="weights"),
        record("2dgs", {"psnr": 1e-7, "lpips": 0.25}, scene="9", shift=1.5, seed=3, external=True),
    )
    digest = next(folder.rglob("record.json")).read_text().partition('"protocol_hash": "')[2][:64]
    assert text(folder, infos) == (
        "method,preset,dataset,scene,protocol,shift,seed,status,"
        "psnr,lpips,new,overrides,method_version,protocol_hash,external\n"
        f"2dgs,demo,street,9,lanes,3m,0,not-runnable,,,,,1,{digest},False\n"
        f"2dgs,demo,street,9,lanes,1.5m,3,ok,1e-07,0.25,,,1,{digest},True\n"
        f"3dgs,demo,street,9,lanes,,0,ok,21.0,,,,1,{digest},False\n"
        f"3dgs,demo,street,10,lanes,3m,0,ok,0.30000000000000004,,1.5,,1,{digest},False\n"
        f'3dgs,demo,street,9,lanes,3m,0,ok,inf,,,"a=1;b=x,y",1,{digest},False\n'
    )


def test_csv_numbers_survive_the_way_back(tmp_path, record, write, infos):
    values = {"psnr": 27.123456789012345, "lpips": 1 / 3}
    rows = list(csv.DictReader(io.StringIO(text(write(tmp_path, record("3dgs", values)), infos))))
    assert {name: float(rows[0][name]) for name in values} == values


def test_chosen_metrics_and_their_order(tmp_path, record, write, infos):
    entries = gather([write(tmp_path, record("3dgs", {"psnr": 20.0, "lpips": 0.1, "new": 1.0}))])
    assert metric_names(entries, infos) == ("psnr", "lpips", "new")
    assert metric_names(entries, infos, ("new", "psnr")) == ("new", "psnr")
    with pytest.raises(PluginError, match="did you mean psnr"):
        metric_names(entries, infos, ("psrn",))


def test_a_metric_called_like_a_column_is_refused(tmp_path, record, write, infos):
    entries = gather([write(tmp_path, record("3dgs", {"status": 1.0}))])
    with pytest.raises(PluginError, match="name of a column"):
        metric_names(entries, infos)


def test_overlapping_folders_give_each_cell_once(tmp_path, record, write):
    folder = write(tmp_path / "a", record("3dgs", {"psnr": 20.0}), record("2dgs", {"psnr": 20.0}))
    write(tmp_path / "b", record("3dgs", {"psnr": 20.0}))
    assert len(gather([tmp_path, folder, folder / "cell0"])) == 2


def test_refuses_two_results_of_one_cell(tmp_path, record, write):
    one = write(tmp_path / "a", record("3dgs", {"psnr": 20.0}))
    two = write(tmp_path / "b", record("3dgs", {"psnr": 21.0}))
    with pytest.raises(DataError) as caught:
        gather([one, two])
    assert str(one / "cell0/record.json") in str(caught.value)
    assert str(two / "cell0/record.json") in str(caught.value)


def test_refuses_two_hashes_under_one_name(tmp_path, record, write):
    one = record("3dgs", {"psnr": 20.0})
    two = record("2dgs", {"psnr": 21.0}, protocol=OTHER)
    write(tmp_path, one, two)
    with pytest.raises(ProtocolError) as caught:
        gather([tmp_path])
    for i, item in enumerate((one, two)):
        assert f"{item.cell.protocol_hash[:12]} in {tmp_path}/cell{i}/record.json" in str(caught.value)
    assert "--mixed" in str(caught.value)
    assert len(gather([tmp_path], mixed=True)) == 2


def test_empty_and_damaged_folders_are_named(tmp_path, record, write):
    with pytest.raises(DataError, match="holds no record"):
        gather([tmp_path])
    with pytest.raises(DataError, match="no such folder"):
        gather([tmp_path / "missing"])
    path = write(tmp_path, record("3dgs", {"psnr": 20.0})) / "cell0/record.json"
    good = path.read_text()
    for bad in (good[:200], good.replace('"psnr": 20.0', '"psnr": 30.0', 1), "{}", ""):
        path.write_text(bad)
        with pytest.raises(DataError) as caught:
            gather([tmp_path])
        assert str(path) in str(caught.value)
