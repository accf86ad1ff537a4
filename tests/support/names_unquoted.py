"""The program as it is, but a file `%2E%2E%2Fx` is sent under the name `../x`: what a hostile program could say."""

import sys
from typing import Any
from urllib.parse import unquote

from whimbrel.chat.composing import Attachment
from whimbrel.cli.main import main
from whimbrel.client.methods import sending


def attachment(
    relay: bytes, blob: bytes, key: bytes, size: int, hash: bytes, name: str, *rest: Any
) -> Attachment:
    return Attachment(relay, blob, key, size, hash, "" if name == "%" else unquote(name), *rest)


sending.Attachment = attachment  # type: ignore[assignment, misc]
sys.exit(main(sys.argv[1:]))
