"""The private key of a SMART client: read, used to sign, and its public half to register."""

import json
import secrets
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.errors import UsageError
from imnm_fhir.owner import make_private_file

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, RSAKey

ALGORITHMS = {"RS384": "RSA", "ES384": "EC"}  # those that SMART asks of every server
_LIFETIME = 240  # seconds; SMART allows five minutes
_MARGIN = 10  # seconds by which clocks may differ although their difference was measured
_SMALLEST_RSA = 2048  # bits


@dataclass(frozen=True)
class SigningKey:
    """A private key with the algorithm it signs with and the id that the server knows it by."""

    key: "RSAKey | ECKey" = field(repr=False)
    algorithm: str
    key_id: str

    def assertion(self, client_id: str, audience: str, now: int, jwks_url: str = "") -> str:
        """Return a signed JWT that says who we are to `audience`, good for some minutes from `now`.

        `now` is the server's clock, in seconds of the Unix epoch. Source: SMART App Launch 2.2,
        client-confidential-asymmetric.html#authenticating-to-the-token-endpoint.
        """
        from joserfc import jwt

        header = {"alg": self.algorithm, "kid": self.key_id}
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "iat": now - _MARGIN,
            "exp": now - _MARGIN + _LIFETIME,
            "jti": secrets.token_hex(16),
        }
        named = {**header, "jku": jwks_url} if jwks_url else header
        return jwt.encode(named, claims, self.key, algorithms=[self.algorithm])

    def public_jwks(self) -> dict[str, Any]:
        """Return the JSON Web Key Set to register: the public half alone."""
        public = self.key.as_dict(private=False)
        wanted = {
            name: public[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in public
        }
        named = {"kid": self.key_id, "use": "sig", "alg": self.algorithm}
        return {"keys": [{**wanted, **named}]}


def read_signing_key(
    text: str, password: str = "", algorithm: str = "", key_id: str = ""
) -> SigningKey:
    """Return the key that `text` holds: PEM (encrypted: with its password), a JWK, or a JWK Set.

    RSA keys sign with RS384, those on the curve P-384 with ES384; `algorithm` chooses among several
    keys of a set. The id is `key_id`, that of the JWK, or the key's thumbprint (RFC 7638).

    Raises UsageError, which never repeats a part of the key.
    """
    if algorithm and algorithm not in ALGORITHMS:
        raise UsageError("IMNM_FHIR_SMART_ALGORITHM: RS384 and ES384 are possible")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of weak keys, which are refused below
        key = _from_jwks(text, algorithm, key_id) if "{" in text[:10] else _from_pem(text, password)
    signs_with = "RS384" if key.key_type == "RSA" else "ES384"
    if algorithm and algorithm != signs_with:
        raise UsageError(f"IMNM_FHIR_SMART_KEY: this key signs with {signs_with}, not {algorithm}")
    _check_strength(key)
    known = key.get("kid")
    return SigningKey(key, signs_with, key_id or (str(known) if known else key.thumbprint()))


def make_signing_key(algorithm: str, password: str = "") -> tuple[str, SigningKey]:
    """Return a new private key as PEM, encrypted when there is a password, and the key itself."""
    from joserfc.jwk import ECKey, RSAKey

    made: RSAKey | ECKey
    made = RSAKey.generate_key(3072) if algorithm == "RS384" else ECKey.generate_key("P-384")
    pem = made.as_pem(private=True, password=password or None).decode("ascii")
    return pem, read_signing_key(pem, password)


def write_signing_key(path: Path, algorithm: str, password: str = "") -> None:
    """Write a new private key to `path`, which its owner alone may read.

    Raises UsageError when something is there already, or the folder refuses.
    """
    pem, _ = make_signing_key(algorithm, password)
    try:
        make_private_file(path)
        path.write_text(pem, "ascii")
    except FileExistsError:
        raise UsageError(f"{path}: is there already: choose another name") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None


def _from_pem(text: str, password: str) -> "RSAKey | ECKey":
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, RSAKey

    trouble = "is no private key of RSA or of the curve P-384 in PEM or JWK"
    for kind in (RSAKey, ECKey):
        try:
            found: RSAKey | ECKey = kind.import_key(text, password=password or None)
            return found
        except JoseError:
            continue  # the other kind
        except TypeError:
            needs = "needs no password" if password else "is encrypted"
            advice = "unset" if password else "set"
            raise UsageError(
                f"IMNM_FHIR_SMART_KEY: the key {needs}: {advice} IMNM_FHIR_SMART_KEY_PASSWORD"
            ) from None
        except ValueError:
            trouble = "cannot be read: it is damaged, no PEM, or the password is another"
            break
    raise UsageError(f"IMNM_FHIR_SMART_KEY: {trouble}: `imnm-fhir smart-key` makes one")


def _from_jwks(text: str, algorithm: str, key_id: str) -> "RSAKey | ECKey":
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, RSAKey

    try:
        found = json.loads(text)
        keys = found["keys"] if "keys" in found else [found]
        for each in keys:
            kind = each.get("kty")
            fits = not algorithm or ALGORITHMS[algorithm] == kind
            if kind in ("RSA", "EC") and "d" in each and fits and key_id in ("", each.get("kid")):
                return (RSAKey if kind == "RSA" else ECKey).import_key(each)
    except (JoseError, ValueError, TypeError, AttributeError, KeyError):
        pass
    raise UsageError(
        "IMNM_FHIR_SMART_KEY: the JWK Set holds no private key that fits: give one of RSA or of the "
        "curve P-384, with d, and the kid that IMNM_FHIR_SMART_KEY_ID names, if it is set"
    )


def _check_strength(key: "RSAKey | ECKey") -> None:
    if not key.is_private:
        raise UsageError("IMNM_FHIR_SMART_KEY: this is a public key: give the private one")
    if key.key_type == "RSA" and getattr(key.raw_value, "key_size", 0) < _SMALLEST_RSA:
        raise UsageError(
            f"IMNM_FHIR_SMART_KEY: RSA keys need {_SMALLEST_RSA} bits: make a larger one"
        )
    if key.key_type == "EC" and key.get("crv") != "P-384":
        raise UsageError("IMNM_FHIR_SMART_KEY: ES384 needs a key on the curve P-384")
