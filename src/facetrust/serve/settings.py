"""What a service is started with, and what a request may ask of it at most."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from facetrust.errors import UsageError
from facetrust.imaging import MAX_PIXELS
from facetrust.records import Record
from facetrust.serve.tls import check_tls

_MIB = 1024 * 1024


class Limits(Record):
    """What a request may take at most; what is past it is refused before it is decoded.

    most_bytes: of a body, all its pictures together. most_pixels: of a picture, or of a frame of one that
    moves. longest_video: in seconds. most_faces: that are judged of a picture; more are counted, and nothing
    is trusted then. most_pictures: of one enrolment. waiting: requests that wait for a thread; further ones
    are refused. head_seconds, body_seconds: until a request's head, and then its body, have arrived.
    work_seconds: until there is an answer, waiting included. cameras: at once. frame_bytes: of a camera's
    frame. connections: open at once. wrong_keys: from one address in a minute; further ones are told to wait.
    """

    most_bytes: int = Field(default=32 * _MIB, ge=1)
    most_pixels: int = Field(default=MAX_PIXELS, ge=64, le=MAX_PIXELS)
    longest_video: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    most_faces: int = Field(default=200, ge=1)
    most_pictures: int = Field(default=16, ge=1)
    waiting: int = Field(default=16, ge=0)
    head_seconds: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    body_seconds: float = Field(default=20.0, gt=0, allow_inf_nan=False)
    work_seconds: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    cameras: int = Field(default=4, ge=0)
    frame_bytes: int = Field(default=2 * _MIB, ge=1)
    connections: int = Field(default=256, ge=1)
    wrong_keys: int = Field(default=20, ge=1)


class Settings(Record):
    """How a service is set up.

    keys: file of API keys; without it everybody may ask for everything, and only this machine can connect.
    tls_cert, tls_key: PEM files; with both it speaks TLS, and nothing else.
    gallery, gallery_key: as of `facetrust enroll`; no gallery routes without. models: task → bundled name or
    .onnx file, the bundled one without. detector: YuNet's file, MTCNN without. at_work: requests that are
    judged at once. threads: of ONNX Runtime, for each of them. isolated: each is judged in a process of its
    own, not in a thread; where one dies, another takes what it had in hand.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    keys: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    gallery: str | None = None
    gallery_key: Path | None = None
    models: dict[str, str] = Field(default_factory=dict)
    detector: Path | None = None
    at_work: int = Field(default=2, ge=1)
    threads: int = Field(default=1, ge=0)
    isolated: bool = False
    limits: Limits = Limits()

    def check_reach(self) -> None:
        """Checks that strangers cannot reach a service that asks for no key.

        Raises:
            UsageError: they can.
        """
        if self.keys is None and not is_loopback(self.host):
            raise UsageError(
                f"--host {self.host}: without API keys the service listens on this machine alone "
                "(127.0.0.1); make a key with: facetrust keys add NAME --keys FILE"
            )

    def tls(self) -> tuple[Path, Path] | None:
        """Returns the files of the certificate and of its key; None where there is no TLS.

        Raises:
            UsageError: one is given without the other.
            InputError: as `check_tls`.
        """
        if self.tls_cert is None and self.tls_key is None:
            return None
        if self.tls_cert is None or self.tls_key is None:
            raise UsageError("TLS needs both: --tls-cert FILE and --tls-key FILE")
        check_tls(self.tls_cert, self.tls_key)
        return self.tls_cert, self.tls_key


def settings_of(limits: dict[str, Any], **settings: Any) -> Settings:
    """Returns settings from the command line's options.

    Raises:
        UsageError: one is out of range; the message names its option.
    """
    try:
        return Settings(limits=Limits(**limits), **settings)
    except ValidationError as error:
        fault = error.errors()[0]
        option = str(fault["loc"][0]).replace("_", "-")
        raise UsageError(f"--{option} {fault['input']}: {fault['msg']}") from None


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own, reached by nobody else."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
