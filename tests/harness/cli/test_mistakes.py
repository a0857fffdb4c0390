"""What users get wrong, and every word they are told: the golden file `mistakes.txt`.

After a wanted change: `REGENERATE=1 python -m pytest tests/harness/cli/test_mistakes.py`, then read the diff.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

GOLDEN = Path(__file__).with_name("mistakes.txt")
TESTS = Path(__file__).resolve().parents[2]

RUN = "run --plugin toy.py --method toy --dataset toy --scene 0"
COMMANDS = [
    "rum",
    "run --dataset toy --plugin toy.py",
    "run --plugin toy.py --method tory --dataset toy",
    "run --plugin toy.py --method toy --dataset toyy",
    f"{RUN} --preset demmo",
    f"{RUN} --protocol toy-shifts",
    f"{RUN} --protocol toy-heldout",
    f"{RUN} --protocol missing.toml",
    f"{RUN} --protocol broken.toml",
    f"{RUN} --protocol unknown-key.toml",
    f"{RUN} --protocol toy-shift/future",
    f"{RUN} --shift 3ft",
    f"{RUN} --shift -3m",
    f"{RUN} --shift three",
    f"{RUN} --shift 2m",
    "run --plugin toy.py --method toy --dataset toy --scene ../x",
    "run --plugin toy.py --method toy --dataset toy --scene -1",
    "run --plugin toy.py --method toy --dataset toy --scene 13 --shift 1m",
    f"{RUN} --seed -1",
    f"{RUN} --seed one",
    f"{RUN} --set steps",
    f"{RUN} --set stepz=3",
    f"{RUN} --set steps=many",
    f"{RUN} --set fail=nearly",
    f"{RUN} --set steps=1 --set steps=2",
    f"{RUN} --data folder",
    f"{RUN} --threads 0",
    f"{RUN} --device tpu",
    f"{RUN} --executor slum",
    f"{RUN} --out toy.py",
    f"{RUN} --out toy.py/below",
    f"{RUN} --weights toy-net",
    f"{RUN} --weights toy-nets=toy.py",
    f"{RUN} --weights toy-net=missing.bin",
    f"{RUN} --shifts 3m",
    "run --plugin toy.py --method toy-nowhere --dataset toy",
    "run --plugin toy.py --method toy-presets --dataset toy",
    "run --plugin toy.py --method toy --dataset toy-folder",
    "run --plugin toy.py --method toy --dataset toy-folder --data missing",
    "run --plugin toy.py --method toy --dataset toy-folder --data toy.py",
    "run --plugin toy.py --method toy --dataset toy-folder --data folder",
    "run --plugin toy.py --method toy --dataset toy-folder --data recorded --scene truncated",
    "run --plugin toy.py --method toy --dataset toy-folder --data recorded --scene ../recorded",
    "run --plugin missing.py --method toy --dataset toy",
    "run --plugin syntax.py --method toy --dataset toy",
    "run --plugin nohooks.py --method toy --dataset toy",
    "run --plugin unknown-hook.py --method toy --dataset toy",
    "run --plugin toy.py --plugin again.py --method toy --dataset toy",
    "protocols --plugin toy.py toy-shifd",
    "weights --plugin toy.py",
    "weights fetch --plugin toy.py toy-nett",
    "weights verify --plugin toy.py toy-nett",
    "export folder",
    "export folder --ply x.ply",
    "score folder",
    "score recorded/truncated",
    "score recorded/truncated --reference folder",
    "score recorded/truncated --reference recorded/truncated --metrics psnr",
    "score --plugin toy.py recorded/fine --reference recorded/fine --metrics psnr,toy_nan",
    "score recorded/fine --reference recorded/fine --boxes boxes.json",
    "score recorded/fine --reference recorded/fine --lanes recorded/fine",
    "score --plugin toy.py recorded/fine --protocol toy-shift --shift 1m --scene 0",
    "score recorded/fine --reference recorded/fine --data recorded",
    "verify folder",
    "verify boxes.json",
    "methods --plugin missing.py",
]


@pytest.fixture
def place(tmp_path, monkeypatch, toy):
    """A folder with a plugin, a data folder and a few broken files; everything is named relative to it."""
    for name in ("toy.py", "toy-shift.toml", "toy-heldout.toml"):
        shutil.copy(TESTS / name, tmp_path / name)
    (tmp_path / "folder").mkdir()
    toy.write_recording(tmp_path / "recorded" / "truncated")
    image = tmp_path / "recorded" / "truncated" / "003.png"
    image.write_bytes(image.read_bytes()[:300])
    toy.write_recording(tmp_path / "recorded" / "fine", 2)
    (tmp_path / "boxes.json").write_text('{"000": [{"box": [9, 9, 4, 12], "category": "vehicle"}]}')
    (tmp_path / "broken.toml").write_text('name = "broken\n')
    (tmp_path / "unknown-key.toml").write_text('name = "x"\nversion = 1\nscene = ["0"]\n')
    (tmp_path / "syntax.py").write_text("def f(:\n")
    (tmp_path / "nohooks.py").write_text("def register_methods(register):\n    pass\n")
    head = "from recgen_bench.harness import MethodInfo, hookimpl\n\n\n@hookimpl\n"
    (tmp_path / "unknown-hook.py").write_text(f"{head}def register_method(register):\n    pass\n")
    body = 'def register_methods(register):\n    register(MethodInfo("toy", "", object))\n'
    (tmp_path / "again.py").write_text(head + body)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


def listing(folder: Path) -> list[str]:
    return sorted(path.as_posix() for path in folder.rglob("*") if "__pycache__" not in path.parts)


def test_every_mistake_is_told_as_agreed(place, recgen):
    before = listing(place)
    told = []
    for command in COMMANDS:
        outcome = recgen(*shlex.split(command))
        # Modules are numbered by load, and other tests load some too.
        text = re.sub(r"(recgen_plugin_[\w-]+?)_\d+", r"\1", outcome.err.replace(str(place), "<here>"))
        told.append(f"$ recgen-bench {command}\n{text.rstrip()}\n[exit status {outcome.status}]\n")
        assert outcome.status == 2, command
        assert outcome.out == "", command
        assert "Traceback" not in outcome.err, command
        assert listing(place) == before, command
    text = "\n".join(told)
    if os.environ.get("REGENERATE"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()
