"""The parser of HTTP, made to ignore `Upgrade`, as a server may (RFC 9110, section 7.8).

llhttp ends a message with the head that asks for another protocol, and leaves the rest to that. uvicorn drops the rest
(https://github.com/Kludex/uvicorn/issues/2722): the body of a request of Java's HTTP client, which offers HTTP/2 with
each, would be missing, or be read as the next request.
"""

from collections.abc import Iterable

import httptools
from httptools import HttpParserUpgrade

_FRAMING = (b"content-length", b"transfer-encoding")


class Parser(httptools.HttpRequestParser):
    """For which a request that asks for another protocol is one like any other."""

    def __init__(self, protocol: object) -> None:
        self._protocol = protocol
        self._begin()
        self.rereading = False  # while callbacks tell again of a head that they have told of
        self.framing = b""  # the lines that say how the body is framed, until that is read

    def _begin(self) -> None:
        """Have llhttp forget all that it has read."""
        super().__init__(self._protocol)
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it

    def should_upgrade(self) -> bool:
        """Return that uvicorn should go on as usual."""
        return False

    def head_read(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Remember how the body is framed where llhttp is about to forget it; to be called with each whole head."""
        if super().should_upgrade():
            self.framing = b"".join(b"%s: %s\r\n" % header for header in headers if header[0] in _FRAMING)

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]  # uvicorn gives no other kind of buffer
        """Parse what came, and tell the protocol.

        Raises:
            HttpParserError: it is not HTTP.
        """
        while data:
            try:
                super().feed_data(data)
            except HttpParserUpgrade as end:
                data = data[end.args[0] :]
                self._reread()
            else:
                return

    def _reread(self) -> None:
        """Have llhttp read once more how the body is framed, in a head that asks for nothing."""
        framing, self.framing = self.framing, b""
        if framing:
            self._begin()  # where the connection ends with this message, llhttp would read nothing more
            self.rereading = True
            try:
                super().feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n")
            finally:
                self.rereading = False
