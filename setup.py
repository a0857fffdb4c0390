"""Builds the CPU kernels of methods/splats into one shared library; all metadata is in pyproject.toml."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

NATIVE = Path("methods") / "splats" / "native"
LIBRARY = "recgen_bench.methods.splats.kernels"
ONCE = {"library.cpp"}
"""Sources compiled once; every other source is compiled once per instruction set."""

FLAGS = ["-std=c++20", "-O3", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-psabi"]
# GCC reports the undefined operands inside its own AVX-512 headers.
FLAGS += ["-Wno-maybe-uninitialized", "-Wno-uninitialized", "-Wno-unknown-warning-option"]
# Contraction is off so that forward and backward round alike; fused operations are written where wanted.
FLAGS += ["-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-pthread"]
TARGETS = {"generic": []}
if platform.machine().lower() in ("x86_64", "amd64"):
    TARGETS |= {
        "avx2": ["-march=x86-64-v3"],
        "avx512": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
    }


class BuildKernels(build_ext):
    """Compiles native/*.cpp without Python headers: the library is loaded through ctypes."""

    def get_ext_filename(self, fullname: str) -> str:
        # No interpreter tag: the library does not depend on the version of Python.
        return str(Path(*fullname.split(".")).with_suffix(".so"))

    def build_extension(self, ext: Extension) -> None:
        compiler = find_compiler()
        folder = Path(self.build_temp) / "kernels"
        folder.mkdir(parents=True, exist_ok=True)
        jobs = []
        for source in map(Path, ext.sources):
            for isa, flags in {"generic": []}.items() if source.name in ONCE else TARGETS.items():
                target = folder / f"{source.stem}-{isa}.o"
                defines = [f"-DRECGEN_NS=recgen_{isa}", f"-DRECGEN_ISA={isa}"]
                jobs.append([*compiler, *FLAGS, *flags, *defines, "-c", str(source), "-o", str(target)])
        with ThreadPoolExecutor(min(len(jobs), os.cpu_count() or 1)) as pool:
            list(pool.map(call, jobs))
        output = Path(self.get_ext_fullpath(ext.name))
        output.parent.mkdir(parents=True, exist_ok=True)
        # Linked beside the target and renamed: a running process keeps the library that it has mapped.
        fresh = output.with_suffix(f".{os.getpid()}.tmp")
        call([*compiler, "-shared", "-pthread", "-o", str(fresh), *(job[-1] for job in jobs)])
        fresh.replace(output)


def find_compiler() -> list[str]:
    """Return the command of a C++ compiler that works, or stop with one sentence."""
    named = os.environ.get("CXX")
    for command in [named] if named else ["g++", "clang++", "c++"]:
        words = shlex.split(command)
        if words and shutil.which(words[0]):
            return words
    missing = f"the compiler that CXX names ({named})" if named else "a C++ compiler"
    raise SystemExit(
        f"recgen-bench: {missing} was not found; install g++ 11 or newer, or clang++ 14 or newer."
    )


def call(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.stderr:
        sys.stderr.write(done.stderr)
    if done.returncode:
        raise SystemExit(f"recgen-bench: {shlex.join(command)} failed with status {done.returncode}.")


SOURCES = sorted(path.as_posix() for path in NATIVE.glob("*.cpp"))
HEADERS = sorted(path.as_posix() for path in NATIVE.glob("*.hpp"))

setup(
    ext_modules=[Extension(LIBRARY, SOURCES, depends=HEADERS)],
    cmdclass={"build_ext": BuildKernels},
)
