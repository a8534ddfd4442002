"""scripts/stack: starts, stops and describes a local stack."""

from __future__ import annotations

import argparse
import fcntl
import os
import shlex
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from command_line import run
from local_stack import (
    batch,
    build,
    credentials,
    deploy,
    emulator,
    external,
    functions,
    localstack,
    postgres,
    processes,
    qdrant,
    settings,
)
from local_stack.settings import LOCAL, REGION, Settings, StackError

DESCRIPTION = """\
The local stack of this checkout: PostgreSQL 18, Qdrant's engine (qdrant-local), an AWS emulator (ministack)
that runs the functions of template.yaml, and a runner of AWS Batch jobs, all as processes on 127.0.0.1.
State and logs are in .local/; `down --purge` deletes the data.

commands:
  up [--localstack]   install, build, start, deploy; only what is missing, so it can be repeated;
                      --localstack uses LocalStack for S3 and SQS, by default that of infra/docker-compose.yml
  services            PostgreSQL and the model folder only, which is what the tests of the crates need
  down [--purge]      stop every process; --purge also deletes the data
  status              parts, state and addresses; exit status 3 unless every part runs or responds
  env                 the environment variables of the stack: eval "$(scripts/stack env)"
  restart PART        postgres, qdrant, batch or emulator, or a function by its name (api, embed, ...);
                      --kill stops it with SIGKILL, whatever it is doing
  pause FUNCTION      stop delivering messages to a function, so that its queue fills up, until `resume FUNCTION`
  logs [PART]         the last log lines of a part, or of the functions; --lines says how many
"""

VARIABLES = """\
environment:
  STACK_POSTGRES_PORT (55432), STACK_EMULATOR_PORT (4566), STACK_BATCH_PORT (4568)
  STACK_QDRANT_PORT (6334)     gRPC; the port below it serves snapshots
  STACK_NAME (semantik)        name of the CloudFormation stack and prefix of its buckets
  STACK_DATABASE_URL           URL of an existing PostgreSQL server, instead of starting one
  STACK_QDRANT_URL             gRPC URL of an existing Qdrant server, instead of starting one
  STACK_LOCALSTACK_URL         URL of a LocalStack for S3 and SQS; --localstack: http://127.0.0.1:4567
  STACK_LOCALSTACK_S3_PORT (4569)  proxy in front of its S3, which the functions use
  STACK_DIRECTORY_ROOTS        folders that directory sources may read (.local/sources)
  STACK_EGRESS_ALLOW           addresses that sources reach besides public ones (127.0.0.1)
  STACK_LOG_LEVEL (info)       log level of the functions
  STACK_PROFILE (dev)          build profile of the functions: dev, or release (tens of minutes to build)
  STACK_DIR (.local)           folder of state and logs; a second stack needs its own
  CARGO_TARGET_DIR             cargo's build folder (target)
`up` remembers these settings for later commands, lists those that are not set any more, and forgets one when its
variable is set to another value: STACK_QDRANT_URL= starts a local server again. `down --purge` forgets all.
Two checkouts can run side by side on different ports.
"""

PARTS = {"postgres": postgres, "qdrant": qdrant, "emulator": emulator, "batch": batch, "localstack": localstack}
DEFAULT_LOCALSTACK_URL = "http://127.0.0.1:4567"


def main() -> bool:
    arguments = _parser().parse_args()
    # The AWS profile of the caller must not be used by anything here.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    try:
        _execute(arguments)
    except Exception as error:
        # Rejections by the emulator are expected failures, too.
        if not type(error).__module__.startswith("botocore"):
            raise
        raise StackError(f"{error}; see .local/logs/emulator.log") from error
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/stack", description=DESCRIPTION, epilog=VARIABLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="scripts/stack up [--localstack] | services | down [--purge] | status | env | restart [--kill] PART"
              " | logs [PART] | pause FUNCTION | resume FUNCTION",
    )
    commands = parser.add_subparsers(dest="command", required=True, help=argparse.SUPPRESS)
    commands.add_parser("up").add_argument("--localstack", action="store_true")
    for command in ("services", "status", "env"):
        commands.add_parser(command)
    commands.add_parser("down").add_argument("--purge", action="store_true")
    restart_parser = commands.add_parser("restart")
    restart_parser.add_argument("--kill", action="store_true")
    restart_parser.add_argument("part", choices=[*PARTS, *build.FUNCTIONS])
    logs_parser = commands.add_parser("logs")
    logs_parser.add_argument("part", nargs="?", default="functions", choices=[*PARTS, "functions"])
    logs_parser.add_argument("--lines", type=int, default=200, help="how many lines at most (200)")
    for command in ("pause", "resume"):
        commands.add_parser(command).add_argument("function", choices=functions.QUEUE_CONSUMERS)
    return parser


def _execute(arguments: argparse.Namespace) -> None:
    stack = settings.load()
    match arguments.command:
        case "up":
            if arguments.localstack and not stack.localstack_url:
                stack = replace(stack, localstack_url=DEFAULT_LOCALSTACK_URL)
            with _exclusive():
                up(stack)
        case "services":
            with _exclusive():
                services(stack)
        case "down":
            with _exclusive():
                down(arguments.purge)
        case "status":
            if not status(stack):
                raise SystemExit(3)
        case "env":
            for name, value in environment(stack).items():
                print(f"export {name}={shlex.quote(value)}")
        case "restart":
            with _exclusive():
                restart(stack, arguments.part, arguments.kill)
        case "pause" | "resume":
            functions.deliver(stack, arguments.function, enabled=arguments.command == "resume")
        case _:
            logs(stack, arguments.part, arguments.lines)


def up(stack: Settings) -> None:
    """Does what is missing of each step, so that a run after an interruption continues where that stopped."""
    _print_remembered()
    external.require(stack)
    _require_same_storage(stack)
    _require_free_ports(stack)
    settings.remember(stack)
    Path(stack.directory_roots.split(":")[0]).mkdir(parents=True, exist_ok=True)
    with _step("model folders"):
        build.models()
        build.small_models()
    with _step("binaries (cargo build)"):
        binaries = build.binaries()
        build.install_command_line(binaries)
        functions_built = build.function_binaries(stack.profile)
    if not stack.external_database_url:
        with _step("PostgreSQL"):
            postgres.up(stack)
    if not stack.external_qdrant_url:
        with _step("Qdrant engine"):
            qdrant.up(stack, binaries / "qdrant-local")
    with _step("AWS emulator"):
        emulator.up(stack)
    with _step("AWS Batch runner"):
        batch.up(stack)
    with _step("packages"):
        packages = {name: build.assemble(name, functions_built / name) for name in build.FUNCTIONS}
    with _step("template.yaml") as notes:
        notes.append(deploy.up(stack, packages))
        if stack.localstack_url:
            localstack.mirror(stack)
        deploy.upload_models(stack, [*settings.SMALL_MODELS.iterdir(), settings.RERANKER])
        deploy.grant_sources(stack)
        emulator.checkpoint(stack)
        batch.define(stack, binaries / batch.DEFINITION, deploy.outputs(stack))
    if stack.localstack_url:
        with _step("delivery from LocalStack"):
            localstack.up(stack)
    variables = environment(stack)
    with _step("API"):
        _await_api(variables["API_URL"])
    print(f"API      {variables['API_URL']}")
    print(f"console  {variables['API_URL']}/")
    print(f"database {stack.database_url}")
    print(f"qdrant   {stack.qdrant_url}")
    print(f"aws      {stack.endpoint}")


def services(stack: Settings) -> None:
    """Starts what the tests of the crates need; deploys nothing."""
    _print_remembered()
    external.require(stack)
    with _step("model folder"):
        build.models()
    if not stack.external_database_url:
        with _step("PostgreSQL"):
            postgres.up(stack)
    print(f"database {stack.database_url}")


def down(purge: bool) -> None:
    """Stops jobs and emulator first, because they use the others."""
    for name in reversed(PARTS):
        if PARTS[name].down():
            print(f"stopped {name}")
    if purge:
        for part in PARTS.values():
            part.purge()
        settings.REMEMBERED.unlink(missing_ok=True)
        print("deleted the data in .local/")


def status(stack: Settings) -> bool:
    """Prints one line per part; returns whether all of them run or, if they are external, respond."""
    addresses = {
        "postgres": settings.without_password(stack.external_database_url) or f"127.0.0.1:{stack.postgres_port}",
        "qdrant": stack.external_qdrant_url or f"127.0.0.1:{stack.qdrant_port}",
        "emulator": f"127.0.0.1:{stack.emulator_port}",
        "batch": f"127.0.0.1:{stack.batch_port}",
    }
    if stack.localstack_url:
        addresses["localstack"] = f"delivers from {stack.localstack_url}"
    is_external = {"postgres": bool(stack.external_database_url), "qdrant": bool(stack.external_qdrant_url)}
    problems = external.problems(stack)
    is_complete = True
    _print_remembered()
    for name, address in addresses.items():
        pid = processes.running(name)
        if is_external.get(name):
            is_running, state = name not in problems, "external" if name not in problems else "external, unreachable"
        else:
            is_running, state = pid is not None, f"running, pid {pid}" if pid else "stopped"
        is_complete = is_complete and is_running
        print(f"{name:9} {state:21} {address}")
    if processes.running("emulator"):
        for function, pids in functions.running(stack).items():
            print(f"  {function:9} {len(pids)} processes" if pids else f"  {function:9} idle")
        url = emulator.api_url(stack, deploy.outputs(stack)["ApiId"])
        print(f"API       {url}")
        print(f"console   {url}/")
    return is_complete


def environment(stack: Settings) -> dict[str, str]:
    """Returns the variables by which shells and tests reach the stack."""
    local = {
        "DATABASE_URL": stack.database_url,
        "MODELS_DIR": str(build.MODELS),
        "ORT_DYLIB_PATH": str(build.onnxruntime()),
    }
    if processes.running("emulator") is None:
        return local
    outputs, administrator = deploy.outputs(stack), credentials.administrator()
    return local | {
        "API_URL": emulator.api_url(stack, outputs["ApiId"]),
        **_command_line(emulator.api_url(stack, outputs["ApiId"]), administrator),
        "QDRANT_URL": stack.qdrant_url,
        "QDRANT_HTTP_URL": stack.qdrant_http_url,
        "AWS_ENDPOINT_URL": stack.endpoint,
        "AWS_ENDPOINT_URL_BATCH": stack.batch_endpoint,
        **stack.service_endpoints,
        "EMBED_JOB_QUEUE": batch.QUEUE,
        "EMBED_JOB_DEFINITION": batch.DEFINITION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "STACK_NAME": stack.name,
        "STAGING_BUCKET": outputs["StagingBucketName"],
        "SOURCE_BUCKET": stack.source_bucket,
        "MODELS_BUCKET": stack.models_bucket,
        "INTAKE_QUEUE_URL": outputs["IntakeQueueUrl"],
        "SCAN_QUEUE_URL": outputs["ScanQueueUrl"],
        "EXTRACT_QUEUE_URL": outputs["ExtractQueueUrl"],
        "CHUNK_QUEUE_URL": outputs["ChunkQueueUrl"],
        "EMBED_QUEUE_URL": outputs["EmbedQueueUrl"],
        "NOTIFY_QUEUE_URL": outputs["NotifyQueueUrl"],
        "SWEEP_QUEUE_URL": outputs["SweepQueueUrl"],
        "INTAKE_DEAD_LETTER_QUEUE_URL": outputs["IntakeDeadLetterQueueUrl"],
        "SCAN_DEAD_LETTER_QUEUE_URL": outputs["ScanDeadLetterQueueUrl"],
        "EXTRACT_DEAD_LETTER_QUEUE_URL": outputs["ExtractDeadLetterQueueUrl"],
        "CHUNK_DEAD_LETTER_QUEUE_URL": outputs["ChunkDeadLetterQueueUrl"],
        "EMBED_DEAD_LETTER_QUEUE_URL": outputs["EmbedDeadLetterQueueUrl"],
        "NOTIFY_DEAD_LETTER_QUEUE_URL": outputs["NotifyDeadLetterQueueUrl"],
        "DIRECTORY_ROOTS": stack.directory_roots,
        "DIRECTORY_ROOT": stack.directory_roots.split(":")[0],
        "ADMIN_USERNAME": administrator["username"],
        "ADMIN_PASSWORD": administrator["password"],
    }


def _command_line(api_url: str, administrator: dict[str, str]) -> dict[str, str]:
    """Returns the variables by which `semantik` is found and signs in to the stack, as its administrator."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    programs = str(build.PROGRAMS)
    return {
        "PATH": os.pathsep.join([programs, *(folder for folder in folders if folder != programs)]),
        "SEMANTIK_URL": api_url,
        "SEMANTIK_USERNAME": administrator["username"],
        "SEMANTIK_PASSWORD": administrator["password"],
    }


def restart(stack: Settings, part: str, kill: bool) -> None:
    """Stops a part and starts it again; a function starts with its next event."""
    if part in build.FUNCTIONS:
        stopped = functions.stop(stack, part, kill)
        print(f"stopped {len(stopped)} processes of {part}; its next event starts one")
        return
    if kill:
        processes.kill(part)
    PARTS[part].down()
    start = {"postgres": postgres.up, "qdrant": qdrant.start, "batch": batch.up, "emulator": emulator.up,
             "localstack": localstack.up}
    start[part](stack)
    print(f"restarted {part}")


def logs(stack: Settings, part: str, lines: int) -> None:
    """Prints log lines; those of the functions come from the CloudWatch Logs of the emulator."""
    if part == "functions":
        for line in functions.log_lines(stack, lines):
            print(line)
    else:
        print(processes.log_tail(part, lines))


def _require_same_storage(stack: Settings) -> None:
    """Raises if the data of the stack is elsewhere: rows of the database refer to objects in the buckets."""
    if stack.localstack_url:
        localstack.require(stack)
    last = settings.last_localstack_url()
    if last is not None and last != stack.localstack_url:
        before, now = (url or "the emulator" for url in (last, stack.localstack_url))
        raise StackError(f"the documents of this stack are in {before}, not in {now}; run scripts/stack down --purge"
                         " first, or use a second stack (STACK_DIR)")


def _require_free_ports(stack: Settings) -> None:
    """Raises if a port is in use, before anything is built or started."""
    wanted = [("emulator", stack.emulator_port, "STACK_EMULATOR_PORT"), ("batch", stack.batch_port, "STACK_BATCH_PORT")]
    if not stack.external_database_url:
        wanted.append(("postgres", stack.postgres_port, "STACK_POSTGRES_PORT"))
    if not stack.external_qdrant_url:
        wanted.append(("qdrant", stack.qdrant_port, "STACK_QDRANT_PORT"))
        wanted.append(("qdrant", stack.qdrant_port - 1, "STACK_QDRANT_PORT"))
    for part, port, variable in wanted:
        if processes.running(part) is None:
            processes.require_free(part, port, variable)


def _print_remembered() -> None:
    """Says which settings come from the last `up`, because nothing else shows them."""
    if values := settings.remembered():
        listed = " ".join(f"{name}={shlex.quote(value)}" for name, value in values.items())
        print(f"remembered from the last up: {listed}")
        print("  to change one, set it, or set it to nothing for its default; scripts/stack down --purge forgets all")


def _await_api(url: str) -> None:
    """Waits until the function responds; any status below 500 comes from the function itself."""
    problem = ""

    def responds() -> bool:
        nonlocal problem
        try:
            with urllib.request.urlopen(f"{url}/api/openapi.json", timeout=30):
                return True
        except urllib.error.HTTPError as error:
            problem = f"{error.code} {error.read(300).decode(errors='replace')}"
            return error.code < 500
        except OSError as error:
            problem = str(error)
            return False

    if not processes.wait_until(responds, 30):
        raise StackError(f"the API did not respond within 30 s: {problem}")


@contextmanager
def _step(name: str) -> Iterator[list[str]]:
    """Prints the name of a step, then its duration and the notes that it leaves."""
    started = time.monotonic()
    notes: list[str] = []
    print(f"{name} ...", flush=True)
    yield notes
    print(f"{name}: {' '.join([*notes, ''])}{time.monotonic() - started:.1f} s", flush=True)


@contextmanager
def _exclusive() -> Iterator[None]:
    """Holds the lock of the stack: only one command may change it at a time."""
    LOCAL.mkdir(parents=True, exist_ok=True)
    with (LOCAL / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError("another scripts/stack is running in this checkout; wait until it has ended") from error
        yield


if __name__ == "__main__":
    run("scripts/stack", main, on_interrupt="interrupted; run it again to continue")
