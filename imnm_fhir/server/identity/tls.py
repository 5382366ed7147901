"""Whom TLS trusts, and the certificate that we show to a server that wants one."""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from imnm_fhir.errors import UsageError
from imnm_fhir.server.identity.credentials import ClientCertificate


def trusted_bundle(chosen: Path | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the file of authorities that the user or the environment names, None for the usual."""
    named = environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE")
    return str(chosen) if chosen else named or None


def make_context(bundle: str | None, certificate: ClientCertificate | None) -> ssl.SSLContext:
    """Return a TLS context that verifies always.

    Without a `bundle` it trusts the system's authorities (a hospital's own often stand there) and
    those of certifi. Raises UsageError for files that cannot be used.
    """
    context = ssl.create_default_context() if bundle is None else _trusting(bundle)
    if bundle is None:
        import certifi

        context.load_verify_locations(certifi.where())
    if certificate:
        _show(context, certificate)
    return context


def _trusting(bundle: str) -> ssl.SSLContext:
    if not os.path.exists(bundle):
        raise UsageError(f"{bundle}: no such file of certification authorities")
    try:
        if os.path.isdir(bundle):
            return ssl.create_default_context(capath=bundle)
        return ssl.create_default_context(cafile=bundle)
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        raise UsageError(f"{bundle}: holds no certificate in PEM: export it as Base64") from None


def _show(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    try:
        # A password is always given, even an empty one: else OpenSSL would ask the terminal.
        context.load_cert_chain(
            certificate.path, certificate.key_path or None, password=certificate.password
        )
    except (OSError, ValueError):
        raise UsageError(
            f"IMNM_FHIR_CLIENT_CERT_FILE: {certificate.path} and its key cannot be used: they must "
            "be PEM and belong together; an encrypted key needs IMNM_FHIR_CLIENT_CERT_PASSWORD"
        ) from None
