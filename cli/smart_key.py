"""imnm-fhir smart-key: the key of a client of SMART Backend Services."""

import json
import os
from pathlib import Path

import click

from imnm_fhir.cli.options import PATH, example, voice_options
from imnm_fhir.cli.output import Voice


@click.command(name="smart-key", epilog=example("imnm-fhir smart-key smart.pem --make ES384"))
@click.argument("key_file", type=PATH)
@click.option(
    "--make",
    "algorithm",
    type=click.Choice(["ES384", "RS384"]),
    help="Make a new private key in KEY_FILE, which must not exist.",
)
@voice_options
def command(key_file: Path, algorithm: str | None, voice: Voice) -> None:
    """Print a client's public key for SMART servers.

    It is the JWK Set to register for SMART Backend Services. KEY_FILE holds the private key (PEM or
    JWK Set), which never leaves this machine; its owner alone may read it. A password comes from
    IMNM_FHIR_SMART_KEY_PASSWORD (or its *_FILE, or the keyring).
    """
    from imnm_fhir.server.identity.secret import read_secret, read_secret_file
    from imnm_fhir.server.identity.signing import read_signing_key, write_signing_key

    password = read_secret(os.environ, "IMNM_FHIR_SMART_KEY_PASSWORD", wanted=True)
    if algorithm:
        write_signing_key(key_file, algorithm, password)
        voice.say(f"{key_file}: a new private key; point IMNM_FHIR_SMART_KEY_FILE to it")
    key = read_signing_key(read_secret_file(key_file, "KEY_FILE"), password)
    click.echo(json.dumps(key.public_jwks(), indent=2))
