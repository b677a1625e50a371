"""The certificate and key of a service that speaks TLS itself: looked at before a port is taken."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

from facetrust.errors import InputError, first_line
from facetrust.imaging.regular_file import size_of

_LARGEST = 1024 * 1024  # Bytes of a chain of certificates; a few kilobytes is usual.
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_APART = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")  # OpenSSL's words.


class _Encrypted(Exception):
    """OpenSSL asks for a password."""


def check_tls(cert: Path, key: Path) -> None:
    """Checks that a service can prove who it is by these files, and that its key is its own.

    Args:
        cert: PEM, the certificate and then those that lead to its root.
        key: PEM, its private key without a password, which its owner alone may read.

    Raises:
        InputError: one is missing, is no file of its kind, is encrypted or readable by others, or they
            do not belong together.
    """
    for path, kind in ((cert, "a certificate's"), (key, "a key's")):
        size_of(path, limit=_LARGEST, kind=kind)
    if (mode := stat.S_IMODE(key.stat().st_mode)) & _OTHERS:
        raise InputError(f"{key}: others than its owner may use this key (mode {mode:04o}); chmod 600 it")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cert)
    except ssl.SSLError:
        raise InputError(f"{cert}: is no certificate in PEM") from None
    except OSError as error:
        raise InputError(f"{cert}: cannot be read ({error.strerror or error})") from None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, _no_password)
    except _Encrypted:
        raise InputError(f"{key}: is encrypted; give a key without a password (mode 0600)") from None
    except ssl.SSLError as error:
        if error.reason in _APART:
            raise InputError(f"{key}: is not the key of the certificate {cert}") from None
        if error.reason in (None, "PEM_LIB"):
            raise InputError(f"{key}: is no private key in PEM") from None
        raise InputError(f"{cert}: cannot be used with {key} ({first_line(error)})") from None
    except OSError as error:
        raise InputError(f"{key}: cannot be read ({error.strerror or error})") from None


def _no_password() -> str:
    raise _Encrypted
