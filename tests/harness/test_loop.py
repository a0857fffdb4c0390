"""One cell from scene to record: every phase once, every number recomputable, every failure told."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recgen_bench.harness import checkpoint
from recgen_bench.harness.errors import DataError, MethodFailed, OutputError, PluginError, ProtocolError
from recgen_bench.harness.events import CellFinished, CellStarted, Note
from recgen_bench.harness.frames import quantise, read_frame
from recgen_bench.harness.loop import fail_cell, forget_cell, open_scene, run_cell
from recgen_bench.harness.record import Record, Status, image_hash
from recgen_bench.harness.score import Scorer
from recgen_bench.harness.weights import WeightsDoor

PHASES = ["reconstruct", "refine 1", "distill 1", "refine 2", "distill 2", "render"]
TITLES = [
    "reconstruct", "refine 1: shift 1 m", "distill 1", "refine 2: shift 2 m", "distill 2", "render", "score",
]  # fmt: skip


@pytest.fixture
def cell(cells):
    """The toy method on scene 0, 1 m beside the track."""
    return cells(scenes=("0",), shifts=(1.0,))[0]


def failing(cells, what: str, **chosen):
    return cells(**{"scenes": ("0",), "shifts": (1.0,), "overrides": (f"fail={what}",)} | chosen)[0]


def files(folder: Path) -> dict[str, bytes]:
    """Every file that must not depend on when it was written."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".safetensors", ".png", ".npz")
    }


def test_phases_run_once_in_order_and_the_record_is_on_disk(bench, cell):
    record = bench.run(cell)
    assert record.status is Status.OK, record.traceback
    assert bench.phases_run() == TITLES
    assert [phase.name for phase in record.phases] == PHASES
    assert [(phase.generator_calls, phase.views_generated) for phase in record.phases][1] == (8, 8)
    assert Record.read(bench.folder(cell) / "record.json") == record
    assert (bench.heard[0], bench.heard[-1]) == (
        CellStarted(cell.label),
        CellFinished(cell.label, "ok", "", record.summary),
    )


def test_the_record_says_what_ran(bench, cells):
    cell = cells(scenes=("0",), shifts=(1.0,), seeds=(4,), overrides=("steps=3",))[0]
    record = bench.run(cell)
    assert record.cell.model_dump() == {
        "method": "toy",
        "method_version": 1,
        "preset": "demo",
        "overrides": {"steps": "3"},
        "dataset": "toy",
        "scene": "0",
        "protocol": "toy-shift",
        "protocol_hash": cell.protocol.hash,
        "shift": 1.0,
        "seed": 4,
    }
    assert record.config == {"steps": 3, "turns": 2, "pause_s": 0.0, "fail": "none", "note": None}
    assert record.protocol == cell.protocol.canonical()


def test_rows_equal_metrics_computed_by_hand(bench, cell, toy):
    record = bench.run(cell)
    assert [row.view for row in record.rows] == [
        f"{frame:06d}_{side}1m" for side in ("left", "right") for frame in range(8)
    ]
    cameras = toy.track()
    for i, row in enumerate(record.rows):
        shift = 1.0 if i < 8 else -1.0
        pose = cameras[i % 8].c2w.copy()
        pose[1, 3] += shift
        truth, truth_depth = toy.cast(replace(cameras[i % 8], c2w=pose), 0.0)
        frame, depth = read_frame(bench.folder(cell) / "frames", type("V", (), {"name": row.view}))
        assert row.shift == shift
        assert row.prediction == image_hash(frame)
        assert row.reference == image_hash(truth)
        known = truth_depth > 0
        assert row.values == {
            "toy_mae": np.abs(frame.astype(float) - truth).mean(),
            "toy_depth_mae": pytest.approx(np.abs(depth - truth_depth)[known].mean()),
        }
    assert record.summary["toy_mae"] == pytest.approx(np.mean([row.values["toy_mae"] for row in record.rows]))


def test_frames_are_what_the_stored_model_renders(bench, cell, toy):
    record = bench.run(cell)
    model = checkpoint.load(bench.out / record.model, toy.ToyModel)
    assert record.model == f"training/{cell.training}/distill-2.safetensors"
    assert model.layer.history == ("reconstruct", "distill 1", "distill 2")
    assert model.answers == 16
    frame, _ = read_frame(bench.folder(cell) / "frames", type("V", (), {"name": "000000_left1m"}))
    shown = np.roll(model.image, 10, axis=1) * model.layer.gain.numpy()
    assert np.array_equal(frame, quantise(shown.astype(np.float32)))


def test_a_finished_cell_is_not_touched(bench, cell):
    first = bench.run(cell)
    before = {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in bench.out.rglob("*") if path.is_file()
    }
    bench.heard.clear()
    assert bench.run(cell) == first
    assert before == {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in bench.out.rglob("*") if path.is_file()
    }
    assert bench.phases_run() == []
    assert any(isinstance(event, Note) and "already done" in event.text for event in bench.heard)


def test_a_lost_record_is_rebuilt_from_the_phases(bench, cell):
    first = bench.run(cell)
    (bench.folder(cell) / "record.json").unlink()
    bench.heard.clear()
    assert bench.run(cell) == first
    assert bench.phases_run() == ["score"]


def test_forgetting_a_cell_runs_it_from_the_start_with_the_same_bytes(bench, cell):
    bench.run(cell)
    before = files(bench.out)
    forget_cell(cell, bench.out)
    assert not files(bench.out)
    bench.heard.clear()
    bench.run(cell)
    assert bench.phases_run() == TITLES
    assert files(bench.out) == before


def test_same_seed_same_bytes_and_other_seed_other_bytes(bench, cell, tmp_path):
    bench.run(cell)
    other = replace(bench.settings, out=tmp_path / "other", threads=2)
    run_cell(cell, other)
    assert files(tmp_path / "other") == files(bench.out)
    seeded = replace(cell, seed=1)
    run_cell(seeded, other)
    assert (other.out / "cells" / seeded.folder / "frames" / "000000_left1m.png").read_bytes() != (
        bench.folder(cell) / "frames" / "000000_left1m.png"
    ).read_bytes()


def test_shifts_share_a_training_where_the_method_says_so(bench, cells):
    for cell in cells(method="toy-shared", scenes=("0",)):
        assert bench.run(cell).status is Status.OK
    (training,) = (bench.out / "training").iterdir()
    assert (training / "scratch" / "calls.txt").read_text().split("\n")[:-1] == PHASES[:-1]


def test_the_side_off_the_road_is_a_note(bench, cells):
    record = bench.run(cells(scenes=("0",), shifts=(3.0,))[0])
    assert record.notes == ["3m to the right leaves the road, which ends at 2.5 m"]
    assert {row.shift for row in record.rows} == {3.0}
    assert any(isinstance(event, Note) and "leaves the road" in event.text for event in bench.heard)


@pytest.mark.parametrize(
    ("what", "reason", "finished"),
    [
        ("reconstruct", "RuntimeError: toy trouble in reconstruct", []),
        ("refine", "RuntimeError: toy trouble in refine", PHASES[:1]),
        ("distill", "RuntimeError: toy trouble in distill", PHASES[:2]),
        ("render", "RuntimeError: toy trouble in render", PHASES[:5]),
        ("type", "reconstruct returned something else than it promised\n  got:      str", []),
        ("foreign", "this cannot be stored in a checkpoint", PHASES[:1]),
        ("exit", "SystemExit: a third-party script ends here", []),
        ("file", "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere/model.bin'", []),
        ("nan", "000000_left1m: rendered values that are not finite", PHASES[:5]),
        ("depth-nan", "000000_left1m: rendered depth that is negative or not finite", PHASES[:5]),
        ("size", "000000_left1m: rendered the wrong size", PHASES[:5]),
        ("whole", "000000_left1m: rendered whole numbers", PHASES[:5]),
        ("bare", "000000_left1m: render yielded another type", PHASES[:5]),
        ("few", "render stopped early\n  got:      3 frames\n  expected: 16", PHASES[:5]),
        ("many", "render went on after the last camera", PHASES[:5]),
    ],
)
def test_failures_are_records(bench, cells, what, reason, finished):
    cell = failing(cells, what)
    record = bench.run(cell)
    assert record.status is Status.FAILED
    assert record.reason.startswith(reason)
    assert record.traceback.startswith("Traceback")
    assert [phase.name for phase in record.phases] == finished
    assert (record.rows, record.summary, record.model) == ([], {}, "")
    assert Record.read(bench.folder(cell) / "record.json") == record
    assert bench.heard[-1] == CellFinished(cell.label, "failed", record.reason, {})


def test_a_failed_cell_goes_on_where_it_failed(bench, cells, toy):
    cell = failing(cells, "distill")
    bench.run(cell)
    # The defect is repaired; its name is the same, as it would be for a user who fixed the method.
    preset = replace(toy.Config(), fail="none")
    repaired = replace(cell.method, target=type("Fixed", (toy.Toy,), {"presets": {"demo": preset}}))
    bench.heard.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toy, "_misbehave", lambda run, phase: None)
        record = bench.run(replace(cell, method=repaired))
    assert record.status is Status.OK
    assert bench.phases_run() == TITLES[2:]
    assert [phase.name for phase in record.phases] == PHASES


def test_a_list_of_renderings_is_as_good_as_a_generator(bench, cells, cell):
    assert bench.run(failing(cells, "list")).rows == bench.run(cell).rows


@pytest.mark.parametrize(
    "damage", ["pixel", "missing", "truncated", "size", "depth", "no depth", "bad depth"]
)
def test_a_changed_frame_is_found(bench, cell, damage):
    from recgen_bench.harness.images import read_rgb8, write_png

    bench.run(cell)
    (bench.folder(cell) / "record.json").unlink()
    frame = bench.folder(cell) / "frames" / "000003_right1m.png"
    pixels = read_rgb8(frame)
    match damage:
        case "pixel":
            pixels[5, 5, 0] ^= 1
            write_png(frame, pixels)
        case "size":
            write_png(frame, pixels[1:])
        case "truncated":
            frame.write_bytes(frame.read_bytes()[:200])
        case "missing":
            frame.unlink()
        case "depth":
            np.savez_compressed(frame.with_suffix(".npz"), depth=np.full((24, 32), 6, np.float32))
        case "no depth":
            frame.with_suffix(".npz").unlink()
        case "bad depth":
            frame.with_suffix(".npz").write_bytes(b"PK")
    record = bench.run(cell)
    assert record.status is Status.FAILED
    assert "000003_right1m" in record.reason
    assert f"delete {bench.folder(cell)} and repeat the command" in record.reason


def test_the_hint_of_a_changed_frame_helps(bench, cell):
    import shutil

    first = bench.run(cell)
    shutil.rmtree(bench.folder(cell))
    bench.heard.clear()
    assert bench.run(cell).rows == first.rows
    assert bench.phases_run() == ["render", "score"]


def test_wrong_input_raises_before_training_and_leaves_nothing_behind(bench, cells):
    (cell,) = cells(scenes=("13",), shifts=(1.0,))
    with pytest.raises(DataError, match="scene 13: the scene is damaged"):
        bench.run(cell)
    assert not bench.out.exists()


def test_a_data_set_with_a_bug_is_a_failed_cell(bench, cells):
    (cell,) = cells(scenes=("14",), shifts=(1.0,))
    record = bench.run(cell)
    assert (record.status, record.reason) == (Status.FAILED, "RuntimeError: this adapter has a bug")
    assert "toy.py" in record.traceback


def test_a_damaged_image_is_found_before_training(bench, cells, toy, tmp_path):
    toy.write_recording(tmp_path / "data" / "a")
    image = tmp_path / "data" / "a" / "005.png"
    image.write_bytes(image.read_bytes()[:-200])
    (cell,) = cells(dataset="toy-folder", source=tmp_path / "data", scenes=("a",))
    with pytest.raises(DataError, match=r"005.png"):
        run_cell(cell, replace(bench.settings, source=tmp_path / "data"))
    assert not bench.out.exists()


def test_recorded_data(bench, cells, toy, tmp_path):
    toy.write_recording(tmp_path / "data" / "a")
    settings = replace(bench.settings, source=tmp_path / "data")
    (cell,) = cells(dataset="toy-folder", source=tmp_path / "data", scenes=("a",), overrides=("steps=2",))
    record = run_cell(cell, settings)
    assert record.status is Status.OK, record.traceback
    assert [row.view for row in record.rows] == ["000", "004"]
    assert [set(row.values) for row in record.rows] == [{"toy_mae"}] * 2
    # The folder of a scene may be given itself; it is the same cell.
    (itself,) = cells(dataset="toy-folder", source=tmp_path / "data" / "a", overrides=("steps=2",))
    assert itself.folder == cell.folder
    scene, _ = open_scene(itself, replace(settings, source=tmp_path / "data" / "a"))
    assert len(scene.train) == 6


def test_a_scene_outside_a_closed_protocol(bench, cell):
    closed = replace(cell, protocol=replace(cell.protocol, open_scenes=False), scene="7")
    with pytest.raises(ProtocolError, match="does not list this scene"):
        bench.run(closed)


def test_views_without_a_reference_have_hashes_and_no_values(bench, cells, toy, tmp_path):
    toy.write_recording(tmp_path / "a")
    (cell,) = cells(dataset="toy-folder", source=tmp_path / "a", overrides=("steps=2",))
    shift = cells(scenes=("0",), shifts=(1.0,))[0].protocol.shift
    shifted = replace(cell, protocol=replace(cell.protocol, shift=shift), shift=1.0)
    record = run_cell(shifted, replace(bench.settings, source=tmp_path / "a"))
    assert record.status is Status.OK, record.traceback
    assert len(record.rows) == 14 - 2
    assert all(row.reference is None and row.values == {} for row in record.rows)
    assert record.summary == {}


def test_a_method_never_sees_test_images(bench, cell, toy):
    seen = []

    class Curious(toy.Toy):
        def reconstruct(self, scene, run):
            seen.extend((view.read_image, view.read_depth) for view in (*scene.test, *run.scene.test))
            seen.append(run.scene is scene)
            return super().reconstruct(scene, run)

    bench.run(replace(cell, method=replace(cell.method, target=Curious)))
    assert seen == [(None, None)] * 32 + [True]


def test_a_metric_that_gives_nan_fails_the_cell(bench, cell, toy_registry):
    scorer = Scorer.load([toy_registry.metric("toy_mae"), toy_registry.metric("toy_nan")])
    record = run_cell(cell, replace(bench.settings, scorer=scorer))
    assert record.status is Status.FAILED
    assert record.reason.startswith("000000_left1m: a metric gave no number\n  got:      toy_nan")


def test_a_metric_that_breaks_names_the_view(bench, cell, toy_registry):
    def broken(pair):
        raise DataError("no lane found")

    info = replace(toy_registry.metric("toy_mae"), target=broken)
    record = run_cell(cell, replace(bench.settings, scorer=Scorer.load([info])))
    assert record.reason == "000000_left1m: no lane found"


def test_missing_weights_are_not_runnable_and_nothing_is_trained(bench, cells, toy):
    (cell,) = cells(method="toy-weights", scenes=("0",), shifts=(1.0,))
    record = bench.run(cell)
    assert record.status is Status.NOT_RUNNABLE
    assert "recgen-bench weights fetch toy-net" in record.reason
    assert not (bench.out / "training").exists()
    assert Record.read(bench.folder(cell) / "record.json") == record


def test_given_weights_are_recorded_with_their_own_hash(bench, cells, toy, tmp_path):
    import hashlib

    (tmp_path / "mine.safetensors").write_bytes(b"weights")
    (cell,) = cells(method="toy-weights", scenes=("0",), shifts=(1.0,))
    door = WeightsDoor({"toy-net": toy.WEIGHTS}, {"toy-net": tmp_path / "mine.safetensors"})
    record = run_cell(cell, replace(bench.settings, door=door))
    assert record.status is Status.OK, record.reason
    assert [(w.name, w.revision, w.licence) for w in record.weights] == [("toy-net", "0123abcd", "MIT")]
    assert record.weights[0].sha256 == hashlib.sha256(b"weights").hexdigest()


def test_a_cell_that_was_not_runnable_runs_when_the_weights_are_there(bench, cells, toy, tmp_path):
    (cell,) = cells(method="toy-weights", scenes=("0",), shifts=(1.0,))
    bench.run(cell)
    (tmp_path / "w").write_bytes(b"weights")
    door = WeightsDoor({"toy-net": toy.WEIGHTS}, {"toy-net": tmp_path / "w"})
    assert run_cell(cell, replace(bench.settings, door=door)).status is Status.OK


@pytest.mark.parametrize("method", ["toy-nowhere", "toy-presets"])
def test_methods_that_cannot_be_loaded(bench, cells, method):
    (cell,) = cells(method=method, scenes=("0",), shifts=(1.0,))
    with pytest.raises(PluginError, match=r"cannot be loaded|does not hold its preset full"):
        bench.run(cell)
    assert not bench.out.exists()


def test_a_method_without_a_model_type(bench, cell, toy):
    class Bare:
        presets = toy.Toy.presets

    with pytest.raises(PluginError, match="`presets` and `model`"):
        bench.run(replace(cell, method=replace(cell.method, target=Bare)))


def test_annotations_that_do_not_resolve_fail_before_training(bench, cell, toy):
    class Unresolved(toy.Toy):
        model = type("Model", (), {})

    Unresolved.model.__annotations__ = {"x": "NoSuchName"}
    from dataclasses import dataclass

    Unresolved.model = dataclass(frozen=True)(Unresolved.model)
    with pytest.raises(MethodFailed, match="NoSuchName"):
        bench.run(replace(cell, method=replace(cell.method, target=Unresolved)))
    assert not bench.out.exists()


def test_a_full_disk_stops_the_run_and_keeps_what_is_finished(bench, cell, monkeypatch):
    import errno

    from recgen_bench.harness import checkpoint as module

    whole = module.write_atomic

    def full(path: Path, data: bytes) -> None:
        if path.name == "distill-1.safetensors":
            from recgen_bench.harness.files import unwritable

            raise unwritable(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        whole(path, data)

    monkeypatch.setattr(module, "write_atomic", full)
    with pytest.raises(OutputError, match="No space left on device"):
        bench.run(cell)
    assert not (bench.folder(cell) / "record.json").exists()
    monkeypatch.undo()
    bench.heard.clear()
    assert bench.run(cell).status is Status.OK
    assert bench.phases_run() == TITLES[2:]


def test_a_disk_that_fills_up_inside_a_method_is_not_the_method_s_fault(bench, cell, toy):
    import errno

    class Full(toy.Toy):
        def reconstruct(self, scene, run):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OutputError, match="No space left"):
        bench.run(replace(cell, method=replace(cell.method, target=Full)))


def test_an_unwritable_results_folder(bench, cell, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        run_cell(cell, replace(bench.settings, out=tmp_path / "file" / "out"))
    with pytest.raises(OutputError, match="cannot be written"):
        run_cell(cell, replace(bench.settings, out=Path("/proc/recgen")))


def test_a_damaged_record_is_an_error_with_the_way_out(bench, cell):
    bench.run(cell)
    path = bench.folder(cell) / "record.json"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="delete the file and repeat the run"):
        bench.run(cell)
    path.unlink()
    assert bench.run(cell).status is Status.OK


def test_a_cell_that_could_not_begin_has_a_record_too(bench, cell):
    record = fail_cell(cell, bench.settings, DataError("no such scene", hint="look again"))
    assert record.status is Status.FAILED
    assert record.reason == "no such scene\n  next:     look again"
    assert Record.read(bench.folder(cell) / "record.json") == record


def test_what_killed_writers_left_is_removed(bench, cell):
    training, folder = bench.out / "training" / cell.training, bench.folder(cell)
    stale = [
        training / ".partial-1.safetensors",
        folder / "frames" / ".partial-2.png",
        folder / ".partial-3.json",
    ]
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    bench.run(cell)
    assert not [path for path in bench.out.rglob("*") if ".partial" in path.name]


@pytest.mark.filterwarnings(
    "ignore:.*fork:DeprecationWarning"
)  # Python 3.12 warns; the child only runs ours.
def test_two_processes_on_one_training_do_not_clash(bench, cells):
    planned = cells(method="toy-shared", scenes=("0",), overrides=("pause_s=0.005",))
    work = [planned[0], planned[1], planned[1], planned[2]]
    children = []
    for cell in work:
        pid = os.fork()
        if pid == 0:
            status = 70
            try:
                status = 0 if bench.run(cell).status is Status.OK else 1
            finally:
                os._exit(status)
        children.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 4
    (training,) = (bench.out / "training").iterdir()
    assert (training / "scratch" / "calls.txt").read_text().split("\n")[:-1] == PHASES[:-1]
    for cell in planned:
        calls = bench.folder(cell) / "scratch" / "calls.txt"
        assert calls.read_text() == "render\n"
