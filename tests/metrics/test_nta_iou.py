import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recgen_bench.harness.errors import DataError, WeightsMissing
from recgen_bench.harness.scene import Actor, Camera
from recgen_bench.harness.track import Box, Frame, Picture, Track
from recgen_bench.metrics import nta_iou
from recgen_bench.metrics.nta_published import nearest_overlaps
from recgen_bench.metrics.nta_strict import one_to_one

GOLDEN = Path(__file__).parents[1] / "golden/metrics"
K = np.array([[400.0, 0, 240], [0, 400, 160], [0, 0, 1]])


def boxes_of(*corners, category="vehicle"):
    return tuple(Box(np.array(each, np.float64), category, 0.9) for each in corners)


def frame_of(name, boxes=None, detections=None, shift=0.0, **fields):
    def read():
        return np.zeros((320, 480, 3), np.uint8)

    return Frame(name, shift, Picture(name, name, read), boxes=boxes, detections=detections, **fields)


def weightless(name):
    raise WeightsMissing(f"the weights {name} are not on this machine", hint="fetch them")


def track_of(*frames, actors=(), **fields):
    return Track(frames, (), actors, (), weightless, lambda purpose, digest, compute: compute(), **fields)


@pytest.mark.parametrize(
    "case", json.loads((GOLDEN / "nta_matching.json").read_text())["cases"], ids=lambda c: c["name"]
)
def test_matching_of_the_released_scripts(case):
    found = nearest_overlaps(np.array(case["gt"]), np.array(case["detections"]))
    assert found == pytest.approx([each["iou"] for each in case["per_gt"]], abs=1e-12)


def test_trajectory_of_the_released_scripts():
    golden = json.loads((GOLDEN / "nta_trajectory.json").read_text())
    frames = [
        frame_of(f"{index:03d}", boxes_of(*each["gt"]), boxes_of(*each["detections"], category="car"))
        for index, each in enumerate(golden["frames"])
    ]
    for metric in (nta_iou.drivedreamer4d_file, nta_iou.recondreamer_file):
        value = metric(track_of(*frames))
        assert value.value == pytest.approx(golden["drivedreamer4d_csv_value"], abs=1e-9)
        assert value.count == golden["n_gt"]
        assert nta_iou.from_views(value.per_view) == value.value


def test_classes_split_the_published_presets():
    box = (100, 100, 150, 140)
    for category, drivedreamer4d, recondreamer, strict in [
        ("car", 1, 1, 1),
        ("truck", 1, 0, 1),
        ("traffic light", 1, 0, 0),
    ]:
        track = track_of(frame_of("a", boxes_of(box), boxes_of(box, category=category)))
        assert nta_iou.drivedreamer4d_file(track).value == drivedreamer4d
        assert nta_iou.recondreamer_file(track).value == recondreamer
        assert nta_iou.strict_file(track).value == strict


def test_boxes_of_a_file_are_scaled_to_the_canvas_and_dropped_at_its_border():
    camera = Camera(K * [[4], [4], [1]], np.eye(4), 1920, 1280)
    inside, across = (400, 400, 600, 560), (-8, 400, 600, 560)
    frame = frame_of("a", boxes_of(inside, across), boxes_of(inside), camera=camera)
    value = nta_iou.drivedreamer4d_file(track_of(frame))
    assert (value.value, value.count) == (1.0, 1)
    # The strict preset clips instead, and asks for the box across the border too.
    assert nta_iou.strict_file(track_of(frame)).count == 2


def test_counts_and_values_stand_beside_the_value_for_each_shift():
    box, other = (100, 100, 150, 140), (300, 100, 350, 140)
    track = track_of(
        frame_of("a", boxes_of(box), boxes_of(box), 3.0),
        frame_of("b", boxes_of(box, other), boxes_of(box), -3.0),
    )
    value = nta_iou.strict_file(track)
    assert value.value == pytest.approx(2 / 3)
    assert value.parts["boxes@+3m"] == 1
    assert value.parts["boxes@-3m"] == 2
    assert value.parts["value@-3m"] == 0.5
    assert value.parts["recall"] == pytest.approx(2 / 3)
    assert value.parts["precision"] == 1.0


def test_one_detection_serves_two_boxes_only_in_the_published_presets():
    near = boxes_of((100, 100, 150, 140), (103, 100, 153, 140))
    track = track_of(frame_of("a", near, boxes_of((100, 100, 150, 140))))
    assert nta_iou.drivedreamer4d_file(track).value > 0.9
    assert nta_iou.strict_file(track).value == 0.5


def test_surplus_detections_cost_precision_in_strict_and_nothing_elsewhere():
    box, wrong = (100, 100, 150, 140), (300, 200, 350, 240)
    track = track_of(frame_of("a", boxes_of(box), boxes_of(box, wrong)))
    assert nta_iou.drivedreamer4d_file(track).value == 1.0
    strict = nta_iou.strict_file(track)
    assert (strict.value, strict.parts["precision"]) == (1.0, 0.5)


def test_uncertain_detections_of_a_file_do_not_count():
    box = boxes_of((100, 100, 150, 140))
    for confidence, expected in ((0.5, 0.0), (0.51, 1.0)):
        found = (replace(box[0], confidence=confidence),)
        for metric in (nta_iou.drivedreamer4d_file, nta_iou.strict_file):
            assert metric(track_of(frame_of("a", box, found))).value == expected


def test_a_detection_on_a_vehicle_too_small_to_count_is_not_false():
    tiny = (100, 100, 106, 105)
    track = track_of(
        frame_of("a", boxes_of((200, 100, 250, 140), tiny), boxes_of((200, 100, 250, 140), tiny))
    )
    value = nta_iou.strict_file(track)
    assert (value.count, value.parts["precision"], value.parts["ignored_boxes"]) == (1, 1.0, 1)


@pytest.mark.parametrize("metric", [nta_iou.drivedreamer4d_file, nta_iou.strict_file])
def test_no_boxes_give_no_value_and_no_detections_give_zero(metric):
    assert metric(track_of(frame_of("a", None, ()))).reason.startswith("no boxes")
    empty = metric(track_of(frame_of("a", (), ())))
    assert (empty.value, empty.reason) == (None, "no vehicle is visible in any frame")
    assert metric(track_of(frame_of("a", boxes_of((10, 10, 50, 50)), ()))).value == 0.0
    assert metric(track_of(frame_of("a", boxes_of((10, 10, 50, 50)), None))).reason.startswith(
        "no detections"
    )


def test_a_frame_missing_from_the_file_of_detections_is_named():
    box = boxes_of((10, 10, 50, 50))
    with pytest.raises(DataError, match="does not name this frame") as caught:
        nta_iou.strict_file(track_of(frame_of("a", box, box), frame_of("b", box)))
    assert caught.value.where == "b"


def test_damaged_boxes_are_refused_with_their_frame():
    bad = (Box(np.array([1, 2, np.nan, 4.0]), "car"),)
    with pytest.raises(DataError) as caught:
        nta_iou.strict_file(track_of(frame_of("a", boxes_of((1, 1, 9, 9)), bad)))
    assert caught.value.where == "a"


@pytest.mark.parametrize("metric", [nta_iou.drivedreamer4d, nta_iou.recondreamer, nta_iou.strict_rtdetr])
def test_missing_weights_give_no_value_but_the_command(metric):
    value = metric(track_of(frame_of("a", boxes_of((10, 10, 50, 50)))))
    assert value.value is None
    assert "not on this machine" in value.reason
    assert "fetch them" in value.reason


places = st.tuples(st.integers(0, 400), st.integers(0, 250), st.integers(10, 70), st.integers(10, 60))
rows = st.lists(places, min_size=1, max_size=6).map(
    lambda found: np.array([(x, y, x + w, y + h) for x, y, w, h in found], np.float64)
)


@settings(max_examples=40, deadline=None)
@given(rows, rows, st.randoms())
def test_values_lie_in_bounds_and_ignore_the_order_of_boxes(truth, found, random):
    def value(metric, a, b):
        return metric(track_of(frame_of("a", boxes_of(*a), boxes_of(*b)))).value

    for metric in (nta_iou.drivedreamer4d_file, nta_iou.strict_file):
        first = value(metric, truth, found)
        assert 0 <= first <= 1
    shuffled = list(found)
    random.shuffle(shuffled)
    assert value(nta_iou.strict_file, truth, shuffled) == pytest.approx(first, abs=1e-12)
    assert value(nta_iou.strict_file, truth[::-1], found) == pytest.approx(first, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(rows)
def test_the_truth_itself_is_perfect(truth):
    clipped = np.unique(np.clip(truth, 0, [480, 320, 480, 320]), axis=0)
    value = nta_iou.strict_file(track_of(frame_of("a", boxes_of(*clipped), boxes_of(*clipped))))
    assert value.value == 1.0
    assert (value.parts["precision"], value.parts["recall"]) == (1.0, 1.0)


@settings(max_examples=30, deadline=None)
@given(places, st.integers(1, 4))
def test_farther_detections_are_worse(place, step):
    x, y, w, h = place
    values = []
    for off in (0, step, 2 * step, 3 * step):
        moved = boxes_of((x + off, y, x + w + off, y + h))
        frame = frame_of("a", boxes_of((x, y, x + w, y + h)), moved)
        values.append(
            [nta_iou.strict_file(track_of(frame)).value, nta_iou.drivedreamer4d_file(track_of(frame)).value]
        )
    strict, published = np.array(values).T
    assert (np.diff(strict) < 0).sum() >= 1
    assert (np.diff(strict) <= 0).all()
    assert (np.diff(published) <= 0).all()


@given(rows, rows)
def test_assignment_is_the_best_of_all(truth, found):
    from itertools import permutations

    from recgen_bench.metrics.boxes import overlaps

    truth, found = truth[:4], found[:4]
    iou = overlaps(truth, found)
    if len(truth) > len(found):
        iou = iou.T
    best = max(
        math.fsum(iou[i, j] for i, j in enumerate(order))
        for order in permutations(range(iou.shape[1]), len(iou))
    )
    pairs, values = one_to_one(truth, found)
    assert math.fsum(values) == pytest.approx(best, abs=1e-9)
    assert len(set(pairs[:, 0])) == len(pairs) == len(set(pairs[:, 1]))


class TestProjectedVehicles:
    """Vehicles ahead of a camera at the origin, detections from files."""

    CAMERA = Camera(K, np.eye(4), 480, 320, frame=0)

    def vehicle(self, name, x, z, counts=None):
        pose = np.eye(4)
        pose[:3, :3] = np.stack([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], -1)
        pose[:3, 3] = x, 0, z
        counted = None if counts is None else np.array([counts])
        return Actor(
            name, "vehicle", np.array([4.0, 2.0, 1.5]), np.array([0]), pose[None], False, counts=counted
        )

    def measured(self, metric, *actors, real=()):
        frame = frame_of("a", None, (), camera=self.CAMERA)
        return metric(track_of(frame, actors=actors, real_frames=real))

    def test_a_hidden_vehicle_does_not_count_in_strict(self):
        vehicles = self.vehicle("near", 0, 10), self.vehicle("hidden", 0.1, 30), self.vehicle("free", 6, 30)
        assert self.measured(nta_iou.strict_file, *vehicles).count == 2
        assert self.measured(nta_iou.drivedreamer4d_file, *vehicles).count == 3

    def test_vehicles_with_few_lidar_points_do_not_count(self):
        vehicles = self.vehicle("many", -3, 20, 10), self.vehicle("few", 3, 20, 9)
        for metric in (nta_iou.strict_file, nta_iou.drivedreamer4d_file):
            value = self.measured(metric, *vehicles)
            assert value.count == 1
            assert value.facts["lidar_points"] == "at least 10"

    def test_the_recorded_camera_must_have_seen_a_vehicle(self):
        turned = np.eye(4)
        turned[:3, :3] = np.diag([-1.0, 1, -1])
        real = frame_of("real", None, (), camera=replace(self.CAMERA, c2w=turned))
        assert self.measured(nta_iou.drivedreamer4d_file, self.vehicle("a", 0, 20)).count == 1
        value = self.measured(nta_iou.drivedreamer4d_file, self.vehicle("a", 0, 20), real=(real,))
        assert value.value is None

    def test_a_vehicle_mostly_outside_does_not_count_in_strict(self):
        assert self.measured(nta_iou.strict_file, self.vehicle("edge", 12.9, 20)).value is None
        assert self.measured(nta_iou.strict_file, self.vehicle("in", 10, 20)).count == 1
