"""Who looks at a page: a key, kept as a signed cookie, and a token that only our own forms have."""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from sharpen.server.auth import ApiKey, KeyFile, Signer, key_of

COOKIE = "sharpen_session"
LIFE_S = 14 * 86400.0


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks.

    Attributes:
        key: Which key let them in.
        csrf: What a form must say, so that no other site can send it.
    """

    key: ApiKey
    csrf: str

    @property
    def may_steer(self) -> bool:
        """Whether the buttons are theirs to press."""
        return self.key.allows("admin")


class Sessions:
    """Lets visitors in by a cookie.

    Args:
        keys: Who may ask.
        signer: Signs cookies.
    """

    def __init__(self, keys: KeyFile, signer: Signer) -> None:
        self._keys = keys
        self._signer = signer

    def visitor(self, request: Request) -> Visitor | None:
        """Return who asks: by cookie, or by a key in the header; None for a stranger."""
        secret = key_of(request.headers.get("authorization", ""))
        if secret:
            key = self._keys.find(secret)
            return Visitor(key, "") if key else None
        cookie = request.cookies.get(COOKIE, "")
        claims = self._signer.check(cookie, time.time()) if cookie else None
        if claims is None or claims.get("do") != "session":
            return None
        keys = [key for key in self._keys.all() if key.id == claims["key"]]  # it may be revoked by now
        return Visitor(keys[0], self._csrf(cookie)) if keys else None

    def let_in(self, request: Request, response: Response, key: str) -> bool:
        """Give a cookie to whoever says a key; return whether it is one of ours."""
        kept_key = self._keys.find(key)
        if kept_key is None:
            return False
        cookie = self._signer.sign({"do": "session", "key": kept_key.id}, time.time(), LIFE_S)
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=int(LIFE_S),
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return True

    def is_ours(self, visitor: Visitor, token: str) -> bool:
        """Return whether a form came from a page of ours."""
        return bool(visitor.csrf) and hmac.compare_digest(visitor.csrf.encode(), token.encode())

    def _csrf(self, cookie: str) -> str:
        return hmac.digest(self._signer.secret, b"form " + cookie.encode(), "sha256").hex()


def local_address(given_address: str) -> str:
    r"""Return an address of our own to go on to; the first page for one that leads elsewhere.

    >>> local_address("/local/quantbot?page=2"), local_address("//evil.example"), local_address("/\\evil")
    ('/local/quantbot?page=2', '/', '/')
    """
    parts = urlsplit(given_address)
    is_own = (
        not parts.scheme
        and not parts.netloc
        and given_address.startswith("/")
        and not given_address.startswith("//")
    )
    return given_address if is_own and "\\" not in given_address and given_address.isprintable() else "/"


def is_from_here(request: Request) -> bool:
    """Return whether a browser sent a form from a page of this server; programs say nothing of it."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")
