"""scripts/stack: starts, stops and describes the local stack."""

from __future__ import annotations

import argparse
import fcntl
import os
import shlex
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_stack import batch, build, deploy, emulator, functions, postgres, processes, qdrant, settings
from local_stack.settings import LOCAL, REGION, Settings, StackError

DESCRIPTION = """\
The local stack of this checkout: PostgreSQL 18, Qdrant's engine (qdrant-local) and an AWS emulator
(ministack) that runs the functions of template.yaml, and a runner of AWS Batch jobs, all as ordinary
processes on 127.0.0.1.
State and logs lie under .local/, which `down --purge` empties.

commands:
  up                  install, build, start, deploy; quick when nothing changed, safe to repeat
  services            PostgreSQL and the model folder only: what the crates' own tests need
  down [--purge]      stop every process; --purge also drops the data
  status              what runs, and where; exit status 3 when a part does not
  env                 the variables a shell needs: eval "$(scripts/stack env)"
  restart PART        postgres, qdrant, batch or emulator, or a function by its name (api, embed, ...);
                      --kill stops it with SIGKILL, in the middle of whatever it does
  pause FUNCTION      gives a function no more messages, so that its queue fills; until `resume FUNCTION`
  logs [PART]         the last log lines of a part, or of the functions
"""

VARIABLES = """\
environment:
  STACK_POSTGRES_PORT (55432)  STACK_QDRANT_PORT (6334; the one before it serves snapshots)  STACK_EMULATOR_PORT (4566)
  STACK_BATCH_PORT (4568)
  STACK_NAME (semantik)        names the CloudFormation stack and prefixes its buckets
  STACK_DATABASE_URL           an existing PostgreSQL server, instead of starting one
  STACK_QDRANT_URL             an existing Qdrant server's gRPC address, instead of starting one
  STACK_DIRECTORY_ROOTS        what directory sources may read (.local/sources)
  STACK_LOG_LEVEL (info)       of the functions
  STACK_PROFILE (dev)          of the functions: dev, or release, which takes tens of minutes to build
  STACK_DIR (.local)           where the stack keeps state and logs; another stack beside this one has its own
  CARGO_TARGET_DIR             cargo's build folder (target)
`up` remembers them until `down --purge`. Two checkouts run side by side when one is given other ports.
"""

PARTS = {"postgres": postgres, "qdrant": qdrant, "emulator": emulator, "batch": batch}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/stack", description=DESCRIPTION, epilog=VARIABLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="scripts/stack up | services | down [--purge] | status | env | restart [--kill] PART | logs [PART]"
              " | pause FUNCTION | resume FUNCTION",
    )
    commands = parser.add_subparsers(dest="command", required=True, help=argparse.SUPPRESS)
    commands.add_parser("up")
    commands.add_parser("services")
    commands.add_parser("down").add_argument("--purge", action="store_true")
    commands.add_parser("status")
    commands.add_parser("env")
    restart_parser = commands.add_parser("restart")
    restart_parser.add_argument("--kill", action="store_true")
    restart_parser.add_argument("part", choices=[*PARTS, *build.FUNCTIONS])
    logs_parser = commands.add_parser("logs")
    logs_parser.add_argument("part", nargs="?", default="functions", choices=[*PARTS, "functions"])
    for command in ("pause", "resume"):
        commands.add_parser(command).add_argument("function", choices=functions.FED)
    arguments = parser.parse_args()
    # The caller's AWS profile is for the real AWS; nothing here may take it up.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    try:
        stack = settings.load()
        if arguments.command == "up":
            with _alone():
                up(stack)
        elif arguments.command == "services":
            with _alone():
                services(stack)
        elif arguments.command == "down":
            with _alone():
                down(arguments.purge)
        elif arguments.command == "status":
            return status(stack)
        elif arguments.command == "env":
            for name, value in environment(stack).items():
                print(f"export {name}={shlex.quote(value)}")
        elif arguments.command == "restart":
            with _alone():
                restart(stack, arguments.part, arguments.kill)
        elif arguments.command in ("pause", "resume"):
            functions.feed(stack, arguments.function, arguments.command == "resume")
        else:
            logs(stack, arguments.part)
    except StackError as error:
        print(f"scripts/stack: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        # What the emulator refuses is a message too; anything else is a mistake in these scripts.
        if not type(error).__module__.startswith("botocore"):
            raise
        print(f"scripts/stack: {error}; see .local/logs/emulator.log", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader, head or grep -q, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("scripts/stack: interrupted; run it again to go on", file=sys.stderr)
        return 130
    return 0


def up(stack: Settings) -> None:
    """Every step does only what is missing, so a run after an interruption goes on where it stopped."""
    _require_free_ports(stack)
    settings.remember(stack)
    Path(stack.directory_roots.split(":")[0]).mkdir(parents=True, exist_ok=True)
    with _step("model folders"):
        build.models()
        build.small_models()
    with _step("binaries (cargo build)"):
        binaries = build.binaries()
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
    with _step("template.yaml") as note:
        note(deploy.up(stack, packages))
        deploy.offer_models(stack, settings.SMALL_MODELS)
        emulator.checkpoint(stack)
        batch.define(stack, binaries / batch.DEFINITION, deploy.outputs(stack))
    variables = environment(stack)
    with _step("API"):
        _await_api(variables["API_URL"])
    print(f"API      {variables['API_URL']}")
    print(f"database {stack.database_url}")
    print(f"qdrant   {stack.qdrant_url}")
    print(f"aws      {stack.endpoint}")


def services(stack: Settings) -> None:
    """The database and the model: nothing is deployed."""
    with _step("model folder"):
        build.models()
    if not stack.external_database_url:
        with _step("PostgreSQL"):
            postgres.up(stack)
    print(f"database {stack.database_url}")


def down(purge: bool) -> None:
    """Jobs first, then the emulator: they use the others."""
    for name in reversed(PARTS):
        if PARTS[name].down():
            print(f"stopped {name}")
    if purge:
        for part in PARTS.values():
            part.purge()
        settings.REMEMBERED.unlink(missing_ok=True)
        print("dropped the data under .local/")


def status(stack: Settings) -> int:
    """One line a part."""
    addresses = {
        "postgres": stack.external_database_url or f"127.0.0.1:{stack.postgres_port}",
        "qdrant": stack.external_qdrant_url or f"127.0.0.1:{stack.qdrant_port}",
        "emulator": f"127.0.0.1:{stack.emulator_port}",
        "batch": f"127.0.0.1:{stack.batch_port}",
    }
    external = {"postgres": stack.external_database_url, "qdrant": stack.external_qdrant_url, "emulator": "", "batch": ""}
    missing = False
    for name, address in addresses.items():
        pid = processes.running(name)
        missing = missing or (pid is None and not external[name])
        state = "external" if external[name] else f"running, pid {pid}" if pid else "stopped"
        print(f"{name:9} {state:20} {address}")
    if processes.running("emulator"):
        for function, pids in functions.running(stack).items():
            print(f"  {function:9} {len(pids)} processes" if pids else f"  {function:9} idle")
        print(f"API       {emulator.api_url(stack, deploy.outputs(stack)['ApiId'])}")
    return 3 if missing else 0


def environment(stack: Settings) -> dict[str, str]:
    """What a shell or a test needs to talk to the stack."""
    local = {
        "DATABASE_URL": stack.database_url,
        "MODELS_DIR": str(build.MODELS),
        "ORT_DYLIB_PATH": str(build.onnxruntime()),
    }
    if processes.running("emulator") is None:
        return local
    outputs = deploy.outputs(stack)
    return local | {
        "API_URL": emulator.api_url(stack, outputs["ApiId"]),
        "QDRANT_URL": stack.qdrant_url,
        "QDRANT_HTTP_URL": stack.qdrant_http_url,
        "AWS_ENDPOINT_URL": stack.endpoint,
        "AWS_ENDPOINT_URL_BATCH": stack.batch_endpoint,
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
        "CHUNK_QUEUE_URL": outputs["ChunkQueueUrl"],
        "EMBED_QUEUE_URL": outputs["EmbedQueueUrl"],
        "INTAKE_DEAD_LETTER_QUEUE_URL": outputs["IntakeDeadLetterQueueUrl"],
        "SCAN_DEAD_LETTER_QUEUE_URL": outputs["ScanDeadLetterQueueUrl"],
        "CHUNK_DEAD_LETTER_QUEUE_URL": outputs["ChunkDeadLetterQueueUrl"],
        "EMBED_DEAD_LETTER_QUEUE_URL": outputs["EmbedDeadLetterQueueUrl"],
        "DIRECTORY_ROOTS": stack.directory_roots,
        "DIRECTORY_ROOT": stack.directory_roots.split(":")[0],
    }


def restart(stack: Settings, part: str, kill: bool) -> None:
    """Stops a part, orderly or not, and starts it again; a function starts with its next event."""
    if part in build.FUNCTIONS:
        stopped = functions.stop(stack, part, kill)
        print(f"stopped {len(stopped)} processes of {part}; its next event starts one")
        return
    if kill:
        processes.kill(part)
    PARTS[part].down()
    if part == "postgres":
        postgres.up(stack)
    elif part == "qdrant":
        qdrant.start(stack)
    elif part == "batch":
        batch.up(stack)
    else:
        emulator.up(stack)
    print(f"restarted {part}")


def logs(stack: Settings, part: str) -> None:
    """Function logs come from the emulator's CloudWatch Logs."""
    if part == "functions":
        for line in functions.log_lines(stack):
            print(line)
    else:
        print(processes.log_tail(part, 200))


def _require_free_ports(stack: Settings) -> None:
    """Refuses before anything is built or started."""
    wanted = [("emulator", stack.emulator_port, "STACK_EMULATOR_PORT"), ("batch", stack.batch_port, "STACK_BATCH_PORT")]
    if not stack.external_database_url:
        wanted.append(("postgres", stack.postgres_port, "STACK_POSTGRES_PORT"))
    if not stack.external_qdrant_url:
        wanted.append(("qdrant", stack.qdrant_port, "STACK_QDRANT_PORT"))
        wanted.append(("qdrant", stack.qdrant_port - 1, "STACK_QDRANT_PORT"))
    for part, port, variable in wanted:
        if processes.running(part) is None:
            processes.require_free(part, port, variable)


def _await_api(url: str) -> None:
    """Any answer below 500 comes from the function itself."""
    problem = ""

    def answers() -> bool:
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

    if not processes.wait_until(answers, 30):
        raise StackError(f"the API does not answer: {problem}")


@contextmanager
def _step(what: str) -> Iterator[object]:
    """Prints what is being done, how long it took, and a note where the step leaves one."""
    started = time.monotonic()
    notes: list[str] = []
    print(f"{what} ...", flush=True)
    yield notes.append
    print(f"{what}: {' '.join([*notes, ''])}{time.monotonic() - started:.1f} s", flush=True)


@contextmanager
def _alone() -> Iterator[None]:
    """One command at a time changes the stack."""
    LOCAL.mkdir(parents=True, exist_ok=True)
    with (LOCAL / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError("another scripts/stack is at work in this checkout; wait for it") from error
        yield


if __name__ == "__main__":
    sys.exit(main())
