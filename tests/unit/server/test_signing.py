import json
import traceback

import pytest
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from imnm_fhir.errors import UsageError
from imnm_fhir.server.identity.signing import make_signing_key, read_signing_key

ELLIPTIC = ECKey.generate_key("P-384")
OTHER_CURVE = ECKey.generate_key("P-256")
RSA = RSAKey.generate_key(2048)


def pem(key: ECKey | RSAKey | OKPKey, password: str = "") -> str:
    return key.as_pem(private=True, password=password or None).decode()


def jwks(*keys: ECKey | RSAKey, private: bool = True) -> str:
    return json.dumps({"keys": [key.as_dict(private=private) for key in keys]})


@pytest.mark.parametrize("password", ["", "päss"])
@pytest.mark.parametrize(("key", "algorithm"), [(ELLIPTIC, "ES384"), (RSA, "RS384")])
def test_a_key_in_pem(key: ECKey | RSAKey, algorithm: str, password: str) -> None:
    read = read_signing_key(pem(key, password), password)
    assert (read.algorithm, read.key_id) == (algorithm, key.thumbprint())


def test_a_key_in_a_jwk_set() -> None:
    both = jwks(RSA, ELLIPTIC)
    assert read_signing_key(both).algorithm == "RS384"
    assert read_signing_key(both, algorithm="ES384").algorithm == "ES384"
    one = json.dumps({**ELLIPTIC.as_dict(private=True), "kid": "mine"})
    assert read_signing_key(one).key_id == "mine"
    assert read_signing_key(one, key_id="mine").key_id == "mine"
    assert read_signing_key(pem(RSA), key_id="yours").key_id == "yours"


def test_the_public_half_alone_is_shown() -> None:
    for algorithm in ("RS384", "ES384"):
        written, key = make_signing_key(algorithm)
        [shown] = key.public_jwks()["keys"]
        assert not {"d", "p", "q", "dp", "dq", "qi"} & set(shown)
        assert (shown["alg"], shown["use"]) == (algorithm, "sig")
        assert KeySet.import_key_set({"keys": [shown]})
        assert read_signing_key(written).public_jwks() == key.public_jwks()
        assert repr(key) == f"SigningKey(algorithm={algorithm!r}, key_id={key.key_id!r})"


@pytest.mark.parametrize(
    ("text", "password", "algorithm", "key_id", "words"),
    [
        (pem(ELLIPTIC), "canary", "", "", "needs no password: unset"),
        (pem(ELLIPTIC, "canary"), "", "", "", "is encrypted: set IMNM_FHIR_SMART_KEY_PASSWORD"),
        (pem(RSA, "canary"), "canary-2", "", "", "the password is another"),
        (pem(RSA).replace("A", "B"), "", "", "", "cannot be read"),
        ("canary", "", "", "", "cannot be read"),
        (pem(OTHER_CURVE), "", "", "", "curve P-384"),
        (jwks(OTHER_CURVE), "", "", "", "curve P-384"),
        (pem(OKPKey.generate_key("Ed25519")), "", "", "", "no private key of RSA"),
        (RSA.as_pem().decode(), "", "", "", "this is a public key"),
        (jwks(RSA, private=False), "", "", "", "holds no private key that fits"),
        (jwks(RSA), "", "ES384", "", "holds no private key that fits"),
        (jwks(RSA), "", "", "canary", "holds no private key that fits"),
        (pem(RSA), "", "ES384", "", "signs with RS384, not ES384"),
        (pem(RSA), "", "HS256", "", "RS384 and ES384 are possible"),
        ('{"keys": "canary"}', "", "", "", "holds no private key that fits"),
        ('{"keys": [1, {"kty": "RSA", "d": "canary"}]}', "", "", "", "holds no private key"),
        ('{"canary', "", "", "", "holds no private key that fits"),
        ('{"kty":"RSA","n":"sXch","e":"AQAB","d":"canary"}', "", "", "", "IMNM_FHIR_SMART_KEY"),
    ],
)
def test_what_is_no_key_is_said_without_it(
    text: str, password: str, algorithm: str, key_id: str, words: str
) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        read_signing_key(text, password, algorithm, key_id)
    assert "canary" not in "".join(traceback.format_exception(refused.value))
    assert "\n" not in str(refused.value)


def test_a_weak_key_is_refused() -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    weak = rsa.generate_private_key(65537, 1024).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    with pytest.raises(UsageError, match="need 2048 bits"):
        read_signing_key(weak.decode())
