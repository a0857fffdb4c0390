from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from recgen_bench.harness.errors import MethodFailed
from recgen_bench.methods.splats import native

ROOT = Path(__file__).resolve().parents[3]
HEADER = Path(native.__file__).with_name("abi.hpp").read_text()


@pytest.fixture
def fresh():
    """Forget what is loaded, before and after."""
    cached = (native.library, native.instruction_set, native.kernel)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


def test_structures_mirror_the_header():
    assert int(re.search(r"#define RECGEN_ABI (\d+)", HEADER).group(1)) == native.ABI
    for structure in (native.Input, native.Image, native.Upstream, native.PerGaussian):
        body = re.search(rf"struct {structure.__name__} {{(.*?)\n}};", HEADER, re.DOTALL).group(1)
        code = re.sub(r"//.*", "", body)
        declared = []
        for declaration in filter(str.strip, code.split(";")):
            declared += [
                re.sub(r"\[\d+\]", "", name).split()[-1].strip("*") for name in declaration.split(",")
            ]
        assert declared == [name for name, _ in structure._fields_]


def test_sizes_mirror_the_header(tmp_path):
    compiler = next(
        (c for c in ("g++", "clang++") if subprocess.run(["which", c], capture_output=True).stdout), None
    )
    if compiler is None:
        pytest.skip("no compiler to ask")
    source = tmp_path / "sizes.cpp"
    source.write_text(
        f'#include "{Path(native.__file__).with_name("abi.hpp")}"\n#include <cstdio>\n'
        'int main() { std::printf("%zu %zu", sizeof(Input), sizeof(PerGaussian)); }'
    )
    subprocess.run([compiler, "-o", str(tmp_path / "sizes"), str(source)], check=True)
    printed = subprocess.run([str(tmp_path / "sizes")], capture_output=True, text=True, check=True).stdout
    assert printed == f"{ctypes.sizeof(native.Input)} {ctypes.sizeof(native.PerGaussian)}"


def test_a_missing_library_says_what_to_do(fresh, monkeypatch, tmp_path):
    monkeypatch.setattr(native, "LIBRARY", tmp_path / "kernels.so")
    with pytest.raises(MethodFailed, match="not built") as error:
        native.library()
    assert "pip install" in error.value.hint


def test_a_damaged_library_says_what_to_do(fresh, monkeypatch, tmp_path):
    (tmp_path / "kernels.so").write_bytes(b"not a library")
    monkeypatch.setattr(native, "LIBRARY", tmp_path / "kernels.so")
    with pytest.raises(MethodFailed, match="does not load"):
        native.library()


def test_another_abi_is_refused(fresh, monkeypatch):
    monkeypatch.setattr(native, "ABI", 999)
    with pytest.raises(MethodFailed, match="other sources") as error:
        native.library()
    assert (error.value.got, error.value.expected) == (f"ABI {HEADER_ABI}", "ABI 999")


HEADER_ABI = native.ABI


def test_an_unknown_instruction_set_is_refused(fresh, monkeypatch):
    monkeypatch.setenv("RECGEN_RASTER_ISA", "avx1024")
    with pytest.raises(MethodFailed, match="RECGEN_RASTER_ISA"):
        native.instruction_set()


def test_the_instruction_set_can_be_chosen(fresh, monkeypatch):
    monkeypatch.setenv("RECGEN_RASTER_ISA", "generic")
    assert native.instruction_set() == "generic"
    assert "generic" in native.describe()


def test_an_unknown_kernel_is_named():
    with pytest.raises(MethodFailed, match="lacks a kernel"):
        native.kernel("no_such_kernel")


def test_running_out_of_memory_is_an_error():
    native.check(0)
    with pytest.raises(MethodFailed, match="memory"):
        native.check(1)


def test_without_a_compiler_the_build_stops_with_one_sentence(tmp_path):
    command = [
        sys.executable,
        "setup.py",
        "-q",
        "build_ext",
        "--build-lib",
        str(tmp_path),
        "--build-temp",
        str(tmp_path),
    ]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"CXX": "no-such-compiler"}
    )
    assert done.returncode != 0
    assert (
        done.stderr.strip().splitlines()[-1].startswith("recgen-bench: the compiler that CXX names (no-such")
    )
    assert "Traceback" not in done.stderr
