"""A user of this checkout's stack: registered when there is none, logged in when there is."""

from __future__ import annotations

import json
import secrets
import threading
import time
from pathlib import Path

from semantik.errors import ApiError, CommandError
from semantik.transport import Http, Response

# Access tokens live 15 minutes; a little earlier, so that none expires on its way.
RENEW_AFTER_SECONDS = 13 * 60


class SignedIn:
    """Signs requests with an access token and renews it; safe to share between threads."""

    def __init__(self, http: Http, api_url: str, username: str, password: str):
        self._http = http
        self._api_url = api_url
        self._known = {"username": username, "password": password}
        self._lock = threading.Lock()
        self._access_token = ""
        self._refresh_token = ""
        self._renewed_at = 0.0

    def sign_in(self) -> None:
        """Logs in."""
        with self._lock:
            self._keep(self._login(), "login")

    def token(self) -> str:
        """An access token that is good for another two minutes at least."""
        with self._lock:
            if time.monotonic() - self._renewed_at > RENEW_AFTER_SECONDS:
                self._renew()
            return self._access_token

    def replace(self, refused: str) -> None:
        """After a 401: makes a new token, unless another thread has already."""
        with self._lock:
            if self._access_token == refused:
                self._renew()

    def _renew(self) -> None:
        # Sent once: a refresh token works once, and using it again would end the whole session.
        try:
            response = self._post("/api/auth/refresh", {"refresh_token": self._refresh_token}, again=False)
            self._keep(response, "refresh")
        except CommandError:
            self._keep(self._login(), "login")

    def _keep(self, response: Response, what: str) -> None:
        if response.status != 200:
            raise ApiError(what, response.status, response.body)
        tokens = json.loads(response.body)
        self._access_token = tokens["access_token"]
        self._refresh_token = tokens["refresh_token"]
        self._renewed_at = time.monotonic()

    def _login(self) -> Response:
        return self._post("/api/auth/login", self._credentials())

    def _credentials(self) -> dict[str, str]:
        return self._known

    def _post(self, path: str, body: dict[str, str], *, again: bool = True) -> Response:
        headers = {"content-type": "application/json"}
        return self._http.request("POST", self._api_url + path, headers, json.dumps(body).encode(), again=again)


class Account(SignedIn):
    """A user of a command's own, whose random password a file keeps."""

    def __init__(self, http: Http, api_url: str, path: Path, name_prefix: str):
        """`path` keeps the name and the password, in the form that the login call takes."""
        super().__init__(http, api_url, "", "")
        self._path = path
        self._name_prefix = name_prefix
        self.registered = False

    @property
    def username(self) -> str:
        return self._credentials()["username"]

    def sign_in(self) -> None:
        """Logs in; a user whom this database does not know is registered first."""
        with self._lock:
            response = self._login()
            if response.status == 401:
                self._register()
                response = self._login()
            self._keep(response, "login")

    def _register(self) -> None:
        credentials = self._credentials()
        body = credentials | {"email": f"{credentials['username']}@example.com"}
        response = self._post("/api/auth/register", body)
        if response.status not in (200, 201):
            raise ApiError("register", response.status, response.body)
        self.registered = True

    def _credentials(self) -> dict[str, str]:
        if not self._path.exists():
            fresh = {
                "username": f"{self._name_prefix}_{secrets.token_hex(4)}",
                "password": secrets.token_urlsafe(24),
            }
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial = self._path.with_suffix(".partial")
            partial.unlink(missing_ok=True)
            partial.touch(mode=0o600)
            partial.write_text(json.dumps(fresh) + "\n")
            partial.replace(self._path)
        return json.loads(self._path.read_text())
