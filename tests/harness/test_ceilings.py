"""Recorded frames reach scene metrics with their own cameras, so that ceilings can be measured."""

import numpy as np
import pytest

from recgen_bench.harness.registration import MetricInfo
from recgen_bench.harness.scene import Camera, Scene, View
from recgen_bench.harness.score import Scorer
from recgen_bench.harness.scoring import Shot, score, surroundings
from recgen_bench.harness.track import SceneValue

K = np.array([[20.0, 0, 16], [0, 20, 12], [0, 0, 1]])


def view(name, value, x=0.0):
    pose = np.eye(4)
    pose[0, 3] = x
    return View(name, Camera(K, pose, 32, 24), lambda: np.full((24, 32, 3), value, np.uint8), shift=-x)


@pytest.mark.parametrize("shifted", [True, False])
def test_only_a_moved_track_has_recorded_frames(shifted):
    scene = Scene("d", "s", (view("000", 10), view("001", 20)), (view("000_left3m", 30, -3.0),))
    seen = []

    def metric(track):
        seen.append(track)
        return SceneValue(1.0, 1)

    info = MetricInfo(name="seen", summary="Keeps the track.", target=metric, scope="scene")
    shots = [Shot("000_left3m", 3.0, lambda: np.zeros((24, 32, 3), np.uint8), camera=scene.test[0].camera)]
    score(shots, surroundings(scene, shifted), Scorer((), ((info, metric),)), 1)
    (track,) = seen
    if not shifted:
        assert track.real_frames == ()
        return
    assert [frame.view for frame in track.real_frames] == ["000", "001"]
    assert [frame.prediction.read()[0, 0, 0] for frame in track.real_frames] == [10, 20]
    assert all(frame.camera.c2w[0, 3] == 0 and frame.shift == 0 for frame in track.real_frames)
    assert [frame.prediction.digest for frame in track.real_frames] == [p.digest for p in track.real]
