"""The files for an encrypted line to a broker, and what TLS makes of them: the same for recorders and gateways."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from city.errors import InputError


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Files in PEM for mqtts, each None for none.

    Attributes
    ----------
    ca
        Certificates to trust; None for the system's.
    certificate, key
        Who we are, for a broker that asks (mutual TLS); the key may stand in the certificate's file.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


NO_FILES: Final = TlsFiles()


def tls_context(files: TlsFiles, prefix: str = "mqtt_") -> ssl.SSLContext:
    """What TLS needs to know (InputError when a file cannot be used; settings are named with `prefix`)."""
    if files.key is not None and files.certificate is None:
        raise InputError(f"{prefix}key without {prefix}certificate, try naming the certificate too")
    try:
        context = ssl.create_default_context(cafile=files.ca)
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"{prefix}ca: cannot be read, got {files.ca}: {error}, try certificates in PEM") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.certificate is not None:
        try:
            context.load_cert_chain(files.certificate, files.key, password=_no_password)
        except (OSError, ssl.SSLError) as error:
            got = f"{files.certificate} with {files.key or 'the key in it'}"
            hint = "try a certificate and its key in PEM, without a password"
            raise InputError(f"{prefix}certificate: cannot be used, got {got}: {error}, {hint}") from error
    return context


def _no_password() -> str:
    return ""  # else OpenSSL asks on the terminal
