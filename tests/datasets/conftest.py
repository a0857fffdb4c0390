"""Writers of small captures in every format: 32x24 pictures, known poses, known points."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

COLMAP_IDS = {
    "SIMPLE_PINHOLE": 0,
    "PINHOLE": 1,
    "SIMPLE_RADIAL": 2,
    "RADIAL": 3,
    "OPENCV": 4,
    "OPENCV_FISHEYE": 5,
}


class Writer:
    """Writes one scene; `poses`, (N, 4, 4) camera-to-world in OpenCV axes, are what readers must return."""

    width, height = 32, 24
    fx, fy, cx, cy = 30.0, 31.0, 16.5, 11.5

    def __init__(self, count: int = 6) -> None:
        rng = np.random.default_rng(0)
        self.names = [f"{index + 1}.png" for index in range(count)]
        self.poses = np.stack([np.eye(4)] * count)
        self.quats = rng.standard_normal((count, 4))
        self.quats /= np.linalg.norm(self.quats, axis=1, keepdims=True)
        for index, (w, x, y, z) in enumerate(self.quats):
            # World-to-camera rotation from the quaternion, by its action q v q*.
            a, v = w, np.array([x, y, z])
            cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
            R = (a * a - v @ v) * np.eye(3) + 2 * np.outer(v, v) + 2 * a * cross
            self.poses[index, :3, :3] = R.T
            self.poses[index, :3, 3] = rng.standard_normal(3)
        self.xyz = rng.standard_normal((20, 3))
        self.rgb = rng.integers(0, 256, (20, 3), dtype=np.uint8)

    def picture(self, path: Path, index: int = 0, size: tuple[int, int] | None = None) -> np.ndarray:
        """Write a noise picture, and return its pixels."""
        width, height = size or (self.width, self.height)
        pixels = np.random.default_rng(index).integers(0, 256, (height, width, 3), dtype=np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return pixels

    def pictures(self, folder: Path, divisor: int = 1, pattern: str | None = None) -> None:
        """Write one picture per frame, shrunk by the divisor, under other names if a pattern is given."""
        size = self.width // divisor, self.height // divisor
        for index, name in enumerate(self.names):
            self.picture(folder / (name if pattern is None else pattern.format(index)), index, size)

    def colmap(
        self, root: Path, kind: str = "bin", model: str = "PINHOLE", extra: tuple[float, ...] = ()
    ) -> Path:
        """Write sparse/0 and return it."""
        folder = root / "sparse" / "0"
        folder.mkdir(parents=True, exist_ok=True)
        params = (self.fx, self.fy, self.cx, self.cy, *extra)
        if model.startswith(("SIMPLE", "RADIAL")):
            params = (self.fx, self.cx, self.cy, *extra)
        translations = [-pose[:3, :3].T @ pose[:3, 3] for pose in self.poses]
        if kind == "bin":
            self._binary(folder, model, params, translations)
        else:
            self._text(folder, model, params, translations)
        return folder

    def _binary(self, folder: Path, model: str, params: tuple, translations: list) -> None:
        camera = struct.pack("<QiiQQ", 1, 7, COLMAP_IDS[model], self.width, self.height)
        (folder / "cameras.bin").write_bytes(camera + struct.pack(f"<{len(params)}d", *params))
        images = struct.pack("<Q", len(self.names))
        for index in reversed(range(len(self.names))):
            images += struct.pack("<i7di", index + 1, *self.quats[index], *translations[index], 7)
            images += self.names[index].encode() + b"\0" + struct.pack("<Q", 2)
            images += struct.pack("<ddqddq", 1.5, 2.5, -1, 3.5, 4.5, 3)
        (folder / "images.bin").write_bytes(images)
        points = struct.pack("<Q", len(self.xyz))
        for index, (xyz, rgb) in enumerate(zip(self.xyz, self.rgb, strict=True)):
            points += struct.pack("<Q3d3BdQ", index, *xyz, *rgb, 0.5, index % 3) + b"\1" * 8 * (index % 3)
        (folder / "points3D.bin").write_bytes(points)

    def _text(self, folder: Path, model: str, params: tuple, translations: list) -> None:
        def row(*values: object) -> str:
            return " ".join(repr(float(v)) if isinstance(v, float) else str(v) for v in values) + "\n"

        cameras = "# a comment\n" + row(7, model, self.width, self.height, *params)
        (folder / "cameras.txt").write_text(cameras)
        images = "# a comment\n"
        for index, name in enumerate(self.names):
            images += row(index + 1, *self.quats[index].tolist(), *translations[index].tolist(), 7, name)
            images += "\n" if index % 2 else "1.5 2.5 -1 3.5 4.5 3\n"
        (folder / "images.txt").write_text(images)
        points = "".join(
            row(index, *xyz.tolist(), *rgb.tolist(), 0.5, 1, 2)
            for index, (xyz, rgb) in enumerate(zip(self.xyz, self.rgb, strict=True))
        )
        (folder / "points3D.txt").write_text(points)

    def transforms(self, root: Path, **changes: object) -> dict:
        """Write transforms.json with changed top-level keys (None drops one), and return what it holds."""
        flip = np.diag([1.0, -1, -1, 1])
        data: dict = {
            "fl_x": self.fx,
            "fl_y": self.fy,
            "cx": self.cx,
            "cy": self.cy,
            "w": self.width,
            "h": self.height,
        }
        data["frames"] = [
            {"file_path": f"images/{name}", "transform_matrix": (pose @ flip).tolist()}
            for name, pose in zip(self.names, self.poses, strict=True)
        ]
        data = {key: value for key, value in {**data, **changes}.items() if value is not None}
        self.save(root, data)
        return data

    def save(self, root: Path, data: object) -> None:
        """Write transforms.json."""
        root.mkdir(parents=True, exist_ok=True)
        (root / "transforms.json").write_text(json.dumps(data))

    def llff(self, root: Path) -> np.ndarray:
        """Write poses_bounds.npy in text order of the names, and return the table."""
        rows = []
        for index in np.argsort(self.names):
            pose = self.poses[index]
            columns = [
                pose[:3, 1],
                pose[:3, 0],
                -pose[:3, 2],
                pose[:3, 3],
                [self.height, self.width, self.fx],
            ]
            rows.append([*np.stack(columns, axis=1).ravel(), 0.5, 9.0])
        root.mkdir(parents=True, exist_ok=True)
        np.save(root / "poses_bounds.npy", np.array(rows))
        return np.array(rows)


@pytest.fixture
def writer() -> Writer:
    """Return a writer of captures with six frames."""
    return Writer()


@pytest.fixture
def many() -> Writer:
    """Return a writer of captures with a thousand frames."""
    return Writer(1000)


@pytest.fixture
def damaged():
    """Return (content, alphabet, count) -> variants: truncated, or with up to three bytes replaced."""

    def variants(content: bytes, alphabet: bytes | None = None, count: int = 240):
        rng = np.random.default_rng(11)
        letters = np.frombuffer(alphabet or bytes(range(256)), np.uint8)
        for index in range(count):
            hurt = bytearray(content)
            if index % 4 == 0:
                hurt = hurt[: rng.integers(len(content))]
            else:
                for at in rng.integers(0, len(content), index % 4):
                    hurt[at] = rng.choice(letters)
            yield bytes(hurt)

    return variants
