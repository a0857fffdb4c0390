"""Writing frames as a video file that ordinary players open."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.errors import OutputError
from recgen_bench.harness.files import replacing
from recgen_bench.harness.frames import quantise


def write_video(path: Path, frames: Iterable[NDArray[np.float32]], fps: int) -> None:
    """Write (H, W, 3) frames in [0, 1] as MPEG-4 in an MP4 file.

    Raises:
        OutputError: The file cannot be written, or OpenCV here has no encoder.
    """
    import cv2

    if path.suffix.lower() != ".mp4":
        raise OutputError("unknown kind of video", got=path.suffix, expected=".mp4", where=str(path))
    with replacing(path) as partial:
        writer = None
        for rgb in frames:
            height, width = rgb.shape[:2]
            if writer is None:
                code = cv2.VideoWriter.fourcc(*"mp4v")
                writer = cv2.VideoWriter(str(partial), code, fps, (width, height))
                if not writer.isOpened():
                    raise OutputError("OpenCV cannot encode MPEG-4 on this machine", where=str(path))
            writer.write(np.ascontiguousarray(quantise(rgb)[..., ::-1]))
        if writer is None:
            raise OutputError("there are no frames to write", where=str(path))
        writer.release()
