"""Either the old file or the new one, whatever happens in between."""

from __future__ import annotations

import errno
import os
import resource
import stat
from pathlib import Path

import pytest

from recgen_bench.harness.errors import OutputError
from recgen_bench.harness.files import check_writable, make_folder, replacing, sweep, unwritable, write_atomic


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "a" / "b" / "f.json"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_files_get_the_permissions_that_the_umask_leaves(tmp_path):
    before = os.umask(0o022)
    try:
        write_atomic(tmp_path / "f", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o644


@pytest.mark.parametrize("failure", [ValueError("no"), KeyboardInterrupt(), SystemExit(1)])
def test_a_failure_in_the_body_leaves_the_old_file(tmp_path, failure):
    write_atomic(tmp_path / "f", b"old")

    def interrupted() -> None:
        with replacing(tmp_path / "f") as partial:
            partial.write_bytes(b"half")
            raise failure

    with pytest.raises(type(failure)):
        interrupted()
    assert (tmp_path / "f").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_partial_file_has_the_suffix_and_lies_beside_the_target(tmp_path):
    with replacing(tmp_path / "v.mp4") as partial:
        assert partial.suffix == ".mp4"
        assert partial.parent == tmp_path
        assert partial.name.startswith(".partial-")
        partial.write_bytes(b"x")
    assert (tmp_path / "v.mp4").read_bytes() == b"x"


def in_child(body) -> int:
    """Run a function in a forked child and return its exit status; 70 stands for an exception."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(body())
        finally:
            os._exit(70)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.filterwarnings(
    "ignore:.*fork:DeprecationWarning"
)  # Python 3.12 warns; the child only runs ours.
def test_a_file_that_does_not_fit_leaves_the_old_one(tmp_path):
    write_atomic(tmp_path / "f", b"old")

    def body() -> int:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            write_atomic(tmp_path / "f", b"x" * 5000)
        except OutputError as error:
            return 0 if "cannot be written: File too large" in str(error) and error.hint else 1
        return 2

    assert in_child(body) == 0
    assert (tmp_path / "f").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_says_what_to_do(tmp_path, monkeypatch):
    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_atomic(tmp_path / "f", b"old")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError) as caught:
        write_atomic(tmp_path / "f", b"new")
    assert str(caught.value) == (
        f"{tmp_path / 'f'}: cannot be written: No space left on device\n"
        "  next:     free some space and repeat the command; finished phases are kept"
    )
    assert (tmp_path / "f").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EDQUOT, errno.ENOTDIR])
def test_every_hint_says_what_to_do(number):
    error = unwritable(Path("out"), OSError(number, os.strerror(number)))
    assert str(error).startswith(f"out: cannot be written: {os.strerror(number)}\n  next: ")


def test_places_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("x")
    below = tmp_path / "file" / "sub" / "f"
    with pytest.raises(OutputError, match="cannot be written: Not a directory"):
        write_atomic(below, b"x")
    with pytest.raises(OutputError, match="cannot be written"):
        make_folder(below)
    with pytest.raises(OutputError, match="file: is a file, not a folder"):
        check_writable(below)
    with pytest.raises(OutputError, match="cannot be written"):
        write_atomic(Path("/proc/recgen/f"), b"x")
    check_writable(tmp_path / "new" / "folder")
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="Permission denied"):
            check_writable(tmp_path / "new")
        with pytest.raises(OutputError, match="Permission denied"):
            write_atomic(tmp_path / "f", b"x")
    finally:
        tmp_path.chmod(0o700)


def test_sweep_removes_only_partial_files(tmp_path):
    (tmp_path / "frames").mkdir()
    for name in (".partial-1234.png", "frames/.partial-77.npz", "frames/keep.png", "keep.partial"):
        (tmp_path / name).write_text("x")
    sweep(tmp_path)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["frames/keep.png", "keep.partial"]
