"""A certificate for a bridge without a name of its own, signed by itself. Ways to it name its key (`wire.routes.with_key`).

To whoever looks it is the one that Debian makes for servers that were given none (package ssl-cert): RSA of 2048 bits, ten years, the name
of the machine, and the name that machines have when nobody chose one is `debian`.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from whimbrel.serving.folder import DataFolderDamaged, write_whole
from whimbrel.serving.listening import CertificateUnfit

CERT, KEY = "cert.pem", "key.pem"
NAME = "debian"
DAYS = 3650
"""As make-ssl-cert has it; so it is not renewed: the key is what ways name."""


def self_signed(folder: Path) -> tuple[Path, Path]:
    """The files with certificate and key, made at the first start."""
    cert, key = folder / CERT, folder / KEY
    if not (cert.exists() and key.exists()):
        made, secret = _make(datetime.now(UTC))
        write_whole(key, secret)
        write_whole(cert, made)
        os.chmod(cert, 0o600)
    return cert, key


def key_of_chain(cert: Path) -> bytes:
    """The hash of the public key in the first certificate of a PEM file. Raises CertificateUnfit, DataFolderDamaged."""
    try:
        public = x509.load_pem_x509_certificate(cert.read_bytes()).public_key()
    except OSError as error:
        raise CertificateUnfit(f"the certificate cannot be read: {error.strerror}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise DataFolderDamaged(f"{cert.name} in the data folder is damaged") from error
    return sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def _make(now: datetime) -> tuple[bytes, bytes]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    begun = now.replace(microsecond=0)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begun)
        .not_valid_after(begun + timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), secret
