"""Predictions whose worth is known beforehand: the floors and ceilings of a metric.

They have the shape of methods, so that the loop renders, scores and records them as it does any other; but
they look at the answers, so that they are no methods and are registered nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.dataset import Request, load_dataset
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.method import Method, Rendering
from recgen_bench.harness.registration import DatasetInfo, MethodInfo
from recgen_bench.harness.run import Run
from recgen_bench.harness.scene import Camera, Oracle, Scene, View

PREFIX = "control/"
GREY = 0.5


@dataclass(frozen=True)
class Config:
    """What a control can be told.

    Attributes:
        blur: Standard deviation of the Gaussian in pixels, for control/blur.
    """

    blur: float = 2.0


@dataclass(frozen=True)
class Nothing:
    """What a control learns from its training views."""

    scene: str


Show = Callable[[Oracle, Sequence[View], Camera, Config], Rendering]


class Control(Method):
    """Shows what `show` makes of the truth.

    Args:
        dataset: Where the truth comes from; it must know it at any pose.
        show: (oracle, training views, camera, config) -> what is predicted there.
    """

    presets: Mapping[str, Config] = MappingProxyType({"demo": Config()})
    model = Nothing

    def __init__(self, dataset: DatasetInfo, show: Show) -> None:
        self.dataset = dataset
        self.show = show

    def reconstruct(self, scene: Scene, run: Run) -> Nothing:
        """Learn nothing."""
        return Nothing(scene.id)

    def render(self, model: Nothing, cameras: Sequence[Camera], run: Run) -> Iterator[Rendering]:
        """Yield what the control shows at each camera."""
        oracle = load_dataset(self.dataset).open(Request(model.scene, None)).oracle
        if oracle is None:
            raise DataError(
                "the truth is not known at every pose", expected="a generated world", where=self.dataset.name
            )
        for camera in cameras:
            yield self.show(oracle, run.scene.train, camera, run.config)


def controls(dataset: DatasetInfo) -> tuple[MethodInfo, ...]:
    """Return the controls of a data set as methods that can be planned and run."""
    return tuple(
        MethodInfo(
            name=PREFIX + name,
            summary=summary,
            target=partial(Control, dataset, show),  # type: ignore[abstract] # Without rounds, nothing is refined.
            presets=("demo",),
            per_shift=False,
        )
        for name, summary, show in (
            ("real", "The truth itself.", _real),
            ("copy", "The training image nearest in time, wherever the camera is.", _copy),
            ("blur", "The truth, blurred.", _blur),
            ("grey", "Grey everywhere.", _grey),
        )
    )


def is_control(method: str) -> bool:
    """Tell by its name whether a record is of a control."""
    return method.startswith(PREFIX)


def _real(oracle: Oracle, track: Sequence[View], camera: Camera, config: Config) -> Rendering:
    view = oracle.view("truth", camera)
    return Rendering(_unit(view.image), view.depth)


def _blur(oracle: Oracle, track: Sequence[View], camera: Camera, config: Config) -> Rendering:
    import cv2

    sharp = _real(oracle, track, camera, config)
    return replace(sharp, rgb=cv2.GaussianBlur(sharp.rgb, (0, 0), config.blur).astype(np.float32))


def _grey(oracle: Oracle, track: Sequence[View], camera: Camera, config: Config) -> Rendering:
    return Rendering(np.full((camera.height, camera.width, 3), GREY, np.float32))


def _copy(oracle: Oracle, track: Sequence[View], camera: Camera, config: Config) -> Rendering:
    # The earlier of two that are equally near.
    nearest = min(track, key=lambda view: (abs(view.camera.frame - camera.frame), view.camera.frame))
    return Rendering(_unit(nearest.image), nearest.depth)


def _unit(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return image.astype(np.float32) / np.float32(255)
