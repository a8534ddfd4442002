"""scripts/sam-local: runs one function of the local stack in a container of AWS's, by the SAM command line."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cloudformation.archives import with_archives
from command_line import run
from local_stack import build, emulator, forward, settings
from local_stack.settings import LOCAL, REGION, ROOT, Settings, StackError

DESCRIPTION = """\
Runs a function of the deployed local stack in Lambda's own container image, with a payload of events/, by
`sam local invoke`. Needs Docker and the SAM command line, and a stack that is up. The function works on the data of the
stack. It is the package that `scripts/stack up` built; rebuild by running that again.

  scripts/sam-local chunk                     events/chunk.json
  scripts/sam-local intake intake-removed     events/intake-removed.json
  scripts/sam-local sweep path/to/event.json
  scripts/sam-local --all                     every payload in events/
  scripts/sam-local --files                   only write the template and the variables, and print the command
"""
EPILOG = """\
environment:
  SAM_LOCAL_HOST   the IP address by which containers reach this machine; default: the gateway of Docker's network
                   "bridge". An address, not a name: the AWS SDKs then use path-style bucket URLs.
The stack listens on 127.0.0.1 only; while a function runs, its ports are forwarded from that address.
"""

FOLDER = LOCAL / "sam"
EVENTS = ROOT / "events"
# A function that is sent the same messages as another one.
SHARED_PAYLOADS = {"recognize": "extract"}
# Clients reach the API by this URL, not the function.
FOR_CLIENTS = "API_URL"
_FUNCTION = re.compile(r"^  (\w+Function):\n    Type: AWS::Serverless::Function$", re.MULTILINE)
_GLOBAL_VARIABLES = re.compile(
    r"^(Globals:\n(?:  .*\n)*?    Environment:\n      Variables:\n)", re.MULTILINE)


def main() -> bool:
    parser = argparse.ArgumentParser(
        prog="scripts/sam-local", description=DESCRIPTION, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="scripts/sam-local FUNCTION [EVENT] | --all | --files")
    parser.add_argument("function", nargs="?", choices=build.FUNCTIONS, metavar="FUNCTION")
    parser.add_argument("event", nargs="?", metavar="EVENT")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--files", action="store_true")
    arguments = parser.parse_args()
    if [arguments.function is not None, arguments.all, arguments.files].count(True) != 1:
        parser.error("one of FUNCTION, --all and --files is required")
    stack = settings.load()
    if arguments.files:
        host = os.environ.get("SAM_LOCAL_HOST", "127.0.0.1")
        _write(stack, host)
        print(" ".join(_command("ChunkFunction", EVENTS / "chunk.json")))
        return True
    sam = shutil.which("sam")
    docker = shutil.which("docker")
    if sam is None or docker is None:
        missing = "the SAM command line (pip install aws-sam-cli)" if sam is None else "Docker"
        raise StackError(f"{missing} is not installed; `cargo lambda invoke` runs a function without a container")
    host = os.environ.get("SAM_LOCAL_HOST") or _bridge_address(docker)
    _write(stack, host)
    calls = payloads() if arguments.all else [(arguments.function, _event(arguments.function, arguments.event))]
    failed = []
    with forward.ports(host, _ports(stack)):
        for function, event in calls:
            print(f"== {function} {event.relative_to(ROOT) if event.is_relative_to(ROOT) else event}", flush=True)
            if subprocess.run(_command(logical_id(function), event), env=_environment()).returncode != 0:
                failed.append(f"{function} {event.name}")
    if failed:
        raise StackError(f"failed: {', '.join(failed)}")
    return True


def payloads() -> list[tuple[str, Path]]:
    """Returns every payload in events/ with its function: the longest name of a function that its name starts with."""
    found = []
    for path in sorted(EVENTS.glob("*.json")):
        names = [name for name in build.FUNCTIONS if path.stem == name or path.stem.startswith(f"{name}-")]
        if not names:
            raise StackError(f"{path}: no function of this name")
        found.append((max(names, key=len), path))
    shared = [(other, path) for other, owner in SHARED_PAYLOADS.items() for name, path in found if name == owner]
    return found + shared


def logical_id(function: str) -> str:
    """Returns the name of a function in template.yaml."""
    return f"{function.capitalize()}Function"


def function_ids(template: str) -> list[str]:
    """Returns the names of all functions of a template."""
    return _FUNCTION.findall(template)


def variables(
    configurations: dict[str, dict[str, str]], endpoints: dict[str, str], host: str,
) -> dict[str, dict[str, str]]:
    """Returns the contents of the file for --env-vars: the variables of each deployed function by its name in the
    template, as a container reaches what they name."""
    def reachable(name: str, value: str) -> str:
        if name == FOR_CLIENTS:
            return value
        return re.sub(r"(?<![\w.-])(127\.0\.0\.1|localhost)(?![\w.-])", host, value)

    return {
        function: {name: reachable(name, value) for name, value in sorted((configuration | endpoints).items())}
        for function, configuration in configurations.items()
    }


def with_packages(template: str, packages: Path, endpoints: dict[str, str]) -> str:
    """Returns the template with the packages of the local stack as code. Declares the variables of the endpoints,
    because SAM passes only those that its template declares."""
    replaced = with_archives(template, {function: f"{packages / function}/" for function in build.FUNCTIONS})
    declared = "".join(f'        {name}: ""\n' for name in endpoints)
    replaced, count = _GLOBAL_VARIABLES.subn(lambda match: match[1] + declared, replaced)
    if count != 1:
        raise StackError("template.yaml has no Globals.Function.Environment.Variables")
    return replaced


def _write(stack: Settings, host: str) -> None:
    """Writes template and variables. The variables may contain secrets of the stack: only this user can read them."""
    template = (ROOT / "template.yaml").read_text()
    endpoints = {"AWS_ENDPOINT_URL": stack.endpoint, "AWS_ENDPOINT_URL_BATCH": stack.batch_endpoint,
                 **stack.service_endpoints}
    written = variables(_deployed(stack, function_ids(template)), endpoints, host)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "template.yaml").write_text(with_packages(template, build.PACKAGES, endpoints))
    path = FOLDER / "variables.json"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(written, indent=2) + "\n")


def _deployed(stack: Settings, functions: list[str]) -> dict[str, dict[str, str]]:
    """Returns the variables of each function as CloudFormation resolved them for the deployed stack."""
    cloudformation = emulator.client(stack, "cloudformation")
    client = emulator.client(stack, "lambda")
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack.name)
    names: dict[str, str] = {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for page in pages for resource in page["StackResourceSummaries"]
        if resource["ResourceType"] == "AWS::Lambda::Function"
    }
    if missing := [function for function in functions if function not in names]:
        raise StackError(f"{', '.join(missing)}: not deployed; run scripts/stack up")

    def of(function: str) -> dict[str, str]:
        configuration: dict[str, Any] = client.get_function_configuration(FunctionName=names[function])
        return dict(configuration.get("Environment", {}).get("Variables", {}))

    return {function: of(function) for function in functions}


def _command(function: str, event: Path) -> list[str]:
    return ["sam", "local", "invoke", function, "--template-file", str(FOLDER / "template.yaml"),
            "--env-vars", str(FOLDER / "variables.json"), "--event", str(event)]


def _environment() -> dict[str, str]:
    # The function must not get the credentials of a real account.
    others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return others | {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION,
                     "AWS_DEFAULT_REGION": REGION, "SAM_CLI_TELEMETRY": "0"}


def _event(function: str, name: str | None) -> Path:
    name = name or SHARED_PAYLOADS.get(function, function)
    for path in (EVENTS / f"{name}.json", Path(name)):
        if path.is_file():
            return path.resolve()
    known = ", ".join(path.stem for owner, path in payloads() if owner == function)
    raise StackError(f"EVENT: no file {name!r}; a path, or one of events/ is allowed: {known or 'none'}")


def _ports(stack: Settings) -> list[int]:
    ports = [stack.emulator_port, stack.postgres_port, stack.qdrant_port, stack.batch_port]
    external = {stack.postgres_port: stack.external_database_url, stack.qdrant_port: stack.external_qdrant_url}
    endpoints = [urlsplit(url).port for url in stack.service_endpoints.values()]
    return [port for port in {*ports, *endpoints} if port and not external.get(port)]


def _bridge_address(docker: str) -> str:
    """Returns the address of this machine in Docker's default network."""
    command = [docker, "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode != 0 or not ended.stdout.strip():
        problem = " ".join(ended.stderr.split()) or "its network bridge has no gateway"
        raise StackError(f"Docker does not answer: {problem}; start it, or set SAM_LOCAL_HOST")
    return ended.stdout.strip()


if __name__ == "__main__":
    run("scripts/sam-local", main)
