"""A picture of a scene: some of its views, and everything that has a place seen from above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from recgen_bench.harness.errors import DataError, RecgenError
from recgen_bench.harness.inspection import evenly
from recgen_bench.harness.protocol import Protocol, format_metres
from recgen_bench.harness.scene import Capture, Float, Image, View
from recgen_bench.harness.split import divide
from recgen_bench.harness.topview import Ground, lay_ground, scale_length

WIDTH, MARGIN, GAP, CAPTION = 1200, 12, 8, 20
"""Pixels of the sheet's width, its white borders, between views, and height of a line of text."""

MOST_VIEWS, MOST_POINTS, MOST_FRUSTA = 12, 60_000, 150
FEW_POINTS = 20_000
"""Up to so many points are drawn larger."""

OVERSAMPLED = 2
"""Lines are drawn this much larger and averaged, because PIL draws them without smoothing."""

TRAIN, TEST, UNUSED = (31, 95, 200), (225, 85, 10), (120, 120, 120)
MOVING, PARKED, LINE, KERB = (200, 20, 90), (120, 60, 140), (40, 150, 90), (110, 110, 110)
INK, PAPER = (30, 30, 30), (250, 250, 248)

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A capture and what a protocol makes of its views.

    Attributes:
        capture: All of the scene.
        protocol: Name of the protocol, and the shift that is shown.
        train: Names of the training views.
        test: Names of the test views that were recorded.
        beside: Test views that were not recorded, because they stand beside the track.
    """

    capture: Capture
    protocol: str
    train: frozenset[str] = frozenset()
    test: frozenset[str] = frozenset()
    beside: tuple[View, ...] = ()

    def role(self, view: View) -> tuple[str, Colour]:
        """Return what a view is for, and its colour; a view that is trained on and tested is of the first."""
        if view.name in self.train:
            return ("train + test" if view.name in self.test else "train"), TRAIN
        return ("test", TEST) if view.name in self.test or view.shift else ("unused", UNUSED)


def divided(capture: Capture, protocol: Protocol) -> tuple[Shown, str]:
    """Return the capture divided by a protocol at its largest shift that fits, and why it fits at none.

    The reason is empty when it fits.
    """
    complaint = ""
    recorded = {view.name for view in capture.views}
    for shift in sorted(protocol.shift.distances, reverse=True) if protocol.shift else (None,):
        try:
            scene, _ = divide(capture, protocol, shift)
        except RecgenError as error:
            complaint = str(error)
            continue
        train = frozenset(view.name for view in scene.train)
        test = frozenset(view.name for view in scene.test if view.name in recorded)
        beside = tuple(view for view in scene.test if view.name not in recorded)
        name = protocol.name if shift is None else f"{protocol.name} at {format_metres(shift)}"
        return Shown(capture, name, train, test, beside), ""
    return Shown(capture, protocol.name), complaint


def contact_sheet(shown: Shown) -> Image:
    """Return one (H, 1200, 3) uint8 picture: up to 12 views with their names above the plan of the scene.

    Raises:
        DataError: The capture has no view, or the image of a view is damaged.
    """
    if not shown.capture.views:
        raise DataError("there is no view to draw", where=shown.capture.id)
    chosen = [shown.capture.views[i] for i in evenly(np.arange(len(shown.capture.views)), MOST_VIEWS)]
    parts = [_title(shown), _views(shown, chosen), Pillow.fromarray(top_view(shown))]
    height = sum(part.height for part in parts) + MARGIN * (len(parts) + 1)
    sheet = Pillow.new("RGB", (WIDTH, height), "white")
    top = MARGIN
    for part in parts:
        sheet.paste(part, (MARGIN, top))
        top += part.height + MARGIN
    return np.asarray(sheet)


def top_view(shown: Shown) -> Image:
    """Return the plan of a scene, (H, 1176, 3) uint8: cameras, points, boxes, lanes and a scale bar.

    The direction of driving, or else of looking, is to the right or up; see `lay_ground`.
    """
    ground = lay_ground(shown.capture, shown.beside, (WIDTH - 2 * MARGIN) * OVERSAMPLED)
    canvas = np.full((ground.height, ground.width, 3), PAPER, np.uint8)
    _points(canvas, ground, shown.capture)
    plan = Pillow.fromarray(canvas)
    pen = ImageDraw.Draw(plan)
    _lanes(pen, ground, shown.capture)
    _actors(pen, ground, shown.capture)
    _cameras(pen, ground, shown.beside, TEST, 0.6)
    # Test views last: one among many training views must not be hidden.
    for colour in (UNUSED, TRAIN, TEST):
        views = [view for view in shown.capture.views if shown.role(view)[1] == colour]
        _cameras(pen, ground, views, colour, 1.0)
    smooth = plan.resize((ground.width // OVERSAMPLED, ground.height // OVERSAMPLED), Pillow.Resampling.BOX)
    _legend(smooth, ground, shown)
    return np.asarray(smooth)


def _title(shown: Shown) -> Pillow.Image:
    capture = shown.capture
    title = Pillow.new("RGB", (WIDTH - 2 * MARGIN, 2 * CAPTION + 4), "white")
    pen = ImageDraw.Draw(title)
    pen.text((0, 0), _plain(f"{capture.dataset} / {capture.id}"), fill=INK, font=_font(18))
    counts = (
        f"{len(capture.views)} views, {len(capture.points):,} points, {len(capture.actors)} actors, "
        f"{len(capture.lanes)} lane lines; protocol {shown.protocol}: {len(shown.train)} training, "
        f"{len(shown.test) + len(shown.beside)} test"
    )
    pen.text((0, CAPTION + 4), _plain(counts), fill=INK, font=_font(14))
    return title


def _views(shown: Shown, views: Sequence[View]) -> Pillow.Image:
    """Return the views in rows of four, or of six where all are upright."""
    aspects = [view.camera.height / view.camera.width for view in views]
    columns = 6 if min(aspects) > 1 else 4
    width = (WIDTH - 2 * MARGIN - (columns - 1) * GAP) // columns
    height = round(width * min(max(aspects), 1.6 if columns == 6 else 1.0))
    rows = -(-len(views) // columns)
    sheet = Pillow.new("RGB", (WIDTH - 2 * MARGIN, rows * (height + CAPTION + GAP) - GAP), "white")
    pen = ImageDraw.Draw(sheet)
    for place, view in enumerate(views):
        left, top = (place % columns) * (width + GAP), (place // columns) * (height + CAPTION + GAP)
        role, colour = shown.role(view)
        pen.rectangle((left, top + 4, left + 11, top + 15), fill=colour)
        text = f"{view.name}  {role}"
        pen.text((left + 16, top + 1), _fitting(text, width - 18), fill=INK, font=_font(13))
        if view.read_image is None:
            pen.text((left + 16, top + CAPTION + 8), "no image", fill=UNUSED, font=_font(13))
            continue
        picture = Pillow.fromarray(view.image)
        scale = min(width / picture.width, height / picture.height)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        small = picture.resize(size, Pillow.Resampling.LANCZOS)
        sheet.paste(small, (left + (width - size[0]) // 2, top + CAPTION + (height - size[1]) // 2))
    return sheet


def _points(canvas: Image, ground: Ground, capture: Capture) -> None:
    """Paint points in their own colours, slightly darkened against the paper, the highest on top."""
    kept = evenly(np.arange(len(capture.points)), MOST_POINTS)
    xyz, rgb = capture.points.xyz[kept], capture.points.rgb[kept]
    order = np.argsort(xyz @ ground.up, kind="stable")
    columns, rows = np.floor(ground.place(xyz[order])).astype(np.int64).T
    colours = (rgb[order] * 0.85).astype(np.uint8)
    side = OVERSAMPLED + (len(kept) <= FEW_POINTS)
    for right in range(side):
        for down in range(side):
            x, y = columns + right, rows + down
            inside = (x >= 0) & (x < ground.width) & (y >= 0) & (y < ground.height)
            # Of several points in a pixel numpy keeps the last one written, which is the highest.
            canvas[y[inside], x[inside]] = colours[inside]


def _lanes(pen: ImageDraw.ImageDraw, ground: Ground, capture: Capture) -> None:
    for lane in capture.lanes:
        colour = KERB if "kerb" in lane.kind or "edge" in lane.kind else LINE
        pen.line(_path(ground, lane.polyline), fill=colour, width=2 * OVERSAMPLED)


def _actors(pen: ImageDraw.ImageDraw, ground: Ground, capture: Capture) -> None:
    """Draw each actor's box at the capture's middle time step, and the path of those that move."""
    frames = sorted({view.camera.frame for view in capture.views})
    middle = frames[len(frames) // 2]
    for actor in capture.actors:
        if not len(actor.frames):
            continue
        colour = MOVING if actor.moving else PARKED
        during = (actor.frames >= frames[0]) & (actor.frames <= frames[-1])
        if actor.moving and during.sum() > 1:
            pen.line(_path(ground, actor.poses[during][:, :3, 3]), fill=colour, width=OVERSAMPLED + 1)
        pose = actor.poses[int(np.argmin(np.abs(actor.frames - middle)))]
        x, y = actor.size[0] / 2, actor.size[1] / 2
        outline = np.array([[x, y, 0], [x, -y, 0], [-x, -y, 0], [-x, y, 0], [x, y, 0]])
        heading = np.array([[x / 2, y, 0], [x, 0, 0], [x / 2, -y, 0]])
        for line in (outline, heading):
            path = _path(ground, line @ pose[:3, :3].T + pose[:3, 3])
            pen.line(path, fill=colour, width=2 * OVERSAMPLED)


def _cameras(
    pen: ImageDraw.ImageDraw, ground: Ground, views: Sequence[View], colour: Colour, size: float
) -> None:
    """Draw a dot for each camera, and for at most 150 of them the borders of what they see.

    The frustum is the triangle from the centre through the image's left and right borders at half height.
    """
    framed = set(evenly(np.arange(len(views)), MOST_FRUSTA).tolist())
    for index, camera in enumerate(view.camera for view in views):
        ends = np.array([[0.0, camera.height / 2, 1], [camera.width, camera.height / 2, 1]])
        rays = ends @ np.linalg.inv(camera.K).T
        rays *= size * ground.frustum / np.linalg.norm(rays, axis=1, keepdims=True)
        corners = np.stack([np.zeros(3), *rays]) @ camera.c2w[:3, :3].T + camera.centre
        outline = _path(ground, corners)
        if index in framed:
            pen.line([*outline, outline[0]], fill=colour, width=OVERSAMPLED)
        (x, y), radius = outline[0], OVERSAMPLED * 2.5 * size
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _legend(plan: Pillow.Image, ground: Ground, shown: Shown) -> None:
    """Write the scale bar and the meaning of the colours that occur onto the plan."""
    pen = ImageDraw.Draw(plan)
    capture = shown.capture
    entries = {shown.role(view) for view in capture.views}
    present = sorted(entries, key=lambda entry: [TRAIN, TEST, UNUSED].index(entry[1]))
    present += [("test, beside the track", TEST)] if shown.beside else []
    present += [("moving actor", MOVING)] if any(actor.moving for actor in capture.actors) else []
    present += [("parked actor", PARKED)] if any(not actor.moving for actor in capture.actors) else []
    kerbs = ["kerb" in lane.kind or "edge" in lane.kind for lane in capture.lanes]
    present += [("lane", LINE)] if not all(kerbs) else []
    present += [("kerb", KERB)] if any(kerbs) else []
    font = _font(14)
    per_pixel = ground.units_per_pixel * OVERSAMPLED
    length = scale_length(per_pixel * plan.width / 6)
    unit = "m" if capture.world.unit == "metre" else "unit" if length == 1 else "units"
    label, bar = f"{length:g} {unit}", round(length / per_pixel)
    widths = [22 + font.getlength(text) + 14 for text, _ in present]
    total = MARGIN + bar + 10 + font.getlength(label) + 20 + sum(widths)
    baseline = plan.height - 16
    pen.rectangle((0, plan.height - 32, min(total, plan.width), plan.height), fill="white")
    pen.line((MARGIN, baseline, MARGIN + bar, baseline), fill=INK, width=3)
    for x in (MARGIN, MARGIN + bar):
        pen.line((x, baseline - 5, x, baseline + 5), fill=INK, width=2)
    left = MARGIN + bar + 10.0
    pen.text((left, baseline), label, fill=INK, font=font, anchor="lm")
    left += font.getlength(label) + 20
    for (text, colour), width in zip(present, widths, strict=True):
        pen.rectangle((left, baseline - 6, left + 14, baseline + 6), fill=colour)
        pen.text((left + 20, baseline), text, fill=INK, font=font, anchor="lm")
        left += width


def _path(ground: Ground, xyz: Float) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in ground.place(xyz)]


def _fitting(text: str, width: int) -> str:
    """Return the text, its beginning left out where it is too long: names differ at their ends."""
    measure = _font(13).getlength
    text = _plain(text)
    if measure(text) <= width:
        return text
    while text and measure("..." + text) > width:
        text = text[1:]
    return "..." + text


def _plain(text: str) -> str:
    """Return the text without characters that are no part of a line."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
