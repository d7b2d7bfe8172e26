"""A video that stands inside a JSON answer, taken out of it as it arrives.

Pure: bytes in, bytes out. Neither the answer nor the video is ever whole in memory.
"""

import base64
import binascii
import re

from providers.http_calls import BODY_BYTES_MAX, NotUnderstoodError

# What opens the video; looked for in the last bytes before a string only.
_OPENING = re.compile(rb'(?<!\\)"bytesBase64Encoded"\s*:\s*\Z')
# 64 bytes: the name, a colon and spaces that no writer of JSON puts there in such numbers.
_OPENING_BYTES = 64
_QUOTE_OR_ESCAPE = re.compile(rb'["\\]')


class InlineVideo:
    """Splits a JSON text into its first `bytesBase64Encoded` and all that comes before.

    Guarantee: holds `remainder`, 1 MiB at most, and three characters of base64 between chunks.
    """

    def __init__(self) -> None:
        self.remainder = bytearray()
        self.begun = False
        self.ended = False
        self._in_text = False
        self._escaped = False
        self._undecoded = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes of the answer and give what they hold of the video.

        Raises: NotUnderstoodError for a video that is no base64, or an answer that is too long
        without one.
        """
        at = 0
        while at < len(chunk) and not self.begun:
            at = self._past_text(chunk, at) if self._in_text else self._past_gap(chunk, at)
        if len(self.remainder) > BODY_BYTES_MAX:
            raise NotUnderstoodError("the answer was too large")
        return self._video(chunk[at:]) if self.begun and not self.ended else b""

    def _past_gap(self, chunk: bytes, at: int) -> int:
        """Go to just behind the quote that opens the next text."""
        quote = chunk.find(b'"', at)
        if quote < 0:
            self.remainder += chunk[at:]
            return len(chunk)
        self.remainder += chunk[at:quote]
        self.begun = _OPENING.search(self.remainder[-_OPENING_BYTES:]) is not None
        self._in_text = True
        self.remainder += b'"'
        return quote + 1

    def _past_text(self, chunk: bytes, at: int) -> int:
        """Go to just behind the next quote or escape of a text, or to the chunk's end."""
        if self._escaped:
            self._escaped = False
            self.remainder += chunk[at : at + 1]
            return at + 1
        found = _QUOTE_OR_ESCAPE.search(chunk, at)
        if found is None:
            self.remainder += chunk[at:]
            return len(chunk)
        self._escaped = found[0] == b"\\"
        self._in_text = self._escaped
        self.remainder += chunk[at : found.end()]
        return found.end()

    def _video(self, chunk: bytes) -> bytes:
        end = chunk.find(b'"')
        self.ended = end >= 0
        # JSON may write a slash as \/, which is the only escape that base64 could hold.
        text = self._undecoded + (chunk[:end] if self.ended else chunk).replace(b"\\", b"")
        whole = len(text) if self.ended else len(text) - len(text) % 4
        self._undecoded = text[whole:]
        try:
            return base64.b64decode(text[:whole], validate=True)
        except binascii.Error:
            raise NotUnderstoodError("the video in the answer is no base64") from None
