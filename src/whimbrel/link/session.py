"""The sealed side of one way: turns requests into messages and messages into answers. Bytes in, bytes and values out.

Both sessions begin alike: with the relay's key document at hand the first message is a letter with the first operations;
without it, it is *key?*, and the letter follows when the document has come. A relay that does not have the key any more
shows its document, and the letter is sealed anew to that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from whimbrel.link.keys import Keys
from whimbrel.wire import keydoc
from whimbrel.wire.answers import Pushed, Signalled
from whimbrel.wire.codec import decode_answers, encode_operations
from whimbrel.wire.errors import Malformed
from whimbrel.wire.letters import (
    SECRET,
    SealedRequest,
    ask_keys,
    is_key_document,
    open_key_document,
    open_response,
    seal_request,
)
from whimbrel.wire.operations import Operation
from whimbrel.wire.streams import RANDOM, Answered, ClientStream, KeysNeeded, NewKeys

DOCUMENTS_MAX = 3
"""Documents that a relay may show before it answers: one for *key?*, one when the key has just changed, one to spare."""


@dataclass(frozen=True, slots=True)
class Came:
    """What a message brought, and what is to be sent because of it."""

    values: tuple[Answered | Pushed | Signalled, ...] = ()
    send: bytes | None = None


class StreamSession:
    """The conversation on one stream. `draw(n)` gives n random bytes."""

    def __init__(self, keys: Keys, operations: Sequence[Operation], draw: Callable[[int], bytes]) -> None:
        """`operations` go in the first flight, as request 0."""
        self._keys = keys
        self._first = tuple(operations)
        self._draw = draw
        self._stream: ClientStream | None = None
        self._documents = 0

    def start(self) -> bytes:
        """The first message."""
        if self._keys.document is None:
            return ask_keys()
        self._stream = ClientStream(self._keys.document, self._draw(RANDOM))
        return self._stream.open(self._first)

    def request(self, n: int, operations: Sequence[Operation]) -> bytes:
        """The message with request `n`; only after request 0 was answered."""
        if self._stream is None:
            raise RuntimeError("the stream is not open yet")
        return self._stream.request(n, operations)

    def receive(self, data: bytes) -> Came:
        """What one message of the relay says. Raises WireError: the way is no good then."""
        if self._stream is None:
            return self._shown(open_key_document(data, self._keys.identity))
        try:
            found = self._stream.receive(data)
        except KeysNeeded as needed:
            return self._shown(needed.document)
        for news in found:
            if isinstance(news, NewKeys):
                self._keys.learn(news.document)
        return Came(tuple(v for v in found if not isinstance(v, NewKeys)))

    def _shown(self, document: keydoc.KeyDocument) -> Came:
        self._documents += 1
        if self._documents > DOCUMENTS_MAX:
            raise Malformed("a relay that shows its keys again and again")
        self._keys.learn(document)
        return Came(send=self.start())


class LetterSession:
    """One exchange: a letter and its answer, with as many turns as the keys need."""

    def __init__(
        self, keys: Keys, n: int, operations: Sequence[Operation], draw: Callable[[int], bytes]
    ) -> None:
        self._keys = keys
        self._n = n
        self._operations = tuple(operations)
        self._draw = draw
        self._letter: SealedRequest | None = None
        self._sealed_to = -1
        self._documents = 0

    def start(self) -> bytes:
        """The first letter to be exchanged."""
        if self._keys.document is None:
            return ask_keys()
        self._sealed_to = self._keys.document.number
        encoded = encode_operations(self._operations)
        self._letter = seal_request(self._keys.document, encoded, self._draw(SECRET))
        return self._letter.letter

    def receive(self, data: bytes) -> Came:
        """What came back: the answers, or another letter to exchange. Raises WireError."""
        if is_key_document(data):
            self._documents += 1
            document = open_key_document(data, self._keys.identity)
            if self._documents > DOCUMENTS_MAX or document.number <= self._sealed_to:
                raise Malformed("a relay that shows its keys and none that is newer")
            self._keys.learn(document)
            return Came(send=self.start())
        if self._letter is None:
            raise Malformed("an answer to no letter")
        response = open_response(self._letter, data)
        answers = decode_answers(response.answers)
        if len(answers) != len(self._operations):
            raise Malformed("answers to what was not asked")
        if response.document is not None:
            self._keys.learn(keydoc.decode(response.document, self._keys.identity))
        return Came((Answered(self._n, tuple(answers)),))
