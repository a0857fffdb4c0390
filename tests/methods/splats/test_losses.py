import pytest
import torch

from recgen_bench.harness.errors import MethodFailed
from recgen_bench.methods.splats.calling import kernels_on
from recgen_bench.methods.splats.losses import (
    depth_distance,
    photometric,
    photometric_reference,
    sky_entropy,
    ssim_map,
)


def images(height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 5, 7, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")[0].permute(1, 2, 0)
    noisy = smooth + 0.1 * torch.randn(height, width, 3, generator=generator)
    weights = torch.rand(2, height, width, generator=generator)
    return noisy.contiguous(), smooth.contiguous(), weights[0], weights[1]


@pytest.mark.parametrize("padding", ["valid", "zero"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("structure", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("size", [(24, 32), (11, 17), (61, 53)])
def test_value_and_gradient_agree_with_float64_autograd(size, structure, weighted, padding):
    rendered, target, *weights = images(*size)
    w, v = weights if weighted else (None, None)
    fast = rendered.clone().requires_grad_()
    loss = photometric(fast, target, structure=structure, padding=padding, weight=w, structure_weight=v)
    (3 * loss).backward()
    exact = rendered.double().requires_grad_()
    planes = [None if plane is None else plane.double() for plane in (w, v)]
    expected = photometric_reference(exact, target.double(), *planes, structure, padding)
    (3 * expected).backward()
    assert abs(loss.item() - expected.item()) < 1e-6
    error = (fast.grad - exact.grad).norm() / exact.grad.norm()
    assert error < 1e-5


def test_the_reference_agrees_with_an_independent_ssim():
    from skimage.metrics import structural_similarity

    a, b, *_ = images(24, 32)
    a = a.clamp(0, 1)
    mean, full = structural_similarity(
        a.double().numpy(), b.double().numpy(), channel_axis=-1, data_range=1.0, gaussian_weights=True,
        sigma=1.5, use_sample_covariance=False, full=True,
    )  # fmt: skip
    ours = ssim_map(a.double(), b.double(), "valid")
    assert ours.mean().item() == pytest.approx(mean, abs=1e-9)
    assert torch.allclose(ours, torch.from_numpy(full)[5:-5, 5:-5], atol=1e-9)


@pytest.mark.parametrize("padding", ["valid", "zero"])
def test_the_bits_do_not_depend_on_the_threads(padding):
    rendered, target, w, v = images(61, 53)
    results = []
    for threads in (1, 2, 3, 7):
        leaf = rendered.clone().requires_grad_()
        with kernels_on(threads):
            loss = photometric(leaf, target, padding=padding, weight=w, structure_weight=v)
        loss.backward()
        results.append((loss.item(), leaf.grad))
    assert all(value == results[0][0] for value, _ in results)
    assert all(torch.equal(gradient, results[0][1]) for _, gradient in results)


def test_equal_images_have_neither_loss_nor_gradient():
    _, target, *_ = images(24, 32)
    leaf = target.clone().requires_grad_()
    loss = photometric(leaf, target)
    loss.backward()
    assert abs(loss.item()) < 1e-7
    assert leaf.grad.abs().max() < 1e-6


def test_a_weight_of_zero_hides_a_pixel_from_the_l1_term():
    rendered, target, w, _ = images(24, 32)
    w[3:9, 4:20] = 0
    leaf = rendered.clone().requires_grad_()
    photometric(leaf, target, structure=0.0, weight=w).backward()
    assert not leaf.grad[3:9, 4:20].any()
    assert leaf.grad[10:].abs().sum() > 0


def test_wrong_sizes_are_refused():
    rendered, target, w, _ = images(24, 32)
    with pytest.raises(MethodFailed, match="differ in size"):
        photometric(rendered, target[:-1])
    with pytest.raises(MethodFailed, match="differ in size"):
        photometric(rendered, target, weight=w[:, 1:])
    with pytest.raises(MethodFailed, match="smaller than the window"):
        photometric(rendered[:9], target[:9], padding="valid")
    assert photometric(rendered[:9], target[:9], padding="zero") > 0


def test_without_ssim_any_size_will_do():
    rendered, target, *_ = images(10, 10)
    leaf = rendered.clone().requires_grad_()
    loss = photometric(leaf, target, structure=0.0, padding="valid")
    loss.backward()
    assert loss.item() == pytest.approx((rendered - target).abs().mean().item(), rel=1e-6)
    assert torch.allclose(leaf.grad, torch.sign(rendered - target) / 300)


def test_depth_counts_known_pixels_only():
    target = torch.tensor([[2.0, 0.0], [4.0, 0.0]])
    rendered = torch.tensor([[3.0, 9.0], [1.0, 9.0]], requires_grad=True)
    loss = depth_distance(rendered, target)
    assert loss.item() == pytest.approx((1 + 3) / 2)
    loss.backward()
    assert rendered.grad.tolist() == [[0.5, 0], [-0.5, 0]]
    assert depth_distance(rendered, torch.zeros(2, 2)).item() == 0
    assert depth_distance(rendered, target, torch.tensor([[0.5, 1], [0, 1]])).item() == pytest.approx(0.25)


def test_sky_entropy_is_the_binary_cross_entropy():
    alpha = torch.tensor([[0.2, 0.9]], requires_grad=True)
    sky = torch.tensor([[True, False]])
    expected = torch.nn.functional.binary_cross_entropy(alpha, (~sky).float())
    assert sky_entropy(alpha, sky).item() == pytest.approx(expected.item(), rel=1e-6)
    assert torch.isfinite(sky_entropy(torch.tensor([[1.0, 0.0]]), sky))
