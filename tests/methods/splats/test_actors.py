from dataclasses import replace

import numpy as np
import pytest
import torch

from recgen_bench.harness.scene import Actor, Points
from recgen_bench.methods.splats.actors import at_frame, modelled, moved, outside, pose
from recgen_bench.methods.splats.compose import render
from recgen_bench.methods.splats.model import static


def turned(angle, x, y, z):
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    pose[:3, 3] = x, y, z
    return pose


def test_posing_is_the_rigid_transform_of_every_row(street_scene):
    _, model = street_scene
    poses = np.stack([turned(0.3 * i, i, -i, 0.5) for i in range(6)])
    model = replace(model, tracks=(replace(model.tracks[0], poses=poses),))
    posed = pose(model, 2, 0)
    assert posed.present is None
    car = model.owner == 0
    expected = model.gaussians.means[car].double() @ torch.from_numpy(poses[2, :3, :3].T) + torch.from_numpy(
        poses[2, :3, 3]
    )
    assert torch.allclose(posed.gaussians.means[car].double(), expected, atol=1e-5)
    assert torch.equal(posed.gaussians.means[~car], model.background.means)
    alone = moved(model.actor("car"), poses[2])
    for name in ("means", "quats", "scales", "sh0"):
        assert torch.equal(getattr(alone, name), getattr(posed.gaussians, name)[car])


def test_gradients_return_to_the_axes_of_the_box(street_scene):
    _, model = street_scene
    matrix = turned(0.7, 1, 2, 3)
    model = replace(
        model,
        gaussians=model.gaussians.trainable(),
        tracks=(replace(model.tracks[0], poses=np.stack([matrix] * 6)),),
    )
    weight = torch.randn(len(model), 3, generator=torch.Generator().manual_seed(0))
    (pose(model, 0, 0).gaussians.means * weight).sum().backward()
    car = model.owner == 0
    assert torch.allclose(model.gaussians.means.grad[~car], weight[~car])
    rotation = torch.from_numpy(matrix[:3, :3]).float()
    assert torch.allclose(model.gaussians.means.grad[car], weight[car] @ rotation, atol=1e-5)


def red_column(image):
    """Mean column of the red excess, None without any."""
    excess = (image[..., 0] - image[..., 1:].amax(-1) - 0.3).clamp_min(0).sum(0)
    return None if excess.sum() < 0.5 else float((excess * torch.arange(len(excess))).sum() / excess.sum())


def test_an_actor_is_rendered_where_its_box_is(street_scene):
    scene, model = street_scene
    camera = scene.train[2].camera
    columns = []
    for frame in range(6):
        here = replace(camera, frame=frame)
        columns.append(red_column(render(model, here).rgb))
        centre = here.K @ (here.w2c @ np.append(model.tracks[0].poses[frame, :3, 3], 1))[:3]
        assert columns[-1] == pytest.approx(centre[0] / centre[2] - 0.5, abs=1.0)
    assert columns == sorted(columns)
    gone = render(model, replace(camera, frame=17))
    assert red_column(gone.rgb) is None
    assert torch.equal(gone.rgb, render(static(model.background, model.sky), camera).rgb)


def test_a_file_holds_the_actors_of_one_frame_or_none(street_scene):
    _, model = street_scene
    assert len(at_frame(model, None)) == 150
    assert len(at_frame(model, 3)) == 190
    assert len(at_frame(model, 99)) == 150


def test_harmonics_turn_with_the_actor(street_scene):
    """A camera that turns with the actor sees the same colours, also of view-dependent Gaussians."""
    scene, model = street_scene
    block = model.actor("car").with_degree(2)
    generator = torch.Generator().manual_seed(0)
    block = replace(block, shN=torch.randn(block.shN.shape, generator=generator) * 0.3)
    matrix = turned(2.0, 0.5, 0.2, -0.1)
    camera = scene.train[0].camera
    before = render(static(block), camera).rgb
    after = render(static(moved(block, matrix)), replace(camera, c2w=matrix @ camera.c2w)).rgb
    assert (before - render(static(block.with_degree(0)), camera).rgb).abs().max() > 0.05
    # A pixel at the rim of a Gaussian may fall on the other side of the 1/255 threshold.
    assert (before - after).abs().max() < 5e-3


def box(moving, poses, points=Points()):  # noqa: B008 (immutable)
    frames = np.arange(len(poses))
    return Actor("a", "vehicle", np.array([4.0, 2.0, 1.5]), frames, np.stack(poses), moving, points)


def test_points_in_a_moving_box_leave_the_background_except_its_lowest_part():
    at = turned(np.pi / 2, 10, 0, 0.75)  # Along y, standing on the ground.
    xyz = np.array(
        [[10, 1.9, 1], [10, 2.1, 1], [10.9, 0, 1], [11.1, 0, 1], [10, 0, 0.01], [10, 0, 0.3], [0, 0, 1]]
    )
    points = Points(xyz, np.arange(21, dtype=np.uint8).reshape(7, 3))
    kept = outside(points, [box(True, [np.eye(4) + 0, at])])
    assert kept.xyz.tolist() == xyz[[1, 3, 4]].tolist() or kept.xyz.tolist() == xyz[[1, 3, 4, 6]].tolist()
    assert len(outside(points, [box(False, [at])])) == 7
    assert len(outside(points, [])) == 7


def test_only_moving_actors_with_points_are_modelled():
    some = Points(np.zeros((1, 3)), np.zeros((1, 3), np.uint8))
    pose = [np.eye(4)]
    chosen = modelled([box(True, pose, some), box(False, pose, some), box(True, pose)])
    assert len(chosen) == 1
    assert chosen[0].moving
