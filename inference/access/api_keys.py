"""API keys: what one looks like, and what the service keeps of it.

A key is `rt_<id>.<secret>`, the secret being 256 random bits. Only its SHA-256 is kept. NIST SP 800-63B
(5.1.2.2) wants a salted, slow hash for secrets below 112 bits of entropy, which can be guessed; from there on
a plain approved hash will do, since no guessing reaches 2^112, however fast the hash is. A slow one would
only hand callers a way to keep the service busy.
"""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from inference.access.caller import Scope
from inference.access.rate_limit import Rate

PREFIX: Final = b"rt_"
SECRET_BYTES: Final = 32
ID_PATTERN: Final = r"^[a-z0-9][a-z0-9-]{0,31}$"


class ApiKey(BaseModel):
    """What is kept of a key. `rate`: `None` for the service's default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=ID_PATTERN)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    rate: Rate | None = None

    @classmethod
    def create(
        cls, name: str, scopes: Iterable[str], expires_at: datetime | None, rate: Rate | None
    ) -> tuple[Self, str]:
        """Make a key called `name`; what is kept, and the token that nobody can read again.

        Raises:
            pydantic.ValidationError: the name or the scopes are not as declared above.
        """
        secret = secrets.token_urlsafe(SECRET_BYTES)
        key = cls(
            id=name,
            sha256=hash_secret(secret.encode()).hex(),
            scopes=frozenset(scopes),
            created_at=datetime.now(UTC),
            expires_at=expires_at,
            rate=rate,
        )
        return key, f"{PREFIX.decode()}{name}.{secret}"


def hash_secret(secret: bytes) -> bytes:
    """The SHA-256 that a secret is kept as."""
    return hashlib.sha256(secret).digest()


def split_token(token: bytes) -> tuple[str, bytes]:
    """The id and the secret of a token; what is malformed has an id that no key has."""
    name, _, secret = token.removeprefix(PREFIX).partition(b".")
    return name.decode("ascii", "replace"), secret
