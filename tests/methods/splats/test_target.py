from dataclasses import replace

import numpy as np
import torch

from recgen_bench.methods.splats.target import Target, shuffled, stream, target


def test_every_epoch_visits_every_target_once_in_another_order(toy_scene):
    targets = [Target(view.camera) for view in toy_scene.train]
    visit = shuffled(targets, seed=1)
    epochs = [[visit(8 * epoch + i)[0] for i in range(8)] for epoch in range(3)]
    orders = [[targets.index(chosen) for chosen in epoch] for epoch in epochs]
    assert all(sorted(order) == list(range(8)) for order in orders)
    assert orders[0] != orders[1]
    # Any iteration can be asked for, in any order, also from another process.
    assert [shuffled(targets, 1)(i)[0] for i in (17, 3)] == [epochs[2][1], epochs[0][3]]


def test_streams_repeat_and_differ():
    def draw(seed, step):
        return torch.rand(4, generator=stream(seed, step)).tolist()

    assert draw(1, 2) == draw(1, 2)
    assert len({tuple(draw(*key)) for key in ((1, 2), (2, 1), (12, 0), (1, 20), (2**40 + 1, 2))}) == 5


def test_a_view_is_decoded_once_and_its_mask_becomes_weights(toy_scene):
    view = toy_scene.train[0]
    mask = np.zeros((24, 32), bool)
    mask[:, 5:] = True
    depth = np.ones((24, 32), np.float32)
    decoded = target(replace(view, read_mask=lambda: mask, read_depth=lambda: depth), "cpu")
    assert torch.equal(decoded.image, torch.from_numpy(view.image))
    assert torch.equal(decoded.weight, torch.from_numpy(mask).float())
    assert decoded.depth is None
    assert target(view, "cpu").weight is None
    with_depth = target(replace(view, read_depth=lambda: depth), "cpu", with_depth=True)
    assert with_depth.depth.sum() == 24 * 32
