"""The reader: files of any bytes, and what becomes of them."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from tests.tracegen import HEADER, TraceGen
from tpanalyze import reader
from tpanalyze.errors import TraceError
from tpanalyze.model import QualityGrade, Remark
from tpanalyze.reader import BLOCK, LONGEST_LINE, open_trace
from tpanalyze.rows import BOUND, Row

HEADER_LINE = json.dumps(dict(HEADER)).encode() + b"\n"


def read(data: bytes) -> tuple[list[tuple[int, Row]], tuple[Remark, ...]]:
    """Return the rows of a trace with their line numbers, and the remarks."""
    with open_trace(io.BytesIO(data), "t.jsonl") as trace:
        rows = [
            (number, row)
            for batch in trace
            for number, row in enumerate(batch.rows, batch.first_line)
        ]
    return rows, trace.remarks.all()


def rows_of(*lines: bytes) -> list[Row]:
    return [row for _, row in read(HEADER_LINE + b"\n".join([*lines, b""]))[0]]


def error_of(data: bytes) -> str:
    with pytest.raises(TraceError) as caught:
        read(data)
    return str(caught.value)


# ---------------------------------------------------------------------- the header


def test_the_header_is_read_when_the_trace_is_opened() -> None:
    with open_trace(io.BytesIO(HEADER_LINE)) as trace:
        assert (trace.header.version, trace.header.python) == (1, "3.13.0")
        assert (trace.header.tick_ns, trace.header.program) == (1000, "app.py")
        assert list(trace) == []
        assert trace.remarks.all() == ()


def test_a_header_that_says_less_than_it_should_is_a_notice() -> None:
    with open_trace(io.BytesIO(b'{"tprecord":1,"tick_ns":1000,"cpus":null}')) as trace:
        assert (trace.header.python, trace.header.pid, trace.header.cpus) == ("unknown", 0, None)
        remarks = trace.remarks.all()
        assert {(remark.grade, remark.slug) for remark in remarks} == {
            (QualityGrade.NOTICE, "header")
        }
        assert "the header does not say python as it should" in {r.text for r in remarks}


RECORD_AGAIN = "try recording again"
A_HEADER = (
    """expected a trace's header, {"tprecord": 1, …}, try a file that python -m tprecord wrote"""
)
A_TRACE = "expected a trace, whose first line is its header"
VERSION_1 = "expected 1, the newest this tpanalyze knows"


@pytest.mark.parametrize(
    ("data", "found", "expected"),
    [
        (
            b"",
            "t.jsonl: found an empty file",
            f"{A_TRACE}, {RECORD_AGAIN}: python -m tprecord app.py",
        ),
        (b"hello \x1b[31m\xff\n", r"t.jsonl:1: found 'hello \x1b[31m\xff'", A_HEADER),
        (b"[1,2,3]\n", "t.jsonl:1: found '[1,2,3]'", A_HEADER),
        (HEADER_LINE[:30], f"t.jsonl:1: found '{HEADER_LINE[:30].decode()}'", A_HEADER),
        (
            b'{"tprecord":99,"tick_ns":1}\n',
            "t.jsonl:1: found format version 99",
            f"{VERSION_1}, try a newer one: pip install -U tprecord",
        ),
        (
            b'{"tprecord":true,"tick_ns":1}\n',
            "t.jsonl:1: found format version True",
            f"{VERSION_1}, {RECORD_AGAIN}",
        ),
        (
            b'{"tprecord":1,"tick_ns":0}\n',
            "t.jsonl:1: found tick_ns 0",
            f"expected an integer from 1 to 1000000000, {RECORD_AGAIN}",
        ),
    ],
)
def test_what_is_no_trace_is_an_error_with_its_place(
    data: bytes, found: str, expected: str
) -> None:
    assert error_of(data) == f"{found}, {expected}"


def test_a_missing_file_and_a_directory_are_errors(tmp_path: Path) -> None:
    missing = tmp_path / "none.jsonl"
    with pytest.raises(TraceError, match=r"none\.jsonl: found no such file, expected a trace, try"):
        open_trace(missing)
    with pytest.raises(TraceError, match=r"found a file that cannot be read \(Is a directory\)"):
        open_trace(tmp_path)
    with pytest.raises(TraceError, match="found a file that cannot be read"):
        open_trace("null\0byte")


# ---------------------------------------------------------------------- good lines


def test_rows_come_with_the_numbers_of_their_lines() -> None:
    rows, remarks = read(HEADER_LINE + b'{"thread":1,"name":"a"}\n[8,1,1]\n[6,1,1,1,1,-1,0,1,1]\n')
    assert rows == [
        (2, {"thread": 1, "name": "a"}),
        (3, [8, 1, 1]),
        (4, [6, 1, 1, 1, 1, -1, 0, 1, 1]),
    ]
    assert remarks == ()


class Drip:
    """A file that gives what it likes of what it is asked for."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces

    def read(self, size: int = -1) -> bytes:
        del size
        return bytes(bytearray(self.pieces.pop(0))) if self.pieces else b""  # a new object

    def close(self) -> None:
        self.pieces = []


@given(st.lists(st.integers(0, 400)), st.booleans())
def test_it_does_not_matter_where_the_blocks_of_the_file_end(cuts: list[int], packed: bool) -> None:
    lines = b'[8,1,1]\n{"end":1,"reason":"exit"}\nbroken\n\n' * 3 + b"[9,1"
    data = HEADER_LINE + lines
    expected = read(data)
    if packed:
        data = gzip.compress(data, 0)
    at = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    pieces = [data[a:b] for a, b in pairwise(at)]
    with open_trace(Drip(pieces)) as trace:
        rows = [r for batch in trace for r in enumerate(batch.rows, batch.first_line)]
    assert (rows, trace.remarks.all()) == expected


def test_many_blocks_make_many_batches_and_no_row_is_lost() -> None:
    count = 4 * BLOCK // len(b"[8,100,1]\n")
    rows, _ = read(HEADER_LINE + b"[8,100,1]\n" * count)
    assert [number for number, _ in rows] == list(range(2, count + 2))


def test_a_byte_order_mark_and_the_line_ends_of_windows_do_no_harm() -> None:
    lines = HEADER_LINE + b"[8,1,1]\n[8, 2, 1]\n"
    rows, remarks = read(b"\xef\xbb\xbf" + lines.replace(b"\n", b"\r\n"))
    assert [row for _, row in rows] == [[8, 1, 1], [8, 2, 1]]
    assert remarks == ()


def test_a_packed_trace_is_read_like_a_plain_one_even_in_several_members() -> None:
    packed = gzip.compress(HEADER_LINE) + gzip.compress(b"[8,1,1]\n[8,") + gzip.compress(b"2,1]\n")
    rows, remarks = read(packed)
    assert [row for _, row in rows] == [[8, 1, 1], [8, 2, 1]]
    assert remarks == ()


# ---------------------------------------------------------------------- bad lines


@pytest.mark.parametrize(
    "torn", [b"[1,2", b'{"thread":3,"na', b"[", b"\xff\x00", b"\x00" * 50, b"[1,2\n"]
)
def test_a_torn_last_line_is_a_notice_and_all_before_it_counts(torn: bytes) -> None:
    rows, (remark,) = read(HEADER_LINE + b"[8,1,1]\n" + torn)
    assert rows == [(2, [8, 1, 1])]
    assert (remark.grade, remark.slug, remark.line) == (QualityGrade.NOTICE, "torn-end", 3)


def test_a_whole_last_line_counts_without_its_line_end() -> None:
    rows, remarks = read(HEADER_LINE + b"[8,1,1]\n[8,2,1]")
    assert rows == [(2, [8, 1, 1]), (3, [8, 2, 1])]
    assert remarks == ()


@pytest.mark.parametrize(
    "bad",
    [
        b"oops",
        b"[1,2",
        b"\xff\xfe",
        b"[1.5,1,1]",
        b"[1e3,1,1]",
        b"[true,1,1]",
        b"[null,1,1]",
        b'["1",1,1]',
        b"[[1],1,1]",
        b"[{},1,1]",
        b"[NaN,1,1]",
        b"[" * 3000,
        b"[" * 500 + b"]" * 500,
        b"5",
        b"null",
        b'"text"',
        b"[8,1,1],[8,1,1]",
        b"%d" % BOUND,
        b"[8,%d,1]" % BOUND,
        b"[8,-%d,1]" % BOUND,
        b"[8,99999999999999999999999999,1]",
    ],
)
@pytest.mark.parametrize("beside", [b"[8,1,1]", b'{"end":1,"reason":"exit"}'])
def test_a_bad_line_in_the_middle_is_a_loss_and_the_others_count(bad: bytes, beside: bytes) -> None:
    rows, (remark,) = read(HEADER_LINE + b"\n".join([beside, bad, beside, b""]))
    assert rows == [(2, json.loads(beside)), (4, json.loads(beside))]
    assert (remark.grade, remark.slug, remark.line) == (QualityGrade.LOSS, "bad-line", 3)
    assert remark.text.startswith("found ")


def test_one_value_on_two_lines_and_two_values_on_one_do_not_make_up_for_each_other() -> None:
    assert rows_of(b"[8,1", b"1]", b"[8,1,1],[8,1,1]", b"[8,3,1]") == [[8, 3, 1]]
    lines = (b'{"a":[1', b'{"b":2}]}', b'{"c":3},[1.5]', b"[8,3,1]")
    assert rows_of(*lines) == [[8, 3, 1]]
    assert rows_of(b'{"c":3},5') == []


LINES = st.lists(
    st.sampled_from(
        [
            b"[8,1,1]",
            b"[8,-1,1]",
            b"[]",
            b'{"end":1}',
            b"{}",
            b' {"end":1}',
            b"[1.5]",
            b"7",
            b"[1",
            b"2]",
            b"[[1]]",
            b'{"a":[1',
            b'{"b":2}]}',
            b'{"c":3},[1]',
            b'{"d":4},5',
            b"[8],[9]",
            b"1],[2",
        ]
    )
    | st.binary(max_size=6).filter(lambda line: b"\n" not in line)
)


@given(LINES)
def test_the_rows_are_those_of_each_line_by_itself(lines: list[bytes]) -> None:
    expected = []
    for line in lines:
        try:
            row = json.loads(line.decode())
        except ValueError:
            continue
        if isinstance(row, dict) or (isinstance(row, list) and all(type(n) is int for n in row)):
            expected.append(row)
    assert rows_of(*lines) == expected


def test_an_empty_line_is_a_notice() -> None:
    rows, (remark,) = read(HEADER_LINE + b"[8,1,1]\n\n[8,2,1]\n")
    assert [number for number, _ in rows] == [2, 4]
    assert (remark.grade, remark.slug, remark.line) == (QualityGrade.NOTICE, "blank-line", 3)


def test_a_line_without_end_costs_a_remark_and_no_memory() -> None:
    piece = b"[" + b"1," * (BLOCK // 2)
    pieces = [HEADER_LINE + b"[8,1,1]\n", *[piece] * 1000, b"1]\n[8,2,1]\n"]
    assert sum(map(len, pieces)) > 3 * LONGEST_LINE
    tracemalloc.start()
    try:
        with open_trace(Drip(pieces)) as trace:
            rows = [r for batch in trace for r in enumerate(batch.rows, batch.first_line)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rows == [(2, [8, 1, 1]), (4, [8, 2, 1])]
    (remark,) = trace.remarks.all()
    assert (remark.grade, remark.line) == (QualityGrade.LOSS, 3)
    assert remark.text == "found '<a line of more than 16 MiB>', expected JSON; skipped"
    assert peak < 2 * LONGEST_LINE


def test_a_long_line_within_the_limit_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    line = b"[%b]" % b",".join([b"123456789"] * BLOCK)
    assert rows_of(line, b"[8,1,1]") == [[123456789] * BLOCK, [8, 1, 1]]
    monkeypatch.setattr(reader, "LONGEST_LINE", len(line) - 1)
    assert rows_of(line, b"[8,1,1]") == [[8, 1, 1]]


# ---------------------------------------------------------------------- bad files


def test_a_packed_trace_that_ends_too_early_counts_as_far_as_it_goes() -> None:
    whole = gzip.compress(HEADER_LINE + b"[8,1,1]\n" * 1000)
    rows, remarks = read(whole[:-8])
    assert len(rows) == 1000
    assert [(remark.grade, remark.slug) for remark in remarks] == [
        (QualityGrade.NOTICE, "torn-end")
    ]


def test_a_packed_trace_with_a_hole_counts_up_to_it() -> None:
    first, second = gzip.compress(HEADER_LINE + b"[8,1,1]\n"), gzip.compress(b"[8,2,1]\n")
    rows, (remark,) = read(first + second[:10] + b"\xff" * 9 + second[19:])
    assert rows == [(2, [8, 1, 1])]
    assert (remark.grade, remark.slug) == (QualityGrade.LOSS, "corrupt-gzip")


class Failing:
    """A file on a disk that dies."""

    def __init__(self, good: list[bytes]) -> None:
        self.good = good

    def read(self, size: int = -1) -> bytes:
        del size
        if not self.good:
            raise OSError(5, "Input/output error")
        return self.good.pop(0)

    def close(self) -> None:
        self.good = []


def test_a_file_that_cannot_be_read_to_its_end_counts_as_far_as_it_goes() -> None:
    with open_trace(Failing([HEADER_LINE + b"[8,1,1]\n"])) as trace:
        assert [batch.rows for batch in trace] == [[[8, 1, 1]]]
    (remark,) = trace.remarks.all()
    assert (remark.grade, remark.slug) == (QualityGrade.LOSS, "read-error")
    assert "Input/output error" in remark.text


def test_a_file_that_cannot_be_read_at_all_is_an_error() -> None:
    with pytest.raises(TraceError, match=r"cannot be read \(Input/output error\)"):
        open_trace(Failing([]), "t.jsonl")


def test_a_bad_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"hello\n")
    with pytest.raises(TraceError, match=r"t\.jsonl:1: found 'hello'"):
        open_trace(path)  # filterwarnings=error turns a file left open into a failure


def test_what_the_generator_of_the_tests_writes_is_good() -> None:
    trace = TraceGen()
    main = trace.thread("Main\u2028Thread \x1b[0m", main=True)
    trace.submit(main, trace.pool(), function=trace.function("f"), site=trace.site("a.py:1 in f"))
    _, remarks = read(trace.data())
    assert remarks == ()
