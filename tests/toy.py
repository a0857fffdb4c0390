"""A whole little plugin for the tests: a world of textured planes, a method with rounds, metrics, protocols.

Loaded with `load_registry([Path("tests/toy.py")])` or `recgen-bench ... --plugin tests/toy.py`. Nothing here
is random or slow: an image has 32x24 pixels and a cell takes a few hundredths of a second.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from recgen_bench.harness import (
    Camera,
    Capture,
    DataError,
    DatasetInfo,
    Event,
    Method,
    MethodInfo,
    MetricInfo,
    Pair,
    Picture,
    PriorInfo,
    ProtocolSource,
    PseudoView,
    Refinement,
    Rendering,
    Request,
    Round,
    Run,
    Scene,
    SceneValue,
    Track,
    View,
    WeightsInfo,
    World,
    hookimpl,
)
from recgen_bench.harness.images import read_rgb8
from recgen_bench.harness.trajectory import shift_lane

HERE = Path(__file__).parent
WIDTH, HEIGHT, FRAMES, STEP_M = 32, 24, 8, 0.5
K = np.array([[30.0, 0, 16], [0, 30, 12], [0, 0, 1]])
MOUNT = np.array([[0.0, 0, 1, 1], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])
"""Camera-to-vehicle: 1 m ahead of the origin, 1.5 m up, looking forward."""

PLANES = ((np.array([0.0, 0, 1]), 0.0), (np.array([1.0, 0, 0]), 30.0), (np.array([0.0, 1, 0]), 10.0))
"""Normal and offset: the ground, a wall ahead, a wall to the left. To the right is the sky."""

WEIGHTS = WeightsInfo(
    "toy-net", "acme/toy-net", "net/toy.safetensors", "0123abcd", "00" * 32, "MIT", 2_000_000
)

SCALE = WeightsInfo("toy-scale", "", "scale.txt", "1", hashlib.sha256(b"2.5").hexdigest(), "CC0-1.0", 3)


def track(count: int = FRAMES, turn: float = 0.0) -> tuple[Camera, ...]:
    """Return the cameras of a drive along +x that turns left by `turn` radians per frame."""
    cameras, position, heading = [], np.zeros(3), 0.0
    for frame in range(count):
        ego = np.eye(4)
        ego[:2, :2] = [[np.cos(heading), -np.sin(heading)], [np.sin(heading), np.cos(heading)]]
        ego[:3, 3] = position
        cameras.append(Camera(K, ego @ MOUNT, WIDTH, HEIGHT, frame / 10, frame, "front", ego))
        position = position + STEP_M * ego[:3, 0]
        heading += turn
    return tuple(cameras)


def cast(camera: Camera, phase: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the image (H, W, 3) uint8 and z-depth (H, W) float32, 0 for the sky."""
    u, v = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    pixels = np.stack([u, v, np.ones_like(u)], -1)
    # Directions have z = 1 in the camera, so the ray parameter is the z-depth.
    rays = pixels @ np.linalg.inv(camera.K).T @ camera.c2w[:3, :3].T
    depth = np.full(u.shape, np.inf)
    for normal, offset in PLANES:
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (offset - camera.centre @ normal) / (rays @ normal)
        depth = np.where((t > 1e-6) & (t < depth), t, depth)
    known = np.isfinite(depth)
    depth = np.where(known, depth, 0)
    x, y, z = np.moveaxis(camera.centre + depth[..., None] * rays, -1, 0)
    texture = np.stack([np.sin(x + phase), np.sin(y + 0.7 * phase), np.sin(z + x * 0.3)], -1)
    rgb = np.where(known[..., None], 0.5 + 0.4 * texture, [0.5, 0.7, 0.9])
    return (rgb * 255 + 0.5).astype(np.uint8), depth.astype(np.float32)


@dataclass(frozen=True, slots=True)
class ToyOracle:
    """The truth at any pose of one scene."""

    phase: float

    def view(self, name: str, camera: Camera) -> View:
        """Return the view through a camera."""
        return View(
            name,
            camera,
            read_image=lambda: cast(camera, self.phase)[0],
            read_depth=lambda: cast(camera, self.phase)[1],
        )


class ToyWorld:
    """The embedded data set: scene n has its texture moved by n; 2.5 m of road right, 6.5 m left."""

    def scenes(self, source: Path | None) -> tuple[str, ...]:
        """Return the three scenes that protocols use."""
        return ("0", "1", "2")

    def open(self, request: Request) -> Capture:
        """Return a scene; 13 is damaged and 14 has a bug."""
        if request.scene == "13":
            raise DataError("the scene is damaged", got="a cracked lens", where="scene 13")
        if request.scene == "14":
            raise RuntimeError("this adapter has a bug")
        oracle = ToyOracle(float(request.scene or 0))
        views = tuple(oracle.view(f"{camera.frame:06d}", camera) for camera in track())
        return Capture(
            "toy",
            request.scene or "0",
            views,
            world=World(unit="metre"),
            drivable=(2.5, 6.5),
            oracle=oracle,
            has_sky=True,
        )


class ToyFolder:
    """Recorded images without truth elsewhere: `<scene>/<frame>.png`, see `write_recording`."""

    def scenes(self, source: Path | None) -> tuple[str, ...]:
        """Return the folders that hold images."""
        return tuple(sorted(folder.name for folder in (source or Path()).iterdir() if folder.is_dir()))

    def open(self, request: Request) -> Capture:
        """Return the images in text order."""
        folder = (request.source or Path()) / (request.scene or ".")
        paths = sorted(folder.glob("*.png"))
        if not paths:
            raise DataError("no images", expected="<scene>/<frame>.png", where=str(folder))
        views = tuple(
            View(path.stem, camera, read_image=lambda path=path: read_rgb8(path), source=str(path))  # type: ignore[misc] # A default argument binds the loop variable.
            for path, camera in zip(paths, track(len(paths)), strict=True)
        )
        return Capture("toy-folder", request.scene or folder.resolve().name, views)


def write_recording(folder: Path, count: int = FRAMES) -> None:
    """Write a scene that `ToyFolder` reads."""
    from recgen_bench.harness.images import write_png

    for camera in track(count):
        write_png(folder / f"{camera.frame:03d}.png", cast(camera, 0.0)[0])


Failure = Literal[
    "none", "reconstruct", "refine", "distill", "render", "type", "foreign", "exit", "file",
    "nan", "size", "whole", "few", "many", "bare", "list", "depth-nan",
]  # fmt: skip


@dataclass(frozen=True)
class Config:
    """Settings of the toy method.

    Attributes:
        steps: Of each stepwise phase.
        turns: Rounds of refine and distill.
        pause_s: Sleep per step, to have something to interrupt.
        fail: Which misbehaviour to show.
    """

    steps: int = 12
    turns: int = 2
    pause_s: float = 0.0
    fail: Failure = "none"
    note: str | None = None


@dataclass(frozen=True)
class Layer:
    """A nested part of the model."""

    gain: Any
    """Torch tensor, (3,) float32."""
    history: tuple[str, ...]


@dataclass(frozen=True)
class ToyModel:
    """One image that is shown everywhere, and what happened to it."""

    image: np.ndarray
    """(H, W, 3) float64."""
    layer: Layer
    answers: int = 0


class Toy(Method):
    """Averages training images in a random order that `seed_for` fixes; rounds add noisy pseudo-views."""

    presets: Mapping[str, Any] = {"paper": Config(steps=40), "demo": Config()}
    model = ToyModel

    def reconstruct(self, scene: Scene, run: Run) -> Any:
        """Blend training images one by one."""
        import torch

        _count(run)
        _misbehave(run, "reconstruct")
        if run.config.fail == "type":
            return "not a model"
        image = _stepwise(run, np.zeros((HEIGHT, WIDTH, 3)), [view.image for view in scene.train])
        gain = torch.ones(3)
        return ToyModel(image, Layer(gain, ("reconstruct",)))

    def rounds(self, model: Any, run: Run) -> Iterable[Round]:
        """Return one round per metre of shift."""
        cameras = [view.camera for view in run.scene.train]
        for metres in range(1, run.config.turns + 1):
            yield Round(f"shift {metres} m", shift_lane(cameras, float(metres)))

    def refine(self, model: Any, turn: Round, run: Run) -> Refinement:
        """Return the model's image with noise, at every camera of the round."""
        _count(run)
        _misbehave(run, "refine")
        rng = np.random.default_rng(run.seed_for("noise"))
        views = []
        for camera in turn.cameras:
            noisy = model.image + rng.normal(0, 0.02, model.image.shape)
            views.append(PseudoView(camera, (np.clip(noisy, 0, 1) * 255).astype(np.uint8)))
        if run.config.fail == "foreign":
            return ForeignRefinement(tuple(views), len(views), "undeclared")
        return Refinement(tuple(views), generator_calls=len(views))

    def distill(self, model: Any, refinement: Refinement, run: Run) -> Any:
        """Blend the pseudo-views in."""
        import torch

        _count(run)
        _misbehave(run, "distill")
        image = _stepwise(run, model.image, [view.image for view in refinement.views])
        gain = model.layer.gain * torch.tensor([1.0, 0.99, 0.98])
        layer = Layer(gain, (*model.layer.history, run.phase))
        return replace(model, image=image, layer=layer, answers=model.answers + refinement.generator_calls)

    def render(self, model: Any, cameras: Sequence[Camera], run: Run) -> Iterator[Rendering]:
        """Show the image, rolled a little with the camera's position."""
        _count(run)
        _misbehave(run, "render")
        if run.config.fail == "list":
            return [self._frame(model, camera, run) for camera in cameras]  # type: ignore[return-value] # On purpose.
        return self._frames(model, cameras, run)

    def _frames(self, model: Any, cameras: Sequence[Camera], run: Run) -> Iterator[Any]:
        for number, camera in enumerate(cameras):
            if run.config.fail == "few" and number == 3:
                return
            yield self._frame(model, camera, run)
            time.sleep(run.config.pause_s)
        if run.config.fail == "many":
            yield self._frame(model, cameras[-1], run)

    def _frame(self, model: Any, camera: Camera, run: Run) -> Any:
        rgb = np.roll(model.image, round(10 * camera.centre[1]), axis=1) * model.layer.gain.numpy()
        rgb = rgb.astype(np.float32)
        depth = np.full((HEIGHT, WIDTH), 5, np.float32)
        match run.config.fail:
            case "nan":
                rgb[3, 4] = np.nan
            case "depth-nan":
                depth[3, 4] = np.nan
            case "size":
                rgb = rgb[:, 1:]
            case "whole":
                return Rendering((rgb * 255).astype(np.uint8), depth)  # type: ignore[arg-type] # On purpose.
            case "bare":
                return rgb
        return Rendering(rgb, depth)


@dataclass(frozen=True, eq=False)
class ForeignRefinement(Refinement):
    """A refinement that the method does not declare, so that it could not be read back."""

    extra: str = ""


def _stepwise(run: Run, start: np.ndarray, images: Sequence[np.ndarray]) -> np.ndarray:
    """Blend images into `start`, one per step, going on from the latest snapshot."""
    image, first = start, 0
    snapshot = run.snapshots.latest()
    if snapshot is not None:
        image, first = snapshot.state["image"], snapshot.step
    for step in range(first, run.config.steps):
        rng = np.random.default_rng(run.seed_for(f"step {step}"))
        image = 0.8 * image + 0.2 * images[rng.integers(len(images))] / 255
        run.snapshots.save_if_due(step + 1, lambda image=image: {"image": image})  # type: ignore[misc] # As above.
        run.report(step + 1, run.config.steps, {"mean": float(image.mean())})
        time.sleep(run.config.pause_s)
    return image


def _count(run: Run) -> None:
    """Leave a line in the scratch folder, so that tests see how often a phase really ran."""
    with (run.scratch / "calls.txt").open("a") as file:
        file.write(f"{run.phase}\n")


def _misbehave(run: Run, phase: str) -> None:
    match run.config.fail:
        case "exit" if phase == "reconstruct":
            sys.exit("a third-party script ends here")
        case "file" if phase == "reconstruct":
            Path("/nowhere/model.bin").read_bytes()
        case failing if failing == phase:
            raise RuntimeError(f"toy trouble in {phase}")


def mae(pair: Pair) -> float:
    """Return the mean absolute difference in 8-bit levels."""
    return float(np.abs(pair.prediction.astype(float) - pair.reference).mean())


def depth_mae(pair: Pair) -> float:
    """Return the mean absolute difference of depth in metres where it is known."""
    assert pair.reference_depth is not None
    assert pair.prediction_depth is not None
    known = pair.reference_depth > 0
    return float(np.abs(pair.prediction_depth - pair.reference_depth)[known].mean())


def brightness(track: Track) -> SceneValue:
    """Return how much brighter the frames are than the real set on average, in 8-bit levels."""
    if not track.real:
        return SceneValue(None, 0, reason="there is no real set")
    level = np.mean([_level(track, picture) for picture in track.real])
    per_view = {
        frame.view: {"level": _level(track, frame.prediction), "real": float(level)} for frame in track.frames
    }
    facts = {"real": str(len(track.real)), "actors": str(len(track.actors))}
    return SceneValue(brightness_of(per_view), len(per_view), facts=facts, per_view=per_view)


def brightness_of(per_view: Mapping[str, Mapping[str, float]]) -> float:
    """Return the value that the statistics give."""
    return float(np.mean([stats["level"] - stats["real"] for stats in per_view.values()]))


computed: list[str] = []
"""The digests of the images whose level was computed since this file was loaded."""


def _level(track: Track, picture: Picture) -> float:
    def compute() -> np.ndarray:
        computed.append(picture.digest)
        return np.float64(picture.read().mean())

    return float(track.stored("toy level 1", picture.digest, compute))


def known(track: Track) -> SceneValue:
    """Return the number of frames, and what is known of each; -1 where nothing is."""
    per_view = {
        frame.view: {
            "boxes": -1 if frame.boxes is None else len(frame.boxes),
            "detections": -1 if frame.detections is None else len(frame.detections),
            "lanes": -1 if frame.lanes is None else int(frame.lanes.sum()),
            "lane_prediction": -1 if frame.lane_prediction is None else int(frame.lane_prediction.sum()),
        }
        for frame in track.frames
    }
    return SceneValue(len(per_view), len(per_view), per_view=per_view)


def scaled(weights: Callable[[str], Path], device: str) -> Callable[[Pair], float]:
    """Return the mean absolute difference times the number in the file of weights."""
    factor = float(weights("toy-scale").read_text())
    return lambda pair: factor * mae(pair)


def scaled_scene(track: Track) -> SceneValue:
    """Return the number in the file of weights."""
    return SceneValue(float(track.weights("toy-scale").read_text()), len(track.frames))


def not_a_number(pair: Pair) -> float:
    """Return what a metric must not return."""
    return float("nan")


@hookimpl
def register_methods(register: Callable[[MethodInfo], None]) -> None:
    """Register the toy and its variants."""
    register(MethodInfo("toy", "Averages images.", Toy, presets=("paper", "demo"), paper="none"))
    register(
        MethodInfo("toy-shared", "One training for all shifts.", Toy, ("paper", "demo"), per_shift=False)
    )
    register(MethodInfo("toy-weights", "Needs weights.", Toy, ("paper", "demo"), weights=(WEIGHTS,)))
    register(MethodInfo("toy-nowhere", "Its module is missing.", "recgen_no_such_module:Toy"))
    register(MethodInfo("toy-presets", "Declares a preset that it does not hold.", Toy, ("full",)))


@hookimpl
def register_datasets(register: Callable[[DatasetInfo], None]) -> None:
    """Register the world and the folder format."""
    register(DatasetInfo("toy", "Textured planes.", ToyWorld, "toy-shift", embedded=True))
    register(
        DatasetInfo(
            "toy-folder",
            "Images in folders.",
            ToyFolder,
            "toy-heldout",
            obtain="Call write_recording.",
            layout="<scene>/<frame>.png",
        )
    )


@hookimpl
def register_metrics(register: Callable[[MetricInfo], None]) -> None:
    """Register two metrics that can be checked by hand, and a broken one."""
    register(MetricInfo("toy_mae", "Mean absolute error.", mae, direction="lower", digits=2))
    register(
        MetricInfo(
            "toy_depth_mae",
            "Mean absolute error of depth.",
            depth_mae,
            direction="lower",
            unit="m",
            needs=frozenset({"depth"}),
        )
    )
    register(MetricInfo("toy_nan", "Always NaN.", not_a_number))
    register(
        MetricInfo("toy_bright", "Brightness.", brightness, scope="scene", aggregate=brightness_of, digits=2)
    )
    register(MetricInfo("toy_known", "Frames.", known, scope="scene"))
    register(MetricInfo("toy_scaled", "Needs weights.", scaled, weights=(SCALE,)))
    register(MetricInfo("toy_scaled_scene", "Needs them too.", scaled_scene, scope="scene", weights=(SCALE,)))


@hookimpl
def register_priors(register: Callable[[PriorInfo], None]) -> None:
    """Register a prior, which nothing uses."""
    register(PriorInfo("toy-prior", "Nothing.", "toy:nothing", trained_on=("toy/0",)))


@hookimpl
def register_protocols(register: Callable[[ProtocolSource], None]) -> None:
    """Register the protocols beside this file."""
    register(ProtocolSource(HERE / "toy-shift.toml"))
    register(ProtocolSource(HERE / "toy-heldout.toml"))


heard: list[Event] = []
"""Every event since this file was loaded."""


@hookimpl
def on_event(event: Event) -> None:
    """Remember the event."""
    heard.append(event)
