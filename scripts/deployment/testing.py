"""What tests of deployments need: an emulator in a temporary folder, and packages that start at once."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from local_stack.build import FUNCTIONS
from local_stack.settings import ROOT

# Answers every event, and CloudFormation's requests as the migration does: FAILED if the package says so.
BOOTSTRAP = f"""#!{sys.executable}
import http.client, json, os, urllib.request
OUTCOME = {{outcome!r}}
connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
base = "/2018-06-01/runtime/invocation"
while True:
    connection.request("GET", f"{{{{base}}}}/next")
    received = connection.getresponse()
    event = json.loads(received.read() or "{{{{}}}}")
    if "ResponseURL" in event:
        answer = {{{{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}}}}
        answer |= {{{{"Status": OUTCOME, "Reason": "column exists", "PhysicalResourceId": "schema"}}}}
        urllib.request.urlopen(urllib.request.Request(
            event["ResponseURL"], json.dumps(answer).encode(), {{{{"content-type": ""}}}}, method="PUT"))
    id = received.getheader("Lambda-Runtime-Aws-Request-Id")
    connection.request("POST", f"{{{{base}}}}/{{{{id}}}}/response", b'"done"')
    connection.getresponse().read()
"""


class Emulator:
    """An emulator on a free port, without the extensions of the local stack: nothing here survives a kill."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        environment = {
            "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "scripts"), "TMPDIR": str(self._folder),
            "BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1", "GATEWAY_PORT": str(self.port),
            "AWS_ENDPOINT_URL": self.endpoint, "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0", "AUTH": "true",
            "PERSIST_STATE": "1", "STATE_DIR": str(self._folder / "state"),
        }
        (self._folder / "state").mkdir(exist_ok=True)
        with (self._folder / "emulator.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "local_stack.emulator_server"], env=environment, cwd="/",
                stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 60
        while not self._accepts():
            if self._process.poll() is not None or time.monotonic() > deadline:
                log_text = (self._folder / "emulator.log").read_text()
                raise AssertionError(f"the emulator did not start: {log_text[-500:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def copy_checkout(folder: Path) -> Path:
    """Copies what scripts/deploy reads, so that a test can change it."""
    for name in ("scripts", "migrations", "infra/deploy"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "production.toml"))
    for name in ("template.yaml", "requirements.lock"):
        shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


def write_packages(folder: Path, outcome: str = "SUCCESS", note: str = "") -> Path:
    """Writes a package for each function; `note` makes their contents differ."""
    for function in FUNCTIONS:
        bootstrap = folder / function / "bootstrap"
        bootstrap.parent.mkdir(parents=True, exist_ok=True)
        bootstrap.write_text(BOOTSTRAP.format(outcome=outcome) + f"# {note}\n")
        bootstrap.chmod(0o755)
    return folder
