"""Members who do not keep to our rules: the tests in `native/proofs/strangers.rs`, by their names.

They are in Rust because OpenMLS has to be made to send what no call of our module sends.
"""

import re
from pathlib import Path

import pytest

from support import mls_proofs

proofs = mls_proofs.load()

SOURCE = Path(__file__).parents[2] / "native" / "proofs" / "strangers.rs"


@pytest.mark.parametrize("name", proofs.names_of_strangers())
def test_a_stranger(name: str) -> None:
    """What fails in Rust is a panic there, and an exception here."""
    proofs.play_stranger(name)


def test_every_stranger_in_the_source_was_played() -> None:
    marked = re.findall(r"#\[cfg_attr\(test, test\)\]\nfn (\w+)\(", SOURCE.read_text(encoding="utf-8"))
    assert sorted(marked) == sorted(proofs.names_of_strangers())
    assert len(marked) >= 10


def test_an_unknown_stranger_is_no_success() -> None:
    with pytest.raises(KeyError):
        proofs.play_stranger("nobody")
