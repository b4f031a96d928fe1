"""What channels need to be let in: secrets from the environment, and whom to trust on encrypted lines."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from rules.notify.letter import Tools


class MissingSecret(Exception):
    """A setting names an environment variable that is not set, or a file that cannot be read."""


def secret(settings: Mapping[str, object], name: str, tools: Tools) -> str:
    """The secret that setting `name` points at (an environment variable); empty when the setting is absent.

    Raises
    ------
    MissingSecret
        When the variable is not set: sending without it would be refused, or worse, be accepted unsigned.
    """
    variable = settings.get(name)
    if not variable:
        return ""
    value = tools.environ.get(str(variable), "")
    if not value:
        raise MissingSecret(f"{name}: environment variable {variable} is not set where the notifier runs")
    return value


def trust(settings: Mapping[str, object]) -> ssl.SSLContext:
    """Whom to trust on encrypted lines: the usual authorities, or those of `ca_file`.

    Raises
    ------
    MissingSecret
        When that file cannot be read.
    """
    file = settings.get("ca_file")
    try:
        return ssl.create_default_context(cafile=str(file) if file else None)
    except OSError as error:
        raise MissingSecret(f"ca_file: cannot read {file}: {error.strerror or error}") from error


def distrusted(error: BaseException) -> str:
    """Why a certificate was not trusted, when that is what went wrong; else empty."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"certificate not trusted ({seen.verify_message}), try ca_file"
        seen = seen.__cause__ or seen.__context__
    return ""
