"""An identity provider for tests: one signing key, its JWK set as a file, and tokens good or bad at will."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm


class Issuer:
    """Signs with RS256; `jwks_file` holds the public key, `drop_keys` empties it (revocation)."""

    def __init__(self, folder: Path, name: str = "https://issuer.test", kid: str = "key-1") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.kid = kid
        self.jwks_file = folder / "jwks.json"
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.publish()

    def publish(self) -> None:
        jwk = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
        self._write([{**jwk, "kid": self.kid, "use": "sig", "alg": "RS256"}])

    def drop_keys(self) -> None:
        self._write([])

    def _write(self, keys: list[dict[str, Any]]) -> None:
        draft = self.jwks_file.with_suffix(".new")
        draft.write_text(json.dumps({"keys": keys}))
        draft.replace(self.jwks_file)

    @staticmethod
    def now() -> int:
        """Seconds since 1970, as tokens count."""
        return int(time.time())

    def claims(self, subject: str, audience: str, **changed: Any) -> dict[str, Any]:
        now = self.now()
        claims = {"iss": self.name, "sub": subject, "aud": audience, "iat": now, "exp": now + 600}
        return {name: value for name, value in {**claims, **changed}.items() if value is not None}

    def token(self, subject: str, audience: str, *, kid: str | None = None, **changed: Any) -> str:
        """A token that is good unless `changed` spoils a claim (None removes it)."""
        return jwt.encode(
            self.claims(subject, audience, **changed), self._key, "RS256", headers={"kid": kid or self.kid}
        )

    def unsigned(self, subject: str, audience: str) -> str:
        """`alg: none`."""
        return jwt.encode(self.claims(subject, audience), None, "none", headers={"kid": self.kid})

    def signed_with_public_key(self, subject: str, audience: str) -> str:
        """HS256 with the published key as its secret: what a verifier that trusts `alg` would accept."""
        secret = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        signed = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': self.kid})}.{_part(self.claims(subject, audience))}"
        # PyJWT refuses to do this, rightly.
        return f"{signed}.{_base64url(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def _part(value: dict[str, Any]) -> str:
    return _base64url(json.dumps(value).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
