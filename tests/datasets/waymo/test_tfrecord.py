import struct

import pytest

from recgen_bench.datasets.waymo import tfrecord
from recgen_bench.datasets.waymo.tfrecord import index_records, read_record
from recgen_bench.harness.errors import DataError

RECORDS = (b"one", b"", b"three" * 1000)


@pytest.fixture
def path(tmp_path, writing):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(b"".join(map(writing.framed, RECORDS)))
    return path


def test_records_come_back(path):
    records = index_records(path)
    assert tuple(map(read_record, records)) == RECORDS
    assert [record.number for record in records] == [0, 1, 2]


def test_the_index_reads_headers_only(path):
    data = bytearray(path.read_bytes())
    data[12] ^= 1
    path.write_bytes(data)
    records = index_records(path)
    assert read_record(records[2]) == RECORDS[2]
    with pytest.raises(DataError, match="CRC of the record's data") as caught:
        read_record(records[0])
    assert caught.value.where == f"{path}, record 0"
    assert read_record(records[0], check=False) == b"nne"


def test_a_wrong_length_is_found_before_it_is_used(path):
    data = bytearray(path.read_bytes())
    data[7] = 0x7F
    path.write_bytes(data)
    with pytest.raises(DataError, match="CRC of the record's length"):
        index_records(path)


def test_an_absurd_length_with_a_right_crc(path, writing):
    size = struct.pack("<Q", 2**60)
    crc = writing.framed(size)[-4:]
    path.write_bytes(path.read_bytes() + size + crc + b"abc")
    with pytest.raises(DataError, match="cut short") as caught:
        index_records(path)
    assert caught.value.where == f"{path}, record 3"


@pytest.mark.parametrize("lost", [1, 4, 5, 5000, 5004, 5010])
def test_a_truncated_file(path, lost):
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(DataError, match=r"cut short|ends inside") as caught:
        index_records(path)
    assert "record 2" in str(caught.value)


def test_compressed_empty_and_missing_files(tmp_path):
    (tmp_path / "a").write_bytes(b"\x1f\x8b" + bytes(20))
    with pytest.raises(DataError, match="compressed"):
        index_records(tmp_path / "a")
    (tmp_path / "b").write_bytes(b"")
    with pytest.raises(DataError, match="empty"):
        index_records(tmp_path / "b")
    with pytest.raises(DataError, match="cannot be read"):
        index_records(tmp_path / "c")


def test_too_many_records(path, monkeypatch):
    monkeypatch.setattr(tfrecord, "MOST_RECORDS", 2)
    with pytest.raises(DataError, match="too many records"):
        index_records(path)


def test_a_file_that_shrinks_meanwhile(path):
    records = index_records(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="became shorter"):
        read_record(records[2])
