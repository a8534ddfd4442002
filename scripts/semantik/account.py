"""User sessions: login, token renewal, and registration of the users that commands work as."""

from __future__ import annotations

import json
import secrets
import threading
import time
from pathlib import Path

from command_line import CommandError
from semantik.errors import ApiError
from semantik.http_client import Http, Response

# Access tokens are valid for 15 minutes. Renewed earlier, so that none expires during a request.
RENEW_AFTER_SECONDS = 13 * 60


class UserSession:
    """An access token that is renewed when needed; safe to share between threads."""

    def __init__(self, http: Http, api_url: str, username: str, password: str):
        self._http = http
        self._api_url = api_url
        self._known = {"username": username, "password": password}
        self._lock = threading.Lock()
        self._access_token = ""
        self._refresh_token = ""
        self._renewed_at = 0.0

    def sign_in(self) -> None:
        """Logs in; raises ApiError if the credentials are wrong."""
        with self._lock:
            self._keep(self._login(), "login")

    def token(self) -> str:
        """Returns an access token that is valid for at least another two minutes."""
        with self._lock:
            if time.monotonic() - self._renewed_at > RENEW_AFTER_SECONDS:
                self._renew()
            return self._access_token

    def replace(self, rejected: str) -> None:
        """Renews the token after a 401, unless another thread has already done so."""
        with self._lock:
            if self._access_token == rejected:
                self._renew()

    def _renew(self) -> None:
        # Without retries: a refresh token is valid once, and its second use would end the session.
        try:
            response = self._post("/api/auth/refresh", {"refresh_token": self._refresh_token}, retry=False)
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

    def _post(self, path: str, body: dict[str, str], *, retry: bool = True) -> Response:
        headers = {"content-type": "application/json"}
        return self._http.request("POST", self._api_url + path, headers, json.dumps(body).encode(), retry=retry)


class Account(UserSession):
    """The session of a command's own user, whose generated password is kept in a file."""

    def __init__(self, http: Http, api_url: str, path: Path, name_prefix: str):
        """`path` holds name and password, as JSON that the login route accepts."""
        super().__init__(http, api_url, "", "")
        self._path = path
        self._name_prefix = name_prefix
        self.registered = False

    @property
    def username(self) -> str:
        return self._credentials()["username"]

    def sign_in(self) -> None:
        """Logs in; registers the user first if the database does not have it."""
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
        known: dict[str, str] = json.loads(self._path.read_text())
        return known
