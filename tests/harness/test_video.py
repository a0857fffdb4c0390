"""Videos open again with the right size, length and colours."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from recgen_bench.harness.errors import OutputError
from recgen_bench.harness.video import write_video


def frames(count: int):
    for i in range(count):
        rgb = np.zeros((48, 64, 3), np.float32)
        rgb[..., 0] = 0.9  # Red, so that a swap of channels shows.
        rgb[: 4 * i] = [0.1, 0.1, 0.9]
        yield rgb


def test_a_video_can_be_read_again(tmp_path):
    path = tmp_path / "new" / "v.mp4"
    write_video(path, frames(10), fps=5)
    capture = cv2.VideoCapture(str(path))
    read = []
    while True:
        more, bgr = capture.read()
        if not more:
            break
        read.append(bgr[..., ::-1])
    assert capture.get(cv2.CAP_PROP_FPS) == 5
    capture.release()
    assert [image.shape for image in read] == [(48, 64, 3)] * 10
    for image, rgb in zip(read, frames(10), strict=True):
        assert np.abs(image / 255 - rgb).mean() < 0.06
    assert [file.name for file in path.parent.iterdir()] == ["v.mp4"]


def test_refusals_leave_nothing_behind(tmp_path):
    with pytest.raises(OutputError, match="unknown kind of video"):
        write_video(tmp_path / "v.avi", frames(2), fps=5)
    with pytest.raises(OutputError, match="no frames"):
        write_video(tmp_path / "v.mp4", frames(0), fps=5)

    def broken():
        yield from frames(2)
        raise ValueError("the method stops here")

    with pytest.raises(ValueError, match="stops here"):
        write_video(tmp_path / "v.mp4", broken(), fps=5)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        write_video(tmp_path / "file" / "v.mp4", frames(2), fps=5)
