"""Spool: output within a bound, its first and last bytes kept."""

from hypothesis import given
from hypothesis import strategies as st

from leadhand.spool import Spool


@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(2, 60))
def test_a_spool_keeps_the_first_and_the_last_bytes(chunks: list[bytes], keep: int) -> None:
    spool = Spool(keep)
    for chunk in chunks:
        spool.write(chunk)
    whole = b"".join(chunks)
    output, dropped = spool.read()
    spool.close()
    assert spool.total == len(whole)
    assert dropped == max(0, len(whole) - keep)
    if len(whole) <= keep:
        assert output == whole
    else:
        assert output.startswith(whole[: keep // 2])
        assert output.endswith(whole[len(whole) - (keep - keep // 2) :])


def test_a_large_output_goes_to_a_nameless_file_and_is_whole() -> None:
    spool = Spool(10_000_000)
    for number in range(1_000):
        spool.write(number.to_bytes(4, "big") * 1_000)
    output, dropped = spool.read()
    spool.close()
    assert dropped == 0
    assert output == b"".join(number.to_bytes(4, "big") * 1_000 for number in range(1_000))
