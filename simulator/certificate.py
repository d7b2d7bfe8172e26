"""A certificate of the simulator's own making, for clients that speak nothing but TLS.

A client trusts it with `SSL_CERT_FILE=<folder>/cert.pem`. It is worth nothing elsewhere.
"""

import ipaddress
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

VALID_DAYS = 365
# A certificate with a week left is not made again: clients read it once, when they start.
REMAINING_DAYS_MIN = 7
_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Where the certificate, which is its own authority, and its key lie."""

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Return what a server needs to speak TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def ensure_key_pair(folder: Path, host: str) -> KeyPair:
    """Return the pair in this folder; made anew unless it is good for this host and still valid.

    Guarantee: a simulator that starts again on the same folder is trusted as before.
    """
    pair = KeyPair(folder / "cert.pem", folder / "key.pem")
    names = tuple(dict.fromkeys((*_NAMES, host)))
    if not _usable(pair, names):
        folder.mkdir(parents=True, exist_ok=True)
        _make(pair, names)
    return pair


def _usable(pair: KeyPair, names: tuple[str, ...]) -> bool:
    # What cannot be read is made anew.
    with suppress(OSError, ValueError, x509.ExtensionNotFound):
        pair.context()
        made = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        named = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        lasts = made.not_valid_after_utc - datetime.now(UTC) > timedelta(days=REMAINING_DAYS_MIN)
        return lasts and set(map(_general_name, names)) <= set(named)
    return False


def _make(pair: KeyPair, names: tuple[str, ...]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pair.key.touch(mode=0o600)
    pair.key.chmod(0o600)  # also one that lay there before
    pair.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    certificate = _certificate(key, names)
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _certificate(key: ec.EllipticCurvePrivateKey, names: tuple[str, ...]) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tapeworks simulator")])
    public, now = key.public_key(), datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    # All that RFC 5280 asks of an authority: Python 3.13 and later refuse it otherwise.
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (
        (x509.SubjectAlternativeName(map(_general_name, names)), False),
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (usage, True),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False),
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        # An hour back: the clock of a client in a container may be behind.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=VALID_DAYS))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, hashes.SHA256())


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
