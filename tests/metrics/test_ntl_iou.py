import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgen_bench.harness.errors import DataError, WeightsMissing
from recgen_bench.harness.scene import Camera, Lane
from recgen_bench.harness.track import Frame, Picture, Track
from recgen_bench.metrics import ntl_iou
from recgen_bench.metrics.lane_labels import agreement, at_compared, drawn, label, shrunk

GOLDEN = Path(__file__).parents[1] / "golden/metrics"
FORWARD = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.6], [0, 0, 0, 1]])
CAMERA = Camera(np.array([[2000.0, 0, 960], [0, 2000, 640], [0, 0, 1]]), FORWARD, 1920, 1280)


@pytest.fixture(scope="module")
def golden():
    facts = json.loads((GOLDEN / "ntl.json").read_text())
    with np.load(GOLDEN / "ntl.npz") as arrays:
        return facts, dict(arrays)


def unpacked(bits, height, width):
    return np.unpackbits(bits, count=height * width).reshape(height, width).astype(bool)


def map_of(golden):
    facts, arrays = golden
    # The golden holds the two sides of crosswalks as lines of their own.
    kinds = [kind.replace("crosswalk", "crosswalk_side") for kind in facts["polyline_types"]]
    return [Lane(arrays[f"polyline{index}_world"][:, :3], kind) for index, kind in enumerate(kinds)]


@pytest.mark.parametrize("index", [0, 1, 2])
def test_labels_of_the_released_script(golden, index):
    arrays = golden[1]
    image = drawn(map_of(golden), Camera(arrays["K"], arrays[f"c2w{index}"], 1920, 1280))
    whole = unpacked(arrays[f"label{index}_1920x1280_packed"], 1280, 1920)
    small = unpacked(arrays[f"label{index}_640x360_packed"], 360, 640)
    # Another version of OpenCV may round a line's edge otherwise.
    assert agreement(whole, image > 0).lane_iou > 0.999
    assert agreement(small, shrunk(image)).lane_iou > 0.999


def test_scores_of_the_released_script(golden):
    facts, arrays = golden
    scores = []
    for frame in facts["frames"]:
        if frame["frame"] is None:
            truth, seen = np.zeros((360, 640), bool), np.zeros((360, 640), bool)
            seen.flat[: int(frame["confusion"][0][1])] = True
        else:
            truth = unpacked(arrays[f"label{frame['frame']}_640x360_packed"], 360, 640)
            seen = unpacked(arrays[f"pred{frame['frame']}_{frame['prediction']}_packed"], 360, 640)
        found = agreement(truth, seen)
        assert [[found.neither, found.invented], [found.missed, found.both]] == frame["confusion"]
        assert (found.lane_iou, found.mean_iou) == pytest.approx((frame["lane_iou"], frame["miou"]), abs=1e-9)
        scores.append(found.mean_iou)
    assert np.mean(scores) == pytest.approx(facts["mean_of_frame_miou"], abs=1e-9)


def test_small_scores_of_the_released_script():
    for case in json.loads((GOLDEN / "segmentation_metric_small.json").read_text()):
        found = agreement(np.array(case["label"]) > 0, np.array(case["pred"]) > 0)
        assert (found.lane_iou, found.mean_iou) == pytest.approx((case["lane_iou"], case["miou"]), abs=1e-9)


masks = st.integers(0, 2**12 - 1).map(lambda n: np.array([n >> i & 1 for i in range(12)], bool).reshape(3, 4))


@given(masks, masks)
def test_agreement_is_symmetric_and_within_bounds(a, b):
    found, mirrored = agreement(a, b), agreement(b, a)
    assert 0 <= found.lane_iou <= found.mean_iou * 2 <= 2
    assert found.mean_iou == mirrored.mean_iou
    assert agreement(a, a).lane_iou == (1.0 if a.any() else 0.0)


def line(y, kind="road_line/solid-white", far=60.0):
    x = np.arange(4.0, far, 1.0)
    return Lane(np.stack([x, np.full_like(x, y), np.zeros_like(x)], -1), kind)


def test_lane_centres_and_driveways_are_not_drawn():
    assert not drawn([line(1.0, "lane_centre"), line(2.0, "driveway")], CAMERA).any()
    assert drawn([line(1.0)], CAMERA).any()


def test_of_a_crosswalk_only_the_long_sides_are_drawn():
    corners = np.array([[20.0, -5, 0], [20, 5, 0], [23, 5, 0], [23, -5, 0]])
    sides = [Lane(corners[:2], "stop_line"), Lane(corners[2:], "stop_line")]
    closed = np.concatenate([corners, corners[:1]])
    assert np.array_equal(drawn([Lane(closed, "crosswalk")], CAMERA), drawn(sides, CAMERA))
    turned = np.roll(corners, 1, axis=0)
    assert np.array_equal(drawn([Lane(turned, "crosswalk")], CAMERA), drawn(sides, CAMERA))
    assert not drawn([Lane(np.delete(corners, 0, 0), "crosswalk")], CAMERA).any()


def test_points_too_far_too_high_or_behind_are_not_drawn():
    far = Lane(np.array([[80.0, 0, 0], [90, 0, 0]]), "road_edge")
    high = Lane(np.array([[20.0, 0, 15], [30, 0, 15]]), "road_edge")
    behind = Lane(np.array([[-20.0, 0, 0], [-30, 0, 0]]), "road_edge")
    assert not drawn([far, high, behind], CAMERA).any()


def test_a_label_does_not_depend_on_the_size_of_the_rendering():
    assert np.array_equal(label([line(1.0)], CAMERA), label([line(1.0)], CAMERA.resized(240, 160)))


def frame_of(name, prediction, **fields):
    return Frame(name, 0.0, Picture(name, name, lambda: prediction), **fields)


def weightless(name):
    raise WeightsMissing(f"the weights {name} are not on this machine", hint="pass --weights")


def track_of(*frames, lanes=(), **fields):
    return Track(frames, (), (), lanes, weightless, lambda purpose, digest, compute: compute(), **fields)


GREY = np.full((160, 240, 3), 90, np.uint8)


def test_perfect_lanes_score_one_and_none_score_the_floor():
    lanes = (line(1.0), line(-2.0))
    truth = label(lanes, CAMERA)
    perfect = frame_of("a", GREY, camera=CAMERA, lane_prediction=truth)
    nothing = frame_of("b", GREY, camera=CAMERA, lane_prediction=np.zeros_like(truth))
    value = ntl_iou.drivedreamer4d_file(track_of(perfect, nothing, lanes=lanes))
    floor = (1 - truth.mean()) / 2
    assert value.parts["floor"] == pytest.approx(floor)
    assert value.value == pytest.approx((1 + floor) / 2)
    assert value.parts["lane_iou"] == 0.5
    assert ntl_iou.from_views(value.per_view) == value.value


def test_true_lanes_from_files_replace_the_map():
    truth = np.zeros((160, 240), bool)
    truth[100:110] = True
    frame = frame_of("a", GREY, lanes=truth, lane_prediction=truth)
    assert ntl_iou.drivedreamer4d_file(track_of(frame)).value == 1.0


def test_an_empty_label_with_an_empty_prediction_is_one_half():
    empty = np.zeros((160, 240), bool)
    value = ntl_iou.drivedreamer4d_file(track_of(frame_of("a", GREY, lanes=empty, lane_prediction=empty)))
    assert (value.value, value.count) == (0.5, 1)


def test_what_is_missing_is_said():
    assert "no map" in ntl_iou.drivedreamer4d(track_of(frame_of("a", GREY, camera=CAMERA))).reason
    known = frame_of("a", GREY, camera=CAMERA)
    missing = ntl_iou.drivedreamer4d(track_of(known, lanes=(line(1.0),)))
    assert missing.value is None
    assert "twinlitenet" in missing.reason
    assert "no predicted lanes" in ntl_iou.drivedreamer4d_file(track_of(known, lanes=(line(1.0),))).reason
    assert "only generated streets" in ntl_iou.paint_iou(track_of(known)).reason


def test_a_frame_without_its_predicted_mask_is_named():
    mask = np.zeros((160, 240), bool)
    with pytest.raises(DataError, match="no predicted lane mask") as caught:
        ntl_iou.drivedreamer4d_file(
            track_of(frame_of("a", GREY, lanes=mask, lane_prediction=mask), frame_of("b", GREY, lanes=mask))
        )
    assert caught.value.where == "b"


def test_masks_that_are_no_masks_are_refused():
    frame = frame_of("a", GREY, lanes=np.zeros((4, 4), np.uint8), lane_prediction=np.zeros((4, 4), bool))
    with pytest.raises(DataError, match="not a lane mask"):
        ntl_iou.drivedreamer4d_file(track_of(frame))


def test_stored_masks_come_back_as_they_were():
    rng = np.random.default_rng(0)
    memory = {}

    def stored(purpose, digest, compute):
        return memory.setdefault((purpose, digest), compute())

    mask = rng.random((37, 51)) > 0.5
    model = ntl_iou.LaneDetector("test", {}, lambda image: mask)
    track = Track((), (), (), (), weightless, stored)
    picture = Picture("a", "a", lambda: GREY)
    for _ in range(2):
        assert np.array_equal(ntl_iou.predicted(track, model, picture), mask)


def test_masks_of_any_size_are_compared_at_one():
    mask = np.zeros((160, 240), bool)
    mask[80:, :120] = True
    small = at_compared(mask)
    assert small.shape == (360, 640)
    assert small[180:, :320].all()
    assert not small[:180].any()
