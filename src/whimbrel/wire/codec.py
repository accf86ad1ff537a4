"""Values to bytes and back: one place to import from. What is stored is in `stored`, what is asked in `asking`, what is
answered in `answering`."""

from .answering import (
    decode_answer,
    decode_answers,
    encode_answer,
    encode_answers,
)
from .asking import (
    code_of,
    decode_operation,
    decode_operations,
    encode_operation,
    encode_operations,
)
from .cbor import MESSAGE_MAX
from .stored import (
    decode_change,
    decode_entry,
    decode_log_body,
    decode_pointer,
    decode_signed_change,
    encode_change,
    encode_entry,
    encode_log_body,
    encode_pointer,
    encode_signed_change,
    entry_id,
    log_id,
)

__all__ = [
    "MESSAGE_MAX",
    "code_of",
    "decode_answer",
    "decode_answers",
    "decode_change",
    "decode_entry",
    "decode_log_body",
    "decode_operation",
    "decode_operations",
    "decode_pointer",
    "decode_signed_change",
    "encode_answer",
    "encode_answers",
    "encode_change",
    "encode_entry",
    "encode_log_body",
    "encode_operation",
    "encode_operations",
    "encode_pointer",
    "encode_signed_change",
    "entry_id",
    "log_id",
]
