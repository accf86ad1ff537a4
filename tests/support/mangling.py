"""Bytes as an enemy or a bad line makes them: anything, or something good with a place changed, cut out or put in."""

from __future__ import annotations

from hypothesis import strategies as st


@st.composite
def _mangled(draw: st.DrawFn, good: bytes) -> bytes:
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(("flip", "put in", "cut out", "cut off", "repeat"))):
            case "flip" if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "put in":
                data[at:at] = draw(st.binary(min_size=1, max_size=9))
            case "cut out":
                del data[at : at + draw(st.integers(1, 40))]
            case "cut off":
                del data[at:]
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(1, 40))]
    return bytes(data)


def hostile(*good: bytes) -> st.SearchStrategy[bytes]:
    """Any bytes, and those of `good` mangled."""
    return st.one_of(st.binary(max_size=300), *(_mangled(one) for one in good))
