"""scripts/rotation-drill: rotates the secrets of a second stack while requests run; none of them may fail."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import subprocess
import threading
import time
from collections import Counter
from typing import Any

import urllib3

from command_line import CommandError
from local_stack import postgres
from semantik.command import LOCAL, heading, last_line, run
from semantik.second_stack import STACK, command, second_stack, variables

FOLDER = LOCAL / "rotation"
NAME = "rotation"
WORKERS = 4
# More workers than before need more instances, and each new instance connects to the database.
BURST = 4
SIGN_IN_SECONDS = 5
UPLOAD_EVERY = 10
# Longer than instances sign with a key that is not the newest, and accept one that was removed.
KEY_SECONDS = 65


class Worker(threading.Thread):
    """Sends requests as one user, one after the other, and keeps what was not answered with success."""

    def __init__(self, api_url: str, number: int):
        super().__init__(daemon=True)
        self.api_url, self.number = api_url, number
        self.http = urllib3.PoolManager(retries=False, timeout=60)
        self.is_over = threading.Event()
        self.sent: Counter[str] = Counter()
        self.failures: list[str] = []
        self.token, self.signed_in_at, self.uploaded = "", 0.0, 0
        self.credentials = {"username": f"rotating_{number}", "password": secrets.token_urlsafe(24)}
        self.collection = ""

    def run(self) -> None:
        self.call("register", "POST", "/api/auth/register", {**self.credentials, "email": "rotation@example.com"})
        self.sign_in()
        self.collection = str(self.call("create", "POST", "/api/v2/collections", {"name": "rotation"}).get("id"))
        turn = 0
        while not self.is_over.is_set():
            turn += 1
            if time.monotonic() - self.signed_in_at > SIGN_IN_SECONDS:
                self.sign_in()
            if turn % UPLOAD_EVERY == 1:
                self.upload()
            self.call("list", "GET", f"/api/v2/collections/{self.collection}/documents")
            query = {"collection_uuids": [self.collection], "query": "what pulls the sea?", "k": 3}
            self.call("search", "POST", "/api/v2/search", query)

    def sign_in(self) -> None:
        self.token = str(self.call("sign in", "POST", "/api/auth/login", self.credentials).get("access_token", ""))
        self.signed_in_at = time.monotonic()

    def upload(self) -> None:
        text = f"The Moon pulls the sea, for the time {self.uploaded} of worker {self.number}.".encode()
        file = {"name": f"{self.uploaded}.txt", "size": len(text), "content_type": "text/plain"}
        announced = self.call("announce", "POST", f"/api/v2/collections/{self.collection}/uploads", {"files": [file]})
        for upload in announced.get("uploads", []):
            response = self.http.request(upload["method"], upload["url"], body=text, headers=upload["headers"])
            self.keep("upload", response)
            self.uploaded += 1

    def call(self, kind: str, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        try:
            response = self.http.request(
                method, self.api_url + path, body=json.dumps(body) if body is not None else None, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            self.sent[kind] += 1
            self.failures.append(f"{kind}: {error}")
            return {}
        return self.keep(kind, response)

    def keep(self, kind: str, response: Any) -> dict[str, Any]:
        self.sent[kind] += 1
        if response.status >= 300:
            self.failures.append(f"{kind}: {response.status} {response.data[:300].decode(errors='replace')}")
            return {}
        answer: dict[str, Any] = json.loads(response.data or b"{}")
        return answer


def main() -> bool:
    began = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    second = second_stack(FOLDER, NAME)
    workers: list[Worker] = []
    try:
        command([STACK, "up"], second)
        exported = variables(second)
        heading("load")
        add(workers, exported, WORKERS)
        time.sleep(10)
        heading("the password of the database")
        rotate_password(workers, exported)
        heading("the keys of access tokens")
        old_token = workers[0].token
        rotate_keys(workers, exported)
        refused = workers[0].http.request(
            "GET", exported["API_URL"] + "/api/auth/me", headers={"authorization": f"Bearer {old_token}"})
        print(f"  a token of the removed key: {refused.status}")
        for worker in workers:
            worker.is_over.set()
        for worker in workers:
            worker.join(120)
        heading("documents")
        unfinished = sum(await_documents(worker) for worker in workers)
        reads = Counter(is_changed for _, is_changed in secret_reads(second))
    finally:
        for worker in workers:
            worker.is_over.set()
        command([STACK, "down", "--purge"], second)
        shutil.rmtree(FOLDER, ignore_errors=True)
    sent: Counter[str] = sum((worker.sent for worker in workers), Counter())
    failures = [failure for worker in workers for failure in worker.failures]
    for kind, count in sorted(sent.items()):
        print(f"  {kind:9} {count:6}")
    for failure in failures[:20]:
        print(f"  failed: {failure}")
    last_line({
        "requests": sum(sent.values()), "failed": len(failures), "documents": sum(w.uploaded for w in workers),
        "unfinished": unfinished, "changed": reads[True], "unchanged": reads[False],
        "seconds": round(time.monotonic() - began, 1),
    })
    return not failures and unfinished == 0 and refused.status == 401


def add(workers: list[Worker], exported: dict[str, str], count: int) -> None:
    for _ in range(count):
        worker = Worker(exported["API_URL"], len(workers))
        workers.append(worker)
        worker.start()


def rotate_password(workers: list[Worker], exported: dict[str, str]) -> None:
    """Changes the password in the server first, and two seconds later in the secret."""
    server = exported["DATABASE_URL"]
    admin = secrets.token_hex(16)
    sql(server, f"CREATE ROLE rotation_admin SUPERUSER LOGIN PASSWORD '{admin}'")
    host = server.rpartition("@")[2]
    server = f"postgres://rotation_admin:{admin}@{host}"
    for _ in range(2):
        fresh = secrets.token_hex(16)
        sql(server, f"ALTER ROLE semantik PASSWORD '{fresh}'")
        # A connection that was idle for a second is tested before it is used, so ending it fails no request.
        sql(server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'semantik' "
                    "AND state = 'idle' AND state_change < now() - interval '2 seconds'")
        add(workers, exported, BURST)
        time.sleep(2)
        put(exported, "database", {"password": fresh})
        time.sleep(10)
        print(f"  rotated; {report(workers)}", flush=True)


def rotate_keys(workers: list[Worker], exported: dict[str, str]) -> None:
    """Puts a new key in front of the old one, and removes that when all tokens are signed with the new one."""
    old = get(exported, "tokens")["jwt_secrets"]
    fresh = secrets.token_hex(32)
    before = {key_id(worker.token) for worker in workers}
    put(exported, "tokens", {"jwt_secrets": [fresh, *old]})
    time.sleep(KEY_SECONDS + 2 * SIGN_IN_SECONDS)
    after = {key_id(worker.token) for worker in workers}
    print(f"  key {' '.join(after)} signs instead of {' '.join(before)}; {report(workers)}", flush=True)
    if after & before or len(after) != 1:
        raise CommandError("some instance still signs with the old key")
    put(exported, "tokens", {"jwt_secrets": [fresh]})
    time.sleep(KEY_SECONDS)
    print(f"  removed the old key; {report(workers)}", flush=True)


def report(workers: list[Worker]) -> str:
    requests = sum(sum(worker.sent.values()) for worker in workers)
    return f"{requests} requests, {sum(len(worker.failures) for worker in workers)} failed"


def key_id(token: str) -> str:
    header = token.partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"])


def await_documents(worker: Worker) -> int:
    """Waits for the documents of a worker; returns how many are not searchable after two minutes."""
    deadline = time.monotonic() + 120
    path = f"/api/v2/collections/{worker.collection}/documents?status=completed"
    while True:
        worker.sign_in()
        unfinished = worker.uploaded - int(worker.call("list", "GET", path).get("total", 0))
        if unfinished <= 0 or time.monotonic() > deadline:
            return unfinished
        time.sleep(1)


def secret_reads(environment: dict[str, str]) -> list[tuple[str, bool]]:
    """Returns which secrets the functions read, and whether they had changed."""
    lines = command([STACK, "logs", "functions", "--lines", "1000000"], environment, quiet=True).splitlines()
    reads = [json.loads(line) for line in lines if "secret read" in line and line.startswith("{")]
    found = [line.get("fields", line) for line in reads]
    return [(str(fields["secret"]), fields["is_changed"] in (True, "true")) for fields in found]


def sql(url: str, statement: str) -> None:
    arguments = [str(postgres.binary("psql")), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url]
    # By standard input: a statement here has a password.
    done = subprocess.run(arguments, input=statement, capture_output=True, text=True)
    if done.returncode != 0:
        raise CommandError(f"psql failed: {done.stderr.strip()}")


def get(exported: dict[str, str], name: str) -> dict[str, Any]:
    answer = manager(exported).get_secret_value(SecretId=f"semantik/{NAME}/{name}")
    value: dict[str, Any] = json.loads(answer["SecretString"])
    return value


def put(exported: dict[str, str], name: str, value: dict[str, Any]) -> None:
    manager(exported).put_secret_value(SecretId=f"semantik/{NAME}/{name}", SecretString=json.dumps(value))


def manager(exported: dict[str, str]) -> Any:
    import boto3

    return boto3.client(
        "secretsmanager", endpoint_url=exported["AWS_ENDPOINT_URL"], region_name=exported["AWS_REGION"],
        aws_access_key_id="test", aws_secret_access_key="test")


if __name__ == "__main__":
    run("scripts/rotation-drill", main)
