from dataclasses import replace

import pytest
import torch

from recgen_bench.harness.errors import DataError, MethodFailed
from recgen_bench.methods.priors.config import EMBEDDED
from recgen_bench.methods.priors.onestep import build
from recgen_bench.methods.priors.restorer import Restorer
from recgen_bench.methods.priors.restoring import OneStepRestorer


def frames(count=2, height=16, width=24, seed=0):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def conditioned(tiny):
    torch.manual_seed(5)
    return build(replace(tiny, uses_eig=True, residual=False))


def test_it_is_a_restorer(network):
    restorer: Restorer = OneStepRestorer("tiny", network)
    assert (restorer.name, restorer.uses_reference, restorer.uses_eig) == ("tiny", True, False)


def test_frames_of_any_size_come_back_at_their_size(network):
    restorer = OneStepRestorer("tiny", network)
    for height, width in ((16, 24), (13, 9), (3, 30)):
        made = restorer.restore(frames(2, height, width), frames(2, height, width, seed=1))
        assert made.shape == (2, 3, height, width)
        assert made.dtype == torch.float32
        assert 0 <= made.min() <= made.max() <= 1
        assert not made.requires_grad
        assert not made.is_inference()  # It will be a target of training.


def test_batches_do_not_change_the_result(network):
    images, references = frames(5), frames(5, seed=1)
    one = OneStepRestorer("tiny", network, batch=1).restore(images, references)
    many = OneStepRestorer("tiny", network, batch=3).restore(images, references)
    torch.testing.assert_close(one, many, atol=1e-5, rtol=0)


def test_raw_information_gain_is_scaled(conditioned):
    restorer = OneStepRestorer("tiny", conditioned)
    images, references = frames(1), frames(1, seed=1)
    raw = torch.rand(1, 16, 24, generator=torch.Generator().manual_seed(2)) * 2
    raw[0, :4] = 100.0
    with torch.inference_mode():
        expected = conditioned(images, references, raw.clamp(max=1)).clamp(0, 1)
    assert torch.equal(restorer.restore(images, references, raw), expected)


def test_a_fixed_size_is_resized_to_and_back(network):
    sizes = []
    hook = network.vae.encoder.conv_in.register_forward_hook(
        lambda module, inputs, output: sizes.append(tuple(inputs[0].shape[-2:]))
    )
    made = OneStepRestorer("tiny", network, size=(32, 48)).restore(frames(), frames(seed=1))
    hook.remove()
    assert set(sizes) == {(32, 48)}
    assert made.shape == (2, 3, 16, 24)
    assert 0 <= made.min() <= made.max() <= 1


def test_a_smooth_frame_survives_a_fixed_size(tiny):
    torch.manual_seed(0)
    network = build(tiny)
    torch.nn.init.zeros_(network.vae.decoder.conv_out.weight)
    ramp = torch.linspace(0.1, 0.9, 24).expand(1, 3, 16, 24).contiguous()
    made = OneStepRestorer("tiny", network, size=(32, 48)).restore(ramp, ramp)
    torch.testing.assert_close(made, ramp, atol=0.02, rtol=0)


def test_draws_from_the_posterior_repeat_in_any_batch(network):
    images, references = frames(3), frames(3, seed=1)
    mean = OneStepRestorer("tiny", network).restore(images, references)
    first = OneStepRestorer("tiny", network, seed=1).restore(images, references)
    again = OneStepRestorer("tiny", network, seed=1).restore(images[1:], references[1:])
    assert torch.equal(first[1:], again)
    assert not torch.equal(first, mean)


def test_the_same_bytes_with_any_number_of_threads():
    torch.manual_seed(0)
    network = build(EMBEDDED)
    images, references = frames(1, 96, 144), frames(1, 96, 144, seed=1)
    restorer, before = OneStepRestorer("restorer", network), torch.get_num_threads()
    made = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            made.append(restorer.restore(images, references))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(made[0], made[1])


def test_no_frames_are_no_work(network):
    assert OneStepRestorer("tiny", network).restore(frames(0), frames(0)).shape == (0, 3, 16, 24)


def test_what_a_network_does_not_use_is_ignored(tiny):
    torch.manual_seed(0)
    restorer = OneStepRestorer("alone", build(replace(tiny, uses_reference=False)))
    assert torch.equal(restorer.restore(frames(), frames(seed=1), frames()[:, 0]), restorer.restore(frames()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": torch.zeros(3, 16, 24)}, "not a batch of frames"),
        ({"images": torch.zeros(2, 1, 16, 24)}, "not a batch of frames"),
        ({"references": None}, "needs a reference frame"),
        ({"references": torch.zeros(2, 3, 16, 16)}, "references do not match"),
        ({"eig": None}, "needs an information gain map"),
        ({"eig": torch.zeros(2, 1, 16, 24)}, "information gain do not match"),
        ({"eig": torch.full((2, 16, 24), float("nan"))}, "information gain hold values that are not finite"),
        ({"images": torch.full((2, 3, 16, 24), float("inf"))}, "frames hold values that are not finite"),
    ],
)
def test_bad_input_is_refused(conditioned, changes, message):
    given = {"images": frames(), "references": frames(seed=1), "eig": torch.zeros(2, 16, 24)} | changes
    with pytest.raises(DataError, match=message):
        OneStepRestorer("tiny", conditioned).restore(**given)


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA"), RuntimeError("DefaultCPUAllocator: not enough memory"), MemoryError()],
)
def test_too_little_memory_is_a_clear_error(network, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(network, "forward", fail)
    with pytest.raises(MethodFailed, match="ran out of memory"):
        OneStepRestorer("tiny", network).restore(frames(), frames())


def test_other_failures_are_not_disguised(network, monkeypatch):
    def fail(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(network, "forward", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        OneStepRestorer("tiny", network).restore(frames(), frames())
