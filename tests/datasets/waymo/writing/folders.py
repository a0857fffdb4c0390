"""The drive in the two preprocessed layouts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from .drive import NAMES, Drive, turned


def write_drivestudio(folder: Path, drive: Drive) -> Path:
    for name in ("images", "ego_pose", "extrinsics", "intrinsics", "lidar", "instances"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for step in range(drive.count):
        np.savetxt(folder / "ego_pose" / f"{step:03d}.txt", drive.egos[step])
        for n in NAMES:
            # The decoder goes by content, so pictures without loss may carry the layout's suffix.
            (folder / "images" / f"{step:03d}_{n - 1}.jpg").write_bytes(drive.picture(step, n))
        if drive.lidar:
            points = drive.points(step)
            rows = np.zeros((len(points), 14), "<f4")
            rows[:, 3:6] = points
            (folder / "lidar" / f"{step:03d}.bin").write_bytes(rows.tobytes())
    for n in NAMES:
        np.savetxt(folder / "extrinsics" / f"{n - 1}.txt", drive.mounts[n])
        np.savetxt(folder / "intrinsics" / f"{n - 1}.txt", drive.intrinsics(n))
    info = {}
    for index, body in enumerate(body for body in drive.bodies if body.kind != "sign"):
        poses = []
        for step in range(drive.count):
            centre, heading = drive.box(body, step)
            poses.append((drive.egos[step] @ turned(yaw=heading, at=centre)).tolist())
        info[str(index)] = {
            "id": body.track,
            "class_name": body.kind.capitalize(),
            "frame_annotations": {
                "frame_idx": list(range(drive.count)),
                "obj_to_world": poses,
                "box_size": [list(body.size)] * drive.count,
            },
        }
    (folder / "instances" / "instances_info.json").write_text(json.dumps(info))
    return folder


def write_street_gaussians(folder: Path, drive: Drive) -> Path:
    for name in ("images", "ego_pose", "extrinsics", "intrinsics", "track"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    opencv = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
    times: dict[str, dict[str, float]] = {"FRAME": {}, **{name: {} for name in NAMES.values()}}
    titles = ["height", "width", "length", "center_x", "center_y", "center_z", "heading"]
    rows = ["frame_id track_id object_class alpha " + " ".join(f"box_{t}" for t in titles) + " speed"]
    for step in range(drive.count):
        np.savetxt(folder / "ego_pose" / f"{step:06d}.txt", drive.egos[step])
        times["FRAME"][f"{step:06d}"] = drive.times[step] / 1e6
        for n, name in NAMES.items():
            np.savetxt(folder / "ego_pose" / f"{step:06d}_{n - 1}.txt", drive.image_ego(step, n))
            (folder / "images" / f"{step:06d}_{n - 1}.png").write_bytes(drive.picture(step, n))
            times[name][f"{step:06d}"] = drive.times[step] / 1e6 + 0.01 * n
        for track, body in enumerate(drive.bodies):
            (x, y, z), heading = drive.box(body, step)
            length, width, height = body.size
            speed = np.hypot(*body.velocity)
            rows.append(
                f"{step} {track} {body.kind} -10 {height} {width} {length} {x} {y} {z} {heading} {speed} "
            )
    (folder / "track" / "track_info.txt").write_text("\n".join(rows) + "\n")
    (folder / "timestamps.json").write_text(json.dumps(times, indent=1))
    for n in NAMES:
        np.savetxt(folder / "extrinsics" / f"{n - 1}.txt", drive.mounts[n] @ opencv)
        np.savetxt(folder / "intrinsics" / f"{n - 1}.txt", drive.intrinsics(n))
    return folder
