"""Deploys template.yaml through CloudFormation, from the packages that build.py laid out."""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path
from typing import Any

from local_stack import emulator
from local_stack.build import FUNCTIONS
from local_stack.settings import LOCAL, ROOT, Settings, StackError, load_secrets

DIGEST_TAG = "deployed-digest"
ARCHIVES = LOCAL / "archives"
FINISHED = re.compile(r"_(COMPLETE|FAILED)$")
_CODE_URI = re.compile(r"^(?P<head>\s+CodeUri:\s+)target/lambda/(?P<function>\w+)/\s*$", re.MULTILINE)


def up(settings: Settings, packages: dict[str, Path]) -> str:
    """Creates or updates the stack; says which of "created", "updated", "unchanged" it was."""
    archives = {function: _archive(function, packages[function]) for function in FUNCTIONS}
    template = _localise(settings, (ROOT / "template.yaml").read_text(), archives)
    parameters = _parameters(settings)
    digest = hashlib.sha256("\n".join([template, *parameters, *parameters.values()]).encode()).hexdigest()

    cloudformation = emulator.client(settings, "cloudformation")
    before = find(settings)
    if before is not None and _is_settled(before) and _tags(before).get(DIGEST_TAG) == digest:
        return "unchanged"
    if before is not None and before["StackStatus"] in ("ROLLBACK_COMPLETE", "CREATE_FAILED", "DELETE_FAILED"):
        cloudformation.delete_stack(StackName=settings.name)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=settings.name, WaiterConfig={"Delay": 1})
        before = None

    _upload(settings, archives)
    request = {
        "StackName": settings.name,
        "TemplateBody": template,
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        "Tags": [{"Key": DIGEST_TAG, "Value": digest}],
    }
    if before is None:
        cloudformation.create_stack(**request)
        _await(settings, "CREATE_COMPLETE")
    else:
        cloudformation.update_stack(**request)
        _await(settings, "UPDATE_COMPLETE")
    return "created" if before is None else "updated"


def find(settings: Settings) -> dict[str, Any] | None:
    """The stack as CloudFormation describes it, if it is deployed."""
    from botocore.exceptions import ClientError

    try:
        answer = emulator.client(settings, "cloudformation").describe_stacks(StackName=settings.name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return None
        raise
    stack = answer["Stacks"][0]
    return None if stack["StackStatus"] == "DELETE_COMPLETE" else stack


def outputs(settings: Settings) -> dict[str, str]:
    """The stack's outputs by name."""
    stack = find(settings)
    if stack is None or not _is_settled(stack):
        raise StackError("the stack is not deployed; run scripts/stack up")
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def _localise(settings: Settings, template: str, archives: dict[str, Path]) -> str:
    """Points every CodeUri at the uploaded archive."""
    def replace(match: re.Match[str]) -> str:
        archive = archives[match["function"]]
        return f"{match['head']}s3://{settings.deploy_bucket}/{archive.name}"

    localised, count = _CODE_URI.subn(replace, template)
    if count != len(FUNCTIONS):
        raise StackError(f"template.yaml has {count} functions with a CodeUri, expected {len(FUNCTIONS)}")
    return localised


def _parameters(settings: Settings) -> dict[str, str]:
    return {
        "Stage": "local",
        "DatabaseUrl": settings.database_url,
        "QdrantUrl": settings.qdrant_url,
        "JwtSecret": load_secrets()["jwt_secret"],
        "SourceBucket": settings.source_bucket,
        "DirectoryRoots": settings.directory_roots,
        "SchemaVersion": schema_version(),
        "LogLevel": settings.log_level,
    }


def schema_version() -> str:
    """A digest of migrations/: a new one makes CloudFormation run the migration resource."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "migrations").glob("*.sql")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _archive(function: str, package: Path) -> Path:
    """A zip of the package, named by its content and made once. Stored, not deflated: it goes nowhere."""
    files = sorted(path for path in package.rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(package)}\0{_file_digest(path)}\n".encode())
    archive = ARCHIVES / f"{function}-{digest.hexdigest()[:24]}.zip"
    if not archive.exists():
        ARCHIVES.mkdir(parents=True, exist_ok=True)
        partial = archive.with_suffix(".partial")
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as out:
            for path in files:
                out.write(path, path.relative_to(package))
        partial.replace(archive)
        for older in ARCHIVES.glob(f"{function}-*"):
            if older != archive:
                older.unlink()
    return archive


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _upload(settings: Settings, archives: dict[str, Path]) -> None:
    """Puts archives that the deploy bucket lacks there, and removes those no longer deployed."""
    s3 = emulator.client(settings, "s3")
    for bucket in (settings.deploy_bucket, settings.source_bucket):
        s3.create_bucket(Bucket=bucket)
    listing = s3.list_objects_v2(Bucket=settings.deploy_bucket).get("Contents", [])
    present = {entry["Key"] for entry in listing}
    wanted = {archive.name: archive for archive in archives.values()}
    for name in sorted(wanted.keys() - present):
        with wanted[name].open("rb") as body:
            s3.put_object(Bucket=settings.deploy_bucket, Key=name, Body=body)
    for name in sorted(present - wanted.keys()):
        s3.delete_object(Bucket=settings.deploy_bucket, Key=name)


def _await(settings: Settings, wanted: str) -> None:
    """Waits for the end of the deployment; a failure is told by the first resource that failed."""
    import time

    deadline = time.monotonic() + 600
    while True:
        stack = find(settings)
        status = stack["StackStatus"] if stack else "DELETE_COMPLETE"
        if FINISHED.search(status):
            break
        if time.monotonic() > deadline:
            raise StackError(f"the deployment is still {status} after 600 s")
        time.sleep(0.2)
    if status != wanted:
        raise StackError(f"the deployment ended {status}: {_first_failure(settings)}")


def _first_failure(settings: Settings) -> str:
    events = emulator.client(settings, "cloudformation").describe_stack_events(StackName=settings.name)
    failures = [e for e in events["StackEvents"] if e["ResourceStatus"].endswith("_FAILED")]
    reasons = [
        f"{e['LogicalResourceId']} ({e['ResourceType']}): {e['ResourceStatusReason']}"
        for e in failures if e.get("ResourceStatusReason")
    ]
    # Newest first, and what failed first explains the rest.
    return reasons[-1] if reasons else "no resource says why; see .local/logs/emulator.log"


def _is_settled(stack: dict[str, Any]) -> bool:
    return stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")


def _tags(stack: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
