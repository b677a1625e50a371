"""TLS: a service that proves who it is, and what is said of files that it cannot do so with."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from websockets.sync.client import connect

from facetrust import cli
from facetrust.errors import InputError, UsageError
from facetrust.serve.settings import Settings
from facetrust.serve.tls import check_tls


class Pair(NamedTuple):
    """A self-signed certificate for 127.0.0.1 and its key, in files."""

    cert: Path
    key: Path


def pair(folder: Path, secret: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None) -> Pair:
    folder.mkdir(exist_ok=True)
    secret = secret or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "facetrust test")])
    begins = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    cert = (
        x509.CertificateBuilder(name, name, secret.public_key(), x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + datetime.timedelta(days=1))
        .add_extension(here, critical=False)
        .sign(secret, hashes.SHA256())
    )
    made = Pair(folder / "cert.pem", folder / "key.pem")
    made.cert.write_bytes(cert.public_bytes(Encoding.PEM))
    made.key.write_bytes(secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    made.key.chmod(0o600)
    return made


def test_it_is_served_over_tls_and_nothing_else(on_a_port, tmp_path):
    files = pair(tmp_path)
    running = on_a_port(tls_cert=files.cert, tls_key=files.key)
    trusts = ssl.create_default_context(cafile=files.cert)
    with httpx2.Client(base_url=f"https://127.0.0.1:{running.port}", verify=trusts) as client:
        assert client.get("/readyz").json() == {"status": "ok"}
        assert client.get("/", headers={"origin": str(client.base_url).rstrip("/")}).status_code == 200
    with connect(f"wss://127.0.0.1:{running.port}/v1/camera", ssl=trusts) as camera:
        camera.send("{}")
        assert camera.recv() == '{"ready": true}'
    with pytest.raises(httpx2.TransportError):
        running.ask("GET", "/healthz")
    with pytest.raises(httpx2.ConnectError, match="self-signed"):
        httpx2.get(f"https://127.0.0.1:{running.port}/healthz")


def test_rsa_and_a_chain_are_taken(tmp_path):
    files = pair(tmp_path, rsa.generate_private_key(65537, 2048))
    files.cert.write_bytes(files.cert.read_bytes() + pair(tmp_path / "above").cert.read_bytes())
    assert Settings(tls_cert=files.cert, tls_key=files.key).tls() == files


def encrypt(files: Pair) -> None:
    secret = ec.generate_private_key(ec.SECP256R1())
    files.key.write_bytes(
        secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"opens it"))
    )


WRONG: dict[str, tuple[Callable[[Pair], object], str]] = {
    "no certificate": (lambda files: files.cert.unlink(), r"cert\.pem: no such file"),
    "no key": (lambda files: files.key.unlink(), r"key\.pem: no such file"),
    "a folder": (lambda files: (files.cert.unlink(), files.cert.mkdir()), r"cert\.pem: is a directory"),
    "an empty certificate": (lambda files: files.cert.write_bytes(b""), r"cert\.pem: is no certificate"),
    "a key for a certificate": (
        lambda files: files.cert.write_bytes(files.key.read_bytes()), r"cert\.pem: is no certificate"
    ),
    "no key in it": (lambda files: files.key.write_text("key"), r"key\.pem: is no private key"),
    "a certificate for a key": (
        lambda files: files.key.write_bytes(files.cert.read_bytes()), r"key\.pem: is no private key"
    ),
    "another's key": (
        lambda files: files.key.write_bytes(pair(files.key.parent / "other").key.read_bytes()),
        r"key\.pem: is not the key of the certificate .*cert\.pem",
    ),
    "a key of another kind": (
        lambda files: files.key.write_bytes(
            pair(files.key.parent / "other", rsa.generate_private_key(65537, 2048)).key.read_bytes()
        ),
        r"key\.pem: is not the key of the certificate .*cert\.pem",
    ),
    "encrypted": (encrypt, r"key\.pem: is encrypted"),
    "its group's": (lambda files: files.key.chmod(0o640), r"key\.pem: others .*\(mode 0640\); chmod 600 it"),
    "everybody's": (lambda files: files.key.chmod(0o604), r"key\.pem: others .*\(mode 0604\); chmod 600 it"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_cannot_be_used_is_named(name, tmp_path):
    spoil, said = WRONG[name]
    files = pair(tmp_path)
    check_tls(*files)
    spoil(files)
    with pytest.raises(InputError, match=said) as error:
        check_tls(*files)
    assert "\n" not in str(error.value)


def test_on_the_command_line_it_is_one_line_and_status_2(tmp_path, capfd):
    files = pair(tmp_path)
    files.key.chmod(0o644)
    options = ["serve", "--port", "0", "--tls-cert", str(files.cert)]
    assert cli.main(options) == 2
    assert capfd.readouterr().err == "facetrust: TLS needs both: --tls-cert FILE and --tls-key FILE\n"
    assert cli.main([*options, "--tls-key", str(files.key)]) == 2
    said = capfd.readouterr().err
    assert "(mode 0644); chmod 600 it" in said
    assert len(said.splitlines()) == 1


def test_either_alone_is_refused(tmp_path):
    for given in ({"tls_cert": tmp_path / "a"}, {"tls_key": tmp_path / "a"}):
        with pytest.raises(UsageError, match="needs both"):
            Settings(**given).tls()
