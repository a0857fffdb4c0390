import lpips
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from recgen_bench.harness.errors import DataError
from recgen_bench.methods.priors.gram import CROP, gram_loss, gram_matrix, normalised, random_window
from recgen_bench.methods.priors.losses import CODE, PAPER, LossWeights, RestorationLoss
from recgen_bench.methods.priors.perceptual import PerceptualLoss
from recgen_bench.methods.priors.vgg import TAPS, WIDTHS, load_vgg, tapped, vgg_layers

NARROW = tuple(width // 16 for width in WIDTHS)


@pytest.fixture(scope="module")
def full():
    torch.manual_seed(0)
    return vgg_layers().requires_grad_(False).eval()


def images(count=2, side=32, seed=0):
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def test_the_published_gram_loss(shared):
    vgg = load_vgg(shared / "golden/difix/gram_loss_vgg_standin.safetensors", NARROW)
    with np.load(shared / "golden/difix/gram_loss.npz") as arrays:
        io = {key: torch.from_numpy(arrays[key]) for key in arrays.files}
    torch.testing.assert_close(tapped(vgg, io["pred"])[2], io["feat_pred_relu3_3"], atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(gram_loss(io["pred"], io["target"], vgg), io["loss"], atol=0, rtol=1e-4)


def test_the_copied_goldens_are_the_given_ones(shared, golden):
    for folder in ("difix", "faithfusion"):
        for path in (golden / folder).glob("*.npz"):
            with np.load(path) as copied, np.load(shared / "golden" / folder / path.name) as given:
                assert copied.files
                assert all(np.array_equal(copied[name], given[name]) for name in copied.files)
        for path in (golden / folder).glob("*.safetensors"):
            assert path.read_bytes() == (shared / "golden" / folder / path.name).read_bytes()


def test_the_published_gram_matrix(numbers):
    io = numbers("difix/gram_matrix.npz")
    torch.testing.assert_close(gram_matrix(io["feature"]), io["gram"], atol=2e-5, rtol=0)


def test_the_gram_loss_by_hand():
    torch.manual_seed(1)
    vgg, first, second = vgg_layers(NARROW).requires_grad_(False), images(), images(seed=1)
    expected = 0.0
    for weight, index in zip((1 / 2.6, 1 / 4.8, 1 / 3.7, 1 / 5.6, 10 / 1.5), TAPS, strict=True):
        made, wanted = (vgg[: index + 1](x) for x in (first, second))
        _, d, h, w = made.shape
        grams = [torch.einsum("adp,bep->adbe", x.flatten(2), x.flatten(2)) for x in (made, wanted)]
        expected += weight * ((grams[0] - grams[1]) ** 2).mean() / (d * h * w)
    torch.testing.assert_close(gram_loss(first, second, vgg), expected, rtol=1e-4, atol=0)


def test_normalisation_is_imagenets():
    from torchvision.transforms.functional import normalize

    expected = normalize(images(), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    torch.testing.assert_close(normalised(images()), expected)


def test_windows_match_and_repeat():
    wide = torch.arange(450 * 600.0).reshape(1, 1, 450, 600).expand(1, 3, 450, 600)
    first, second = random_window(wide, wide + 1, torch.Generator().manual_seed(0))
    assert first.shape == (1, 3, CROP, CROP)
    assert torch.equal(first + 1, second)
    assert torch.equal(first, random_window(wide, wide, torch.Generator().manual_seed(0))[0])
    assert random_window(images(), images(), torch.Generator())[0].shape == images().shape


@pytest.mark.filterwarnings("ignore::UserWarning")  # lpips calls torchvision the old way.
def test_the_perceptual_loss_is_that_of_the_package(full):
    reference = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False).eval()
    layers = dict(full.named_modules())
    for piece in (getattr(reference.net, f"slice{n}") for n in range(1, 6)):
        for index, layer in piece.named_children():
            layer.load_state_dict(layers[index].state_dict())
    first, second = images(), images(seed=1)
    with torch.no_grad():
        expected = reference(first, second, normalize=True).mean()
        made = PerceptualLoss(full)(first, second)
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-6)


def test_the_perceptual_loss_has_finite_gradients(full):
    black = torch.zeros(1, 3, 32, 32, requires_grad=True)
    PerceptualLoss(full)(black, images(1)).backward()
    assert torch.isfinite(black.grad).all()


def test_terms_are_those_whose_network_is_there(full):
    alone, whole = RestorationLoss(), RestorationLoss(PAPER, full)
    assert alone.terms == ("l2",)
    assert whole.terms == ("l2", "lpips", "gram")
    first, second, generator = images(), images(seed=1), torch.Generator()
    plain = alone(first, second, 0, generator)
    assert plain.total == plain.l2 == (first - second).square().mean()
    assert plain.lpips is plain.gram is None
    loss = whole(first, second, 0, generator)
    torch.testing.assert_close(loss.total, loss.l2 + loss.lpips + 0.5 * loss.gram)


def test_the_release_begins_its_gram_term_late(full):
    loss = RestorationLoss(CODE, full)
    assert loss(images(), images(seed=1), 1999, torch.Generator()).gram is None
    late = loss(images(), images(seed=1), 2000, torch.Generator())
    torch.testing.assert_close(late.total, late.l2 + late.lpips + late.gram)


def test_a_weight_of_zero_leaves_a_term_out(full):
    loss = RestorationLoss(LossWeights(lpips=0, gram=0), full)(images(), images(seed=1), 0, torch.Generator())
    assert loss.lpips is loss.gram is None


def test_torchvisions_file_is_read_without_its_classifier(tmp_path, full):
    state = {f"features.{name}": tensor for name, tensor in full.state_dict().items()}
    torch.save(state | {"classifier.0.bias": torch.zeros(3)}, tmp_path / "vgg16.pth")
    loaded = load_vgg(tmp_path / "vgg16.pth")
    assert torch.equal(loaded[28].weight, full[28].weight)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_other_files_are_refused(tmp_path, shared):
    (tmp_path / "a.pth").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be read"):
        load_vgg(tmp_path / "a.pth")
    torch.save([1, 2], tmp_path / "b.pth")
    with pytest.raises(DataError, match="not a file of named tensors"):
        load_vgg(tmp_path / "b.pth")
    standin = shared / "golden/difix/gram_loss_vgg_standin.safetensors"
    assert len(load_file(standin)) == 26
    with pytest.raises(DataError, match=r"first difference is 0\.weight"):
        load_vgg(standin)
