"""The Triton kernels: on a GPU where there is one, elsewhere through Triton's interpreter and compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from recgen_bench.harness.errors import MethodFailed
from recgen_bench.methods.splats.eig import EMPTY, eig_map, observe
from recgen_bench.methods.splats.fisher import FisherDiagonal, fisher_diagonal
from recgen_bench.methods.splats.footprint import footprint, square, tile_lists, weigh
from recgen_bench.methods.splats.raster import Gaussians, Pinhole, rasterize

from .oracle import Cloud, cloud

triton = pytest.importorskip("triton")
HERE = Path(__file__).parent
TOLERANCE = 2e-5


def scene(degree: int | None, n: int, width: int, height: int) -> tuple[Gaussians, Pinhole, Cloud]:
    c = cloud(n, width, height, seed=4, sh_degree=degree, size=1.0)
    c.means[2], c.means[3] = torch.nan, -c.means[3]
    c.opacities[4], c.opacities[5] = 1.0, 0.001
    return Gaussians(*c.parameters, degree), Pinhole(c.w2c, c.K, c.width, c.height, c.background), c


def compare(degree: int | None, n: int, width: int, height: int, device: str) -> None:
    """Both passes against the C++ kernels, which are tested against autograd."""
    from recgen_bench.methods.splats.eig import Prior, _exact
    from recgen_bench.methods.splats.fisher_cuda import fisher_diagonal_cuda, gain_cuda

    gaussians, camera, c = scene(degree, n, width, height)
    there = Gaussians(*(p.to(device) for p in c.parameters), degree)
    expected = fisher_diagonal(gaussians, [camera])
    got = fisher_diagonal_cuda(there, [(camera, None)])
    for a, b in zip(got.groups, expected.groups, strict=True):
        assert (a.cpu() - b).norm() / b.norm() < TOLERANCE
    variances = FisherDiagonal(*(1 / (group + 1e-6) for group in expected.groups))
    wanted, alpha = _exact(gaussians, camera, expected, None, Prior())
    values, alphas = gain_cuda(there, camera, FisherDiagonal(*(v.to(device) for v in variances.groups)), None)
    assert (values.cpu() - wanted).norm() / wanted.norm() < TOLERANCE
    assert (alphas.cpu() - alpha).abs().max() < 1e-5


@pytest.mark.slow
def test_the_interpreter_gives_the_results_of_the_cpu_kernels():
    """In a process of its own: Triton decides when it is imported."""
    code = "import sys; sys.path.insert(0, sys.argv[1])\n"
    code += "from tests.methods.splats.test_fisher_cuda import compare\n"
    code += "compare(1, 12, 18, 10, 'cpu'); compare(None, 12, 15, 9, 'cpu')\n"
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(HERE.parents[2])], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION")
def test_the_kernels_compile_for_a_gpu(monkeypatch, tmp_path):
    """Down to machine code of compute capability 9.0, which needs no GPU."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from recgen_bench.methods.splats import fisher_triton as kernels

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    kinds = {"width": "i32", "height": "i32", "across": "i32", "entries": "*i32", "begin": "*i32"}
    for kernel, constants in (
        (kernels.gain_kernel, {"STRIDE": kernels.VIEW, "WITH_VIEW": True, "SIDE": 16}),
        (kernels.moments_kernel, {"TERMS": kernels.VIEW_TERMS, "WITH_VIEW": True, "SIDE": 16}),
    ):
        names = kernel.arg_names
        signature = {n: "constexpr" if n in constants else kinds.get(n, "*fp32") for n in names}
        fixed = {(names.index(name),): value for name, value in constants.items()}
        source = ASTSource(fn=kernel, signature=signature, constexprs=fixed)
        assert triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["cubin"]


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION")
@pytest.mark.parametrize("degree", [None, 0, 1, 3])
def test_a_gpu_gives_the_results_of_the_cpu_kernels(degree):
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    compare(degree, 3000, 200, 130, "cuda")


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION")
def test_maps_through_the_interface_on_a_gpu():
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    gaussians, camera, c = scene(1, 3000, 200, 130)
    there = Gaussians(*(p.cuda() for p in c.parameters), 1)
    maps = [eig_map(g, camera, observe(g, [camera])).cpu() for g in (gaussians, there)]
    again = eig_map(there, camera, observe(there, [camera])).cpu()
    assert torch.equal(maps[1], again)
    both = (maps[0] != EMPTY) & (maps[1] != EMPTY)
    assert both.float().mean() > 0.5
    assert (maps[0] - maps[1])[both].norm() / maps[0][both].norm() < 1e-4


@pytest.mark.parametrize("degree", [None, 2])
def test_visible_gaussians_and_tiles_are_those_of_the_rasteriser(degree):
    gaussians, camera, c = scene(degree, 300, 70, 50)
    seen = footprint(gaussians, camera)
    rendered = rasterize(*c.parameters, **c.options())
    assert torch.equal(seen.rows, torch.nonzero(rendered.radii > 0)[:, 0])
    lists = tile_lists(seen, 70, 50)
    assert len(lists.begin) == 5 * 4 + 1
    assert lists.begin[-1] == len(lists.entries)
    for tile in range(5 * 4):
        depths = seen.depth[lists.entries[lists.begin[tile] : lists.begin[tile + 1]].long()]
        assert (depths.diff() >= 0).all()


def test_squares_follow_from_moments():
    """Any pixels and weights: the polynomial of the moments is the sum of the squared columns."""
    gaussians, camera, _ = scene(None, 20, 30, 20)
    seen = footprint(gaussians, camera)
    random = torch.Generator().manual_seed(0)
    e, y, s = torch.rand(3, len(seen.rows), 7, generator=random, dtype=torch.float64)
    powers = [
        e * e,
        e * y,
        y * y,
        e**3,
        e * e * y,
        e * y * y,
        y**3,
        e**4,
        e**3 * y,
        (e * y) ** 2,
        e * y**3,
        y**4,
    ]
    moments = torch.stack([(s * power).sum(1) for power in powers], 1)
    polynomial = torch.stack([e, y, e * e, e * y, y * y], 2)
    columns = torch.einsum("mpk,mjk->mjp", polynomial, seen.columns)
    expected = (s[:, None] * columns.square()).sum(2)
    torch.testing.assert_close(square(seen, moments), expected)
    variance = torch.rand(len(e), 10, generator=random, dtype=torch.float64)
    combined = (weigh(seen, variance) * moments).sum(1)
    torch.testing.assert_close(combined, (variance * expected).sum(1))


def test_nothing_visible_is_no_tile_and_no_sum():
    """All Gaussians behind the camera; the torch parts must do without any row."""
    from recgen_bench.methods.splats.fisher_cuda import _summed

    _, camera, c = scene(None, 9, 20, 20)
    c.means[:, 2] = -5
    seen = footprint(Gaussians(*c.parameters, None), Pinhole(torch.eye(4), camera.K, 20, 20))
    lists = tile_lists(seen, 20, 20)
    assert len(seen.rows) == len(lists.entries) == 0
    assert lists.begin.tolist() == [0] * 5
    assert _summed(torch.zeros(0, 14), lists, 0).shape == (0, 14)


def test_triton_that_is_missing_is_named(monkeypatch):
    from recgen_bench.methods.splats.fisher_cuda import gain_cuda

    monkeypatch.delattr("recgen_bench.methods.splats.fisher_triton", raising=False)
    monkeypatch.setitem(sys.modules, "recgen_bench.methods.splats.fisher_triton", None)
    gaussians, camera, _ = scene(None, 9, 8, 8)
    with pytest.raises(MethodFailed, match="Triton is missing"):
        gain_cuda(gaussians, camera, fisher_diagonal(gaussians, [camera]), None)
