"""A private authority and what it signs: certificates of servers, and of gateways where the broker asks for them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from city.errors import InputError

AUTHORITY_DAYS: Final = 3650
SERVER_DAYS: Final = 397
CLIENT_DAYS: Final = 825
RENEW_DAYS: Final = 45  # less than this left: time to renew, for who looks once a month
AUTHORITY_RENEW_DAYS: Final = 365  # its own: every gateway must learn to trust the next one
_EARLIER: Final = timedelta(hours=1)  # a gateway's clock may be behind
_NAME: Final = "Lifeline private authority"


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, both PEM."""

    certificate: str
    key: str


class Authority:
    """Signs for a city; its key is worth all of its certificates."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate, self._key = certificate, key

    @classmethod
    def make(cls, now: datetime) -> Authority:
        """A new one."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _named(_NAME)
        usage = _usage(signs_certificates=True)
        made = (
            _begun(name, name, key.public_key(), now, AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(made, key)

    @classmethod
    def read(cls, certificate: Path, key: Path) -> Authority:
        """The one in these files (InputError when they are none, or do not belong together)."""
        try:
            made = x509.load_pem_x509_certificate(certificate.read_bytes())
            held = serialization.load_pem_private_key(key.read_bytes(), None)
        except FileNotFoundError as error:
            hint = "try --authority FILE, where the authority's key is kept"
            raise InputError(f"{error.filename}: no such file, {hint}") from error
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{key}: cannot be used: {error}, try the authority's key in PEM") from error
        if not isinstance(held, ec.EllipticCurvePrivateKey) or not _same_key(made.public_key(), held):
            raise InputError(f"{key}: not the key of {certificate}, try the one that was made with it")
        return cls(made, held)

    @property
    def pair(self) -> Pair:
        """Its own certificate and key."""
        return Pair(_pem(self._certificate), _key_pem(self._key))

    def server(self, name: str, hosts: Sequence[str], now: datetime) -> Pair:
        """For a server that is reached by these names and addresses."""
        return self._signed(name, hosts, now, SERVER_DAYS, ExtendedKeyUsageOID.SERVER_AUTH)

    def client(self, name: str, now: datetime) -> Pair:
        """For a client whose user name is `name`."""
        return self._signed(name, (), now, CLIENT_DAYS, ExtendedKeyUsageOID.CLIENT_AUTH)

    def revocations(self, revoked: Sequence[tuple[int, datetime]], now: datetime, before: str = "") -> str:
        """The list (PEM) of serial numbers that no longer count, each with the time since when.

        It is good for as long as the authority: a list that ended would shut everybody out. `before` is the list that
        this one replaces: a broker that has read both goes by the one that began later.
        """
        old = x509.load_pem_x509_crl(before.encode()) if before else None
        began = now - _EARLIER
        number = 1
        if old is not None:
            began = max(began, old.last_update_utc + timedelta(seconds=1))
            number = old.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number + 1
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(began)
            .next_update(self._certificate.not_valid_after_utc)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(x509.CRLNumber(number), critical=False)
        )
        for serial, since in revoked:
            one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since)
            builder = builder.add_revoked_certificate(one.build())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def _signed(self, name: str, hosts: Sequence[str], now: datetime, days: int, use: x509.ObjectIdentifier) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _begun(_named(name), self._certificate.subject, key.public_key(), now, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_host(one) for one in hosts]), critical=False)
        return Pair(_pem(builder.sign(self._key, hashes.SHA256())), _key_pem(key))


def days_left(certificate: Path, now: datetime) -> int:
    """Whole days until a certificate ends; negative when it has (InputError when it is none)."""
    try:
        made = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{certificate}: not a certificate: {error}, try lifeline deploy certificates") from error
    return (made.not_valid_after_utc - now).days


def described(certificate: str) -> tuple[int, datetime]:
    """The serial number and the end of a certificate (PEM) that we made."""
    made = x509.load_pem_x509_certificate(certificate.encode())
    return made.serial_number, made.not_valid_after_utc


def host_problem(host: str) -> str:
    """What is wrong with a server's name or address; empty when it is one."""
    try:
        _host(host)
    except ValueError as error:
        return str(error)
    plain = host.replace("-", "").replace(".", "").replace("*", "")
    fine = ":" in host or (plain.isalnum() and host.isascii() and len(host) < 254)
    return "" if fine else "not a host name or address"


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begun(
    subject: x509.Name, issuer: x509.Name, key: CertificatePublicKeyTypes, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _same_key(public: CertificatePublicKeyTypes, private: ec.EllipticCurvePrivateKey) -> bool:
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(*form) == private.public_key().public_bytes(*form)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: PrivateKeyTypes) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
