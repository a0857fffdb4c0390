"""Scoring a cell: rows, then the track, with weights that may be missing and a store that may be full."""

from __future__ import annotations

import threading
import time
import weakref
from dataclasses import replace

import numpy as np
import pytest

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.features import FeatureStore
from recgen_bench.harness.loop import open_scene
from recgen_bench.harness.record import Record, Status, image_hash, results_hash
from recgen_bench.harness.registration import MetricInfo
from recgen_bench.harness.score import Scorer
from recgen_bench.harness.scoring import Shot, Surroundings, in_order, score, stored_shots, surroundings
from recgen_bench.harness.track import SceneValue
from recgen_bench.harness.weights import WeightsDoor


@pytest.fixture
def door(toy):
    return WeightsDoor({"toy-scale": toy.SCALE})


@pytest.fixture
def scale(tmp_path, monkeypatch):
    """Return () that puts the weights where the door finds them."""
    monkeypatch.setenv("RECGEN_WEIGHTS", str(tmp_path / "w"))

    def put():
        (tmp_path / "w").mkdir()
        (tmp_path / "w" / "scale.txt").write_text("2.5")

    return put


@pytest.fixture
def everything(toy_registry, door, tmp_path):
    """Return () -> scorer with every toy metric."""

    def load():
        names = toy_registry.protocol("toy-shift/weights").metrics
        fresh = WeightsDoor(door.known)
        infos = [toy_registry.metric(name) for name in names]
        return Scorer.load(infos, fresh, stored=FeatureStore(tmp_path / "f").stored)

    return load


@pytest.fixture
def cell(cells):
    return cells(protocol="toy-shift/weights", scenes=("0",), shifts=(1.0,))[0]


def run(bench, cell, scorer):
    from recgen_bench.harness.loop import run_cell

    return run_cell(cell, replace(bench.settings, scorer=scorer))


def test_missing_weights_leave_a_cell_with_all_other_numbers(bench, cell, everything, scale):
    record = run(bench, cell, everything())
    assert record.status is Status.OK
    assert set(record.summary) == {"toy_mae", "toy_depth_mae", "toy_bright"}
    assert set(record.missing) == {"toy_scaled", "toy_scaled_scene"}
    assert "pass --weights toy-scale=PATH" in record.missing["toy_scaled"]
    assert record.scenes["toy_scaled_scene"].value is None
    assert record.scenes["toy_scaled_scene"].reason == record.missing["toy_scaled_scene"]
    assert record.metric_weights == []
    notes = [event.text for event in bench.heard if hasattr(event, "text")]
    assert any(note.startswith("without toy_scaled:") and "toy-scale=PATH" in note for note in notes)
    # The command again does nothing while they are still missing.
    assert run(bench, cell, everything()) == record


def test_weights_that_arrive_later_are_used_without_training_again(bench, cell, everything, scale):
    first = run(bench, cell, everything())
    trained = bench.phases_run()
    scale()
    record = run(bench, cell, everything())
    assert bench.phases_run() == [*trained, "score"]
    assert record.missing == {}
    assert record.scenes["toy_scaled_scene"].value == 2.5
    assert [(w.name, w.licence) for w in record.metric_weights] == [("toy-scale", "CC0-1.0")]
    for row, before in zip(record.rows, first.rows, strict=True):
        assert row.values["toy_scaled"] == pytest.approx(2.5 * row.values["toy_mae"])
        assert before.values.items() <= row.values.items()
    assert Record.read(bench.folder(cell) / "record.json") == record


def test_corrupt_weights_stop_before_anything_is_trained(bench, cell, everything, scale, tmp_path):
    scale()
    (tmp_path / "w" / "scale.txt").write_text("2.6")
    with pytest.raises(DataError, match="the weights are not the registered ones"):
        everything()


def test_scene_metrics_are_in_summary_hash_and_statistics(bench, cell, everything, toy):
    record = run(bench, cell, everything())
    score = record.scenes["toy_bright"]
    assert record.summary["toy_bright"] == score.value == toy.brightness_of(score.per_view)
    assert set(score.per_view) == {row.view for row in record.rows}
    assert (score.count, score.facts["real"]) == (len(record.rows), "8")
    assert record.results_hash == results_hash(record.rows, record.scenes)


@pytest.mark.parametrize(("shift", "count"), [(0.0, 8), (1.0, 8)])
def test_the_recorded_track_is_the_real_set_of_lane_shifts(cells, bench, shift, count, everything):
    cell = cells(protocol="toy-shift/scene", scenes=("0",), shifts=(shift,))[0]
    scene, _ = open_scene(cell, bench.settings)
    around = surroundings(scene, shifted=True)
    assert [name for name, _ in around.real] == [view.name for view in scene.train]
    assert surroundings(scene, shifted=False).real is None
    facts = run(bench, cell, everything()).scenes["toy_bright"].facts
    assert facts["real"] == str(count)


def grey(level):
    return np.full((12, 16, 3), level, np.uint8)


def shots(levels):
    return [
        Shot(f"{i:03d}", 0.0, lambda level=level: grey(level), lambda: grey(100))
        for i, level in enumerate(levels)
    ]


def seen(metric, *, around=None, levels=(1, 2, 3), threads=1):
    """Return what a scene metric gets to see."""
    tracks = []

    def target(track):
        tracks.append(track)
        return metric(track)

    scorer = Scorer.load([MetricInfo("m", "", target, scope="scene")])
    return score(shots(levels), around or Surroundings(), scorer, threads), tracks[0]


def test_a_track_has_frames_in_order_and_references_as_real_set():
    _, track = seen(lambda track: SceneValue(1.0, 3))
    assert [frame.view for frame in track.frames] == ["000", "001", "002"]
    assert [frame.prediction.digest for frame in track.frames] == [image_hash(grey(i)) for i in (1, 2, 3)]
    assert [picture.digest for picture in track.real] == [image_hash(grey(100))] * 3
    assert track.frames[1].reference.read().max() == 100
    assert [frame.view for frame in track.frames[1:]] == ["001", "002"]
    assert len(track.frames) == 3
    assert track.frames[-1].view == "002"
    with pytest.raises(IndexError):
        track.frames[3]


def test_a_real_set_of_its_own():
    real = tuple((str(i), lambda i=i: grey(i)) for i in range(5))
    _, track = seen(lambda track: SceneValue(1.0, 3), around=Surroundings(real), threads=2)
    assert [picture.name for picture in track.real] == list("01234")
    assert [picture.digest for picture in track.real] == [image_hash(grey(i)) for i in range(5)]


def test_what_a_scene_metric_must_not_return():
    for value, message in (
        (SceneValue(float("nan"), 1), "a metric gave no number"),
        (SceneValue(1.0, 1, parts={"x": float("nan")}), "a metric gave no number"),
        (SceneValue(1.0, 1, per_view={"a": {"x": float("nan")}}), "a metric gave no number"),
        (SceneValue(None, 0), "neither a value nor a reason"),
        (1.0, "returned something else"),
    ):
        with pytest.raises(DataError, match=message):
            seen(lambda track, value=value: value)


def test_numpy_numbers_become_plain_ones():
    found, _ = seen(
        lambda track: SceneValue(
            np.float32(0.5), np.int64(3), parts={"p": np.float64(1)}, per_view={"000": {"s": np.int32(2)}}
        )
    )
    stored = found.scenes["m"]
    assert type(stored.value) is float
    assert type(stored.parts["p"]) is float
    assert stored.per_view == {"000": {"s": 2.0}}


def test_values_are_found_again_and_ground_truth_is_shared(bench, cell, everything, toy):
    run(bench, cell, everything())
    before = len(toy.computed)
    scene, _ = open_scene(cell, bench.settings)
    around = surroundings(scene, shifted=True)
    again = score(stored_shots(scene, bench.folder(cell) / "frames"), around, everything(), 1)
    assert len(toy.computed) == before
    # Another method on the same scene: its own frames are new, the real set is known.
    others = [
        replace(shot, read_prediction=lambda i=i: np.full((24, 32, 3), i, np.uint8))
        for i, shot in enumerate(stored_shots(scene, bench.folder(cell) / "frames"))
    ]
    score(others, around, everything(), 1)
    assert len(toy.computed) == before + len(others)
    assert again.rows == Record.read(bench.folder(cell) / "record.json").rows


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_number_of_threads_changes_nothing(bench, cell, everything, threads):
    record = run(bench, cell, everything())
    scene, _ = open_scene(cell, bench.settings)
    found = score(
        stored_shots(scene, bench.folder(cell) / "frames"), surroundings(scene, True), everything(), threads
    )
    assert (found.rows, found.scenes) == (record.rows, record.scenes)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_in_order_keeps_order_and_a_bounded_window(threads):
    begun, lock, ahead = [0], threading.Lock(), []

    def work(i):
        with lock:
            begun[0] += 1
        time.sleep(0.001 * (i % 3))
        return i * i

    for done, value in enumerate(in_order(iter(range(40)), work, threads)):
        assert value == done * done
        ahead.append(begun[0] - done)
    assert max(ahead) <= 2 * threads + 1


def test_in_order_raises_the_first_error_in_order():
    def work(i):
        if i in (3, 5):
            time.sleep(0.02 if i == 3 else 0)
            raise DataError(str(i))
        return i

    with pytest.raises(DataError, match="3"):
        list(in_order(range(10), work, 3))


def test_threads_of_opencv_are_as_before():
    import cv2

    before = cv2.getNumThreads()
    seen(lambda track: SceneValue(1.0, 3), threads=2)
    assert cv2.getNumThreads() == before


def test_paint_reaches_the_frames(cells, bench, toy, monkeypatch, everything):
    monkeypatch.setattr(
        toy.ToyOracle, "paint", lambda self, camera: np.eye(24, 32, dtype=bool), raising=False
    )
    cell = cells(protocol="toy-shift/scene", scenes=("0",), shifts=(1.0,))[0]
    scene, _ = open_scene(cell, bench.settings)
    assert scene.test[0].read_paint().sum() == 24
    assert scene.without_answers().test[0].read_paint is None
    assert stored_shots(scene, bench.out)[0].read_paint is scene.test[0].read_paint


def test_a_frame_reads_depth_and_information_gain_that_were_stored(cells, bench, everything, toy, tmp_path):
    from recgen_bench.harness.frames import write_frame
    from recgen_bench.harness.method import Rendering

    cell = cells(protocol="toy-shift/scene", scenes=("0",), shifts=(0.0,))[0]
    scene, _ = open_scene(cell, bench.settings)
    flat = np.full((24, 32, 3), 0.5, np.float32)
    for i, view in enumerate(scene.test):
        depth = np.full((24, 32), 1.0 + i, np.float32)
        eig = depth * 10 if i == 0 else None
        write_frame(tmp_path / "frames", view, Rendering(flat, depth, eig), with_depth=i < 2)
    first, second, third = stored_shots(scene, tmp_path / "frames")[:3]
    assert (first.read_depth().max(), first.read_eig().max()) == (1, 10)
    assert second.read_depth().max() == 2
    assert second.read_eig is None
    assert third.read_depth is None


def test_scoring_imports_no_torch_for_plain_metrics(python):
    import subprocess

    code = (
        "import sys\nfrom recgen_bench.harness import scoring, verify, external, features\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([python, "-c", code], check=False).returncode == 0


def test_weights_that_only_the_track_asks_for_may_be_missing_too(door):
    info = MetricInfo(
        "m", "", lambda track: SceneValue(float(str(track.weights("toy-scale"))), 1), scope="scene"
    )
    found = score(shots([1]), Surroundings(), Scorer.load([info], door), 1)
    assert found.scenes["m"].value is None
    assert found.missing == {"m": found.scenes["m"].reason}
    assert "RECGEN_WEIGHTS" in found.missing["m"]
    assert found.weights == []


@pytest.mark.parametrize("threads", [1, 2])
def test_images_in_memory_do_not_grow_with_their_number(threads):
    alive, most, lock = weakref.WeakSet(), [0], threading.Lock()

    class Pixels(np.ndarray):
        """An array that can be counted while somebody holds it."""

        __hash__ = object.__hash__
        __eq__ = object.__eq__

    def read(level):
        pixels = grey(level).view(Pixels)
        with lock:
            alive.add(pixels)
            most[0] = max(most[0], len(alive))
        return pixels

    many = [Shot(str(i), 0.0, lambda i=i: read(i), lambda: read(9)) for i in range(60)]
    real = tuple((str(i), lambda i=i: read(i)) for i in range(60))
    scorer = Scorer.load(
        [
            MetricInfo("m", "", lambda pair: 1.0),
            MetricInfo("s", "", lambda track: SceneValue(1.0, len(track.real)), scope="scene"),
        ]
    )
    assert len(score(many, Surroundings(real), scorer, threads).rows) == 60
    # Two images for each thread that works, and nothing of the rows that wait.
    assert most[0] <= 2 * threads
