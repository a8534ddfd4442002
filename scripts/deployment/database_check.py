"""Whether the database of a configuration can be used: reachable, verified, new enough, with rights and connections."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pg8000.exceptions
import pg8000.native

from deployment.report import Report
from local_stack.settings import ROOT

CHECK = "database"
OLDEST_MAJOR = 16
CONNECT_SECONDS = 10
# Certificates that RDS signs its servers' certificates with; they are not among the public ones.
RDS_AUTHORITIES = ROOT / "shared" / "db" / "certificates" / "rds.pem"


@dataclass(frozen=True)
class Target:
    """Where the database is and how to log in."""

    host: str
    port: int
    user: str
    database: str
    sslmode: str
    # A file of certificate authorities instead of the public ones and those of RDS.
    sslrootcert: str = ""

    @classmethod
    def of(cls, url: str) -> Target:
        address = urlsplit(url)
        query = parse_qs(address.query)
        return cls(address.hostname or "", address.port or 5432, unquote(address.username or ""),
                   unquote(address.path.strip("/")), query.get("sslmode", ["prefer"])[0],
                   query.get("sslrootcert", [""])[0])

    def with_secret(self, secret: Mapping[str, Any]) -> tuple[Target, str]:
        """Returns where a secret leads, and its password. What the secret says wins over the URL."""
        if "url" in secret:
            return Target.of(secret["url"]), unquote(urlsplit(secret["url"]).password or "")
        changed = replace(
            self, host=str(secret.get("host", self.host)), port=int(secret.get("port", self.port)),
            user=str(secret.get("username", self.user)), database=str(secret.get("dbname", self.database)))
        return changed, str(secret.get("password", ""))

    @property
    def place(self) -> str:
        return f"{self.host}:{self.port}/{self.database}"


def check(report: Report, target: Target, password: str, needed_connections: int, *, private: bool) -> None:
    """Connects as the functions do. A server that is `private` may be out of reach from this machine."""
    if target.sslrootcert and not Path(target.sslrootcert).exists():
        report.skipped(CHECK, f"{target.place}: sslrootcert names {target.sslrootcert}, which is in the packages but "
                              "not here; run this where it is to be sure")
        return
    try:
        connection = connect(target, password)
    except ssl.SSLCertVerificationError as error:
        report.failed(CHECK, f"{target.place}: its certificate is not valid for {target.host}: {error.verify_message}; "
                             "use the host name that the certificate is for")
        return
    except (OSError, pg8000.exceptions.InterfaceError) as error:
        if private and not isinstance(error.__cause__ or error, ssl.SSLError):
            report.skipped(CHECK, f"{target.place} does not answer from here ({_text(error)}); the functions reach it "
                                  "from SubnetIds. Run this check from inside that network to be sure")
        else:
            report.failed(CHECK, f"{target.place}: {_text(error)}; is it running, and does its firewall let this "
                                 "machine in? If it is private, set SubnetIds and SecurityGroupIds")
        return
    except pg8000.exceptions.DatabaseError as error:
        report.failed(CHECK, f"{target.place} rejected the user {target.user!r}: {_text(error)}")
        return
    try:
        _examine(report, connection, target, needed_connections)
    finally:
        connection.close()


def connect(target: Target, password: str) -> pg8000.native.Connection:
    return pg8000.native.Connection(
        target.user, host=target.host, port=target.port, database=target.database, password=password,
        timeout=CONNECT_SECONDS, ssl_context=ssl_context(target), application_name="semantik-deploy-check")


def ssl_context(target: Target) -> ssl.SSLContext | bool:
    """Returns how to encrypt the connection; False for not at all."""
    if target.sslmode in ("disable", "allow", "prefer"):
        return False
    if target.sslrootcert:
        context = ssl.create_default_context(cafile=target.sslrootcert)
    else:
        context = ssl.create_default_context()
        context.load_verify_locations(cafile=str(RDS_AUTHORITIES))
    if target.sslmode != "verify-full":
        context.check_hostname = False
        if target.sslmode == "require":
            context.verify_mode = ssl.CERT_NONE
    return context


def _examine(report: Report, connection: pg8000.native.Connection, target: Target, needed: int) -> None:
    version = int(_value(connection, "SHOW server_version_num")) // 10000
    tls = "TLS, certificate verified" if target.sslmode == "verify-full" else f"sslmode={target.sslmode}"
    if version < OLDEST_MAJOR:
        report.failed(CHECK, f"{target.place} is PostgreSQL {version}; {OLDEST_MAJOR} or later is required")
        return
    report.ok(CHECK, f"{target.place}, PostgreSQL {version}, {tls}")
    is_owner = bool(_value(connection, """
        SELECT has_database_privilege(current_database(), 'CREATE')
           AND has_schema_privilege(current_user, current_schema(), 'CREATE, USAGE')"""))
    if is_owner:
        schema = _value(connection, "SELECT current_schema()")
        report.ok("database rights", f"{target.user} may create tables in schema {schema}")
    else:
        report.failed("database rights", f"{target.user} may not create tables; GRANT CREATE ON DATABASE "
                                         f"{target.database} and on its schema to the user, or make it the owner")
    limit = int(_value(connection, "SHOW max_connections"))
    reserved = int(_value(connection, "SHOW superuser_reserved_connections"))
    # Sessions of functions that run already are among those that are needed.
    used = int(_value(connection, """
        SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND application_name NOT LIKE 'semantik%'"""))
    free = limit - reserved
    detail = f"{free} allowed, {needed} needed at most, {used} in use by others"
    if needed > free:
        report.failed("database connections", f"{detail}; choose a smaller Throughput, a larger server or RDS Proxy")
    elif needed + used > free:
        report.warning("database connections", f"{detail}; both do not fit at the same time")
    else:
        report.ok("database connections", detail)


def _value(connection: pg8000.native.Connection, statement: str) -> Any:
    return connection.run(statement)[0][0]


def _text(error: BaseException) -> str:
    details = error.args[0] if error.args else error
    if isinstance(details, dict):
        return str(details.get("M", details))
    if isinstance(error.__cause__ or error, socket.gaierror):
        return "the host name is unknown"
    if str(error) == "Server refuses SSL":
        return "the server does not offer TLS"
    return " ".join(str(error.__cause__ or error).split())
