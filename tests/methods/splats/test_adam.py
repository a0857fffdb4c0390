import pytest
import torch

from recgen_bench.methods.splats.adam import EPS, adam, adam_reference
from recgen_bench.methods.splats.calling import kernels_on


@pytest.mark.parametrize("update", [adam, adam_reference])
@pytest.mark.parametrize("shape", [(7,), (1000, 3), (70_001,)])
def test_ten_steps_agree_with_torch(update, shape):
    generator = torch.Generator().manual_seed(0)
    parameter = torch.randn(shape, generator=generator)
    theirs = parameter.clone().double().requires_grad_()
    optimiser = torch.optim.Adam([theirs], lr=1e-2, eps=EPS)
    first, second = torch.zeros(shape), torch.zeros(shape)
    for step in range(1, 11):
        gradient = torch.randn(shape, generator=generator) * 1e-3
        update(parameter, gradient, first, second, step=step, rate=1e-2)
        theirs.grad = gradient.double()
        optimiser.step()
    assert torch.allclose(parameter.double(), theirs, atol=2e-6)


def test_the_bits_do_not_depend_on_the_threads():
    generator = torch.Generator().manual_seed(0)
    start, gradient = torch.randn(2, 100_003, generator=generator)
    results = []
    for threads in (1, 2, 3):
        parameter, first, second = start.clone(), torch.zeros_like(start), torch.zeros_like(start)
        with kernels_on(threads):
            for step in (1, 2, 3):
                adam(parameter, gradient, first, second, step=step, rate=0.1)
        results.append((parameter, first, second))
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_zero_gradients_from_the_start_change_nothing():
    parameter = torch.randn(10)
    before = parameter.clone()
    moments = torch.zeros(2, 10)
    adam(parameter, torch.zeros(10), *moments, step=1, rate=1.0)
    assert torch.equal(parameter, before)
    adam(parameter[:0], torch.zeros(0), *torch.zeros(2, 0), step=1, rate=1.0)
