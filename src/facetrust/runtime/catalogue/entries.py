"""A catalogue of models that may be pulled: a JSON file in a folder or at a URL that the user names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple
from urllib.parse import urljoin, urlsplit

from pydantic import ConfigDict, Field, ValidationError

from facetrust.errors import ModelError, UnknownName
from facetrust.records import ModelCard, Record
from facetrust.runtime.catalogue.web import checked, fetch, is_url

FILE = "catalogue.json"  # Of a folder, or of a URL that ends in a slash.
MOST_BYTES = 4 << 20  # Of a catalogue.
LARGEST = 2 << 30  # Bytes of a model; what an ONNX file can hold.
NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"  # That can stand for a file on every system.
_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Text = Annotated[str, Field(min_length=1, max_length=2000)]


class Entry(Record):
    """One model of a catalogue.

    file, card: paths relative to the catalogue, or URLs. size: bytes of the file. sha256, card_sha256: what
    the file and the card must hash to. licence: of the weights; terms: of the data that they were made from.
    """

    name: Annotated[str, Field(pattern=NAME)]
    version: Annotated[int, Field(ge=1)]
    task: _Text
    file: _Text
    size: Annotated[int, Field(gt=0, le=LARGEST)]
    sha256: _Hash
    card: _Text
    card_sha256: _Hash
    licence: _Text
    terms: _Text

    @property
    def title(self) -> str:
        """The model's name as verdicts carry it: `name@version`."""
        return f"{self.name}@{self.version}"

    def check_card(self, card: ModelCard, source: str) -> None:
        """Checks that a card is about what the catalogue says; `source` names the card in errors.

        Raises:
            ModelError: a field differs.
        """
        for field in ("name", "version", "task", "sha256"):
            stated, found = getattr(self, field), getattr(card, field)
            if found != stated:
                raise ModelError(f"{source}: {field} is {found!r}, the catalogue says {stated!r}")


class _File(Record):
    """What a catalogue's file holds."""

    schema_name: Literal["facetrust.catalogue/1"] = Field(alias="schema")
    models: Annotated[tuple[Entry, ...], Field(max_length=10_000)]

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Catalogue(NamedTuple):
    """Entries in their order, and where they were read: a path, or a URL."""

    place: str
    entries: tuple[Entry, ...]

    def entry(self, name: str) -> Entry:
        """Returns the entry of a name.

        Raises:
            UnknownName: there is none; the message gives the nearest one.
        """
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise UnknownName("model in the catalogue", name, [entry.name for entry in self.entries])

    def address(self, reference: str) -> str | Path:
        """Returns the URL, or the path, of a file that an entry names.

        Raises:
            ModelError: another kind of URL than HTTP, one without encryption in a catalogue that has it, or a
                path that leads out of the catalogue's folder.
        """
        if "://" in reference:
            if urlsplit(self.place).scheme == "https" and urlsplit(reference).scheme != "https":
                raise ModelError(f"{self.place}: names {reference}, which is not encrypted as itself is")
            return checked(reference)
        parts = reference.split("/")
        if ".." in parts or "" in parts or "\\" in reference or ":" in reference or "\0" in reference:
            raise ModelError(f"{self.place}: names {reference!r}, which is no path below the catalogue")
        if is_url(self.place):
            return checked(urljoin(self.place, reference))
        folder = Path(self.place).resolve().parent
        path = (folder / reference).resolve()
        if not path.is_relative_to(folder):
            raise ModelError(f"{self.place}: names {reference!r}, which leads out of the catalogue's folder")
        return path


def read_catalogue(place: str | Path) -> Catalogue:
    """Returns the catalogue in a file, in a folder's catalogue.json, or at an http(s) URL, which is fetched.

    Raises:
        ModelError: missing, too large, not JSON, a field is missing, unknown or of the wrong kind, or a name
            stands in it twice.
    """
    place = str(place)
    if is_url(place):
        place = checked(place + FILE if place.endswith("/") else place)
        content = fetch(place, MOST_BYTES)
    else:
        path = Path(place).expanduser()
        path = path / FILE if path.is_dir() else path
        place = str(path)
        content = read_file(path, MOST_BYTES)
    try:
        entries = _File.model_validate_json(content).models
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the catalogue"
        raise ModelError(f"{place}: {where}: {first['msg']}") from None
    if twice := _twice([entry.name for entry in entries]):
        raise ModelError(f"{place}: two models are named {twice}")
    return Catalogue(place, entries)


def read_file(path: Path, most: int) -> bytes:
    """Returns the content of a regular file of at most so many bytes.

    Raises:
        ModelError: missing, of another kind, or larger.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ModelError(f"{path}: is larger than {most:,} bytes")
    return content


def _twice(names: Sequence[str]) -> str | None:
    return next((name for at, name in enumerate(names) if name in names[:at]), None)
