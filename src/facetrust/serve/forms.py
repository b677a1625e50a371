"""A form of files and fields (multipart), kept in memory alone, so that nothing of it reaches a disk."""

from __future__ import annotations

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from facetrust.serve.refusal import Refusal

_MOST_FIELDS = 16
_FIELD_BYTES = 1024


class FormReader:
    """Takes a form in pieces, as they arrive; `files` in their order, `fields` as name → values.

    A part with a file name is a file, whatever its name says; the name itself is not kept.

    Args:
        kind: the header `Content-Type`, which names the boundary.
        most: files that are taken.

    Raises:
        Refusal: no boundary (400).
    """

    def __init__(self, kind: str, *, most: int) -> None:
        self.files: list[bytes] = []
        self.fields: dict[str, list[str]] = {}
        self._most = most
        self._ended = False
        self._data = bytearray()
        self._header, self._value = b"", b""
        self._options: dict[bytes, bytes] = {}
        _, parameters = parse_options_header(kind)
        if not (boundary := parameters.get(b"boundary")):
            raise Refusal(400, "the form cannot be read: its Content-Type names no boundary")
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._on_header,
                    "on_header_value": self._on_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers,
                    "on_part_data": self._on_data,
                    "on_part_end": self._on_part,
                    "on_end": self._on_end,
                },
            )
        except FormParserError:
            raise Refusal(400, "the form cannot be read: its boundary is too long") from None

    def write(self, data: bytes) -> None:
        """Takes the next piece.

        Raises:
            Refusal: it is no form, or has too many files or fields (400).
        """
        try:
            self._parser.write(data)
        except FormParserError:
            raise Refusal(400, "the form cannot be read: it is damaged") from None

    def finish(self) -> None:
        """Checks that the form is whole.

        Raises:
            Refusal: it is not (400).
        """
        if not self._ended:
            raise Refusal(400, "the form cannot be read: it ends before its last boundary")

    def _begin(self) -> None:
        self._options = {}
        self._data = bytearray()

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, self._options = parse_options_header(self._value.decode("latin-1"))
        self._header, self._value = b"", b""

    def _on_headers(self) -> None:
        if b"name" not in self._options:
            raise Refusal(400, "the form cannot be read: a part has no name")
        if self._is_file and len(self.files) >= self._most:
            raise Refusal(400, f"the form brings more files than are taken here, which is {self._most}")
        if not self._is_file and sum(map(len, self.fields.values())) >= _MOST_FIELDS:
            raise Refusal(400, f"the form has more than {_MOST_FIELDS} fields")

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]
        if not self._is_file and len(self._data) > _FIELD_BYTES:
            raise Refusal(400, f"a field of the form is longer than {_FIELD_BYTES} bytes")

    def _on_part(self) -> None:
        if self._is_file:
            self.files.append(bytes(self._data))
        else:
            name = self._options[b"name"].decode("utf-8", "replace")
            self.fields.setdefault(name, []).append(self._data.decode("utf-8", "replace"))
        self._data = bytearray()

    def _on_end(self) -> None:
        self._ended = True

    @property
    def _is_file(self) -> bool:
        return b"filename" in self._options
