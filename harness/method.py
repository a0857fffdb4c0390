"""The contract between a method and the loop: reconstruct, then rounds of refine and distill, then render."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.run import Run
from recgen_bench.harness.scene import Camera, Depth, Image, Mask, Scene


@dataclass(frozen=True, slots=True, eq=False)
class Rendering:
    """One frame as a method renders it.

    Attributes:
        rgb: (H, W, 3) float32 in [0, 1]; values outside are clipped when the frame is stored.
        depth: (H, W) float32 z-depth in world units, 0 where nothing was hit; None when unknown.
        eig: (H, W) float32 expected information gain of each pixel, at least 0; None where the method
            estimates none. It is kept beside the frame.
    """

    rgb: NDArray[np.float32]
    depth: Depth | None = None
    eig: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of a paper's schedule; methods subclass it to carry more.

    Attributes:
        label: What happens, for progress and accounting, for example "shift 3 m".
        cameras: Where pseudo-views are made; empty for per-step priors.
    """

    label: str
    cameras: tuple[Camera, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class PseudoView:
    """A generated training view.

    Attributes:
        camera: Where it was rendered.
        image: (H, W, 3) uint8, the generator's answer.
        weight: (H, W) float32 weight of each pixel in the loss; None means 1.
        depth: (H, W) float32 z-depth, 0 where unknown; None when there is none.
        sky: (H, W) bool, True where the pixel shows sky; None when that is not known.
    """

    camera: Camera
    image: Image
    weight: NDArray[np.float32] | None = None
    depth: Depth | None = None
    sky: Mask | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Refinement:
    """What a round generated; per-step priors return their state in a subclass.

    Attributes:
        views: Pseudo-views to distil.
        generator_calls: Forward passes of the generator, for the accounting.
    """

    views: tuple[PseudoView, ...] = ()
    generator_calls: int = 0


class Method(Protocol):
    """A method is one class whose body reads like its paper's algorithm box.

    Subclass it to inherit the defaults of a plain reconstruction: no rounds.

    Attributes:
        presets: The named configurations, frozen dataclasses of plain values that `--set` can override.
        model: The frozen dataclass of arrays, tensors and plain values that `reconstruct` returns; the
            loop stores it after each phase and passes it back after a restart.
    """

    presets: Mapping[str, Any]
    model: type

    def reconstruct(self, scene: Scene, run: Run) -> Any:
        """Return the base 3D representation trained on the scene's training views."""
        ...

    def rounds(self, model: Any, run: Run) -> Iterable[Round]:
        """Return the schedule of refine-and-distill turns, the same one whenever asked."""
        return ()

    def refine(self, model: Any, turn: Any, run: Run) -> Refinement:
        """Generate or repair pseudo-views for one turn, a `Round` as `rounds` yielded it."""
        raise NotImplementedError

    def distill(self, model: Any, refinement: Any, run: Run) -> Any:
        """Return the model after learning from the pseudo-views, a `Refinement` as `refine` returned it."""
        raise NotImplementedError

    def render(self, model: Any, cameras: Sequence[Camera], run: Run) -> Iterator[Rendering]:
        """Yield one rendering for each camera, in order and at the camera's size."""
        ...
