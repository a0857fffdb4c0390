import math

import torch

from recgen_bench.methods.priors.schedule import TIMESTEP, signal_level, to_clean


def test_the_one_step_of_the_release(numbers):
    io = numbers("difix/one_step.npz")
    assert int(io["t"]) == TIMESTEP
    assert signal_level(TIMESTEP) == float(io["alphas_cumprod"][TIMESTEP])
    assert [signal_level(step) for step in (0, 500, 999)] == io["alphas_cumprod"][[0, 500, 999]].tolist()
    torch.testing.assert_close(to_clean(io["z"], io["eps"]), io["x0"], atol=2e-5, rtol=0)


def test_a_step_undoes_the_noise_that_was_added():
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 3, 4, 4, generator=generator)
    for timestep in (0, 199, 700):
        level = signal_level(timestep)
        noisy = math.sqrt(level) * clean + math.sqrt(1 - level) * noise
        torch.testing.assert_close(to_clean(noisy, noise, timestep), clean, atol=1e-5, rtol=1e-5)
