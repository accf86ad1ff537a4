"""The city's own certificate authority: a root that people's systems trust, one below it, and certificates of servers.

A server's chain has the size that one meets outside (leaf and intermediate, some 1.4 KB): how many packets a handshake takes
decides what gets through where packets are counted.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    NameOID,
    ObjectIdentifier,
)

_DAY = datetime.timedelta(days=1)
_SCT_LIST = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_SCT_BYTES = 242
"""Two signed certificate timestamps, as every public certificate carries (RFC 6962). Ours are noise: nobody here checks logs."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files in PEM: the chain with the intermediate, and its key."""

    chain: Path
    key: Path


class Authority:
    """Made anew for each lab."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        root_key = ec.generate_private_key(ec.SECP384R1())
        root_name = _named("Heron Bay Root X1", "Heron Bay Trust")
        root = (
            _begun(root_name, root_name, root_key, days=3650)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False)
            .sign(root_key, hashes.SHA384())
        )
        self._key = ec.generate_private_key(ec.SECP384R1())
        self._name = _named("HB4", "Heron Bay Trust")
        self._certificate = (
            _begun(self._name, root_name, self._key, days=1000)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
            )
            .sign(root_key, hashes.SHA384())
        )
        self.root = folder / "root.pem"
        """What people's systems trust, and nothing else."""
        self.root.write_bytes(root.public_bytes(serialization.Encoding.PEM))

    def issue(self, place: str, names: Sequence[str], addresses: Sequence[str] = ()) -> Certificate:
        """A certificate for these names and addresses. `place` names the files."""
        key = ec.generate_private_key(ec.SECP256R1())
        subjects: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        subjects += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        certificate = (
            _begun(_named(names[0]), self._name, key, days=90)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityInformationAccess(
                    [
                        x509.AccessDescription(
                            AuthorityInformationAccessOID.CA_ISSUERS,
                            x509.UniformResourceIdentifier("http://hb4.heronbay.example/"),
                        )
                    ]
                ),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName(subjects), critical=False)
            .add_extension(x509.UnrecognizedExtension(_SCT_LIST, os.urandom(_SCT_BYTES)), critical=False)
            .sign(self._key, hashes.SHA384())
        )
        found = self.issued(place)
        found.chain.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + self._certificate.public_bytes(serialization.Encoding.PEM)
        )
        found.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        found.key.chmod(0o600)
        return found

    def issued(self, place: str) -> Certificate:
        """Where that one lies."""
        return Certificate(self._folder / f"{place}.pem", self._folder / f"{place}.key")


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + days * _DAY)
    )


def _named(name: str, organisation: str | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if organisation is not None:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name(parts)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
