"""Deploys template.yaml with CloudFormation and the packages that build.py has created."""

from __future__ import annotations

import hashlib
import json
import re
import time
import zipfile
from pathlib import Path
from typing import Any

from local_stack import emulator, postgres, processes
from local_stack.build import FUNCTIONS
from local_stack.settings import BUILT, MODELS_PREFIX, ROOT, Settings, StackError, load_secrets

# Key of the template in the deploy bucket.
TEMPLATE = "template.yaml"
DIGEST_TAG = "deployed-digest"
UP_TO_DATE = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
# After a rollback, the stack works as before the failed update.
USABLE = (*UP_TO_DATE, "UPDATE_ROLLBACK_COMPLETE")
ARCHIVES = BUILT / "archives"
_CODE_URI = re.compile(r"^(?P<head>\s+CodeUri:\s+)target/lambda/(?P<function>\w+)/\s*$", re.MULTILINE)


def up(settings: Settings, packages: dict[str, Path]) -> str:
    """Creates or updates the stack; returns "created", "updated" or "unchanged"."""
    from botocore.exceptions import ClientError

    archives = {function: _archive(function, packages[function]) for function in FUNCTIONS}
    template = _with_archives(settings, (ROOT / "template.yaml").read_text(), archives)
    parameters = _parameters(settings)
    digest = hashlib.sha256("\n".join([template, *parameters, *parameters.values()]).encode()).hexdigest()

    before = _updatable(settings)
    if before is not None and before["StackStatus"] in UP_TO_DATE and _tags(before).get(DIGEST_TAG) == digest:
        return "unchanged"

    _upload(settings, archives, template)
    request = {
        "StackName": settings.name,
        # Templates above 51,200 bytes are read from a bucket only.
        "TemplateURL": f"{settings.endpoint}/{settings.deploy_bucket}/{TEMPLATE}",
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        "Tags": [{"Key": DIGEST_TAG, "Value": digest}],
    }
    cloudformation = emulator.client(settings, "cloudformation")
    if before is None:
        cloudformation.create_stack(**request)
        _await(settings, "CREATE_COMPLETE")
    else:
        try:
            cloudformation.update_stack(**request)
        except ClientError as error:
            # After a rollback to the wanted state, only the tag differs.
            if "No updates are to be performed" in str(error):
                return "unchanged"
            raise
        _await(settings, "UPDATE_COMPLETE")
    _delete_unused_archives(settings, archives)
    return "created" if before is None else "updated"


def find(settings: Settings) -> dict[str, Any] | None:
    """Returns the description of the stack by CloudFormation, if it is deployed."""
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
    """Returns the outputs of the stack by name."""
    stack = find(settings)
    if stack is None or stack["StackStatus"] not in USABLE:
        raise StackError("the stack is not deployed; run scripts/stack up")
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def _updatable(settings: Settings) -> dict[str, Any] | None:
    """Completes an unfinished deployment, so that the stack can be updated; returns its description."""
    cloudformation = emulator.client(settings, "cloudformation")
    stack = find(settings)
    if stack is not None and stack["StackStatus"].endswith("_IN_PROGRESS"):
        stack = _await_end(settings)
    if stack is not None and stack["StackStatus"] == "UPDATE_ROLLBACK_FAILED":
        # Skips resources that could not be rolled back; the next update sets them anyway.
        failed = re.search(r"\[([^\]]*)\]", stack.get("StackStatusReason", ""))
        skip = re.split(r",\s*", failed[1]) if failed else []
        cloudformation.continue_update_rollback(StackName=settings.name, ResourcesToSkip=skip)
        processes.wait_until(lambda: (find(settings) or {}).get("StackStatus") != "UPDATE_ROLLBACK_FAILED", 30)
        stack = _await_end(settings)
    if stack is not None and stack["StackStatus"] in ("ROLLBACK_COMPLETE", "CREATE_FAILED", "DELETE_FAILED"):
        cloudformation.delete_stack(StackName=settings.name)
        stack = _await_end(settings)
    return stack


def _with_archives(settings: Settings, template: str, archives: dict[str, Path]) -> str:
    """Replaces every CodeUri by the S3 URI of the uploaded archive."""
    def replace(match: re.Match[str]) -> str:
        archive = archives[match["function"]]
        return f"{match['head']}s3://{settings.deploy_bucket}/{archive.name}"

    replaced, count = _CODE_URI.subn(replace, template)
    if count != len(FUNCTIONS):
        raise StackError(f"template.yaml has {count} functions with a CodeUri, expected {len(FUNCTIONS)}")
    return replaced


def _parameters(settings: Settings) -> dict[str, str]:
    return {
        "Stage": "local",
        "DatabaseUrl": settings.functions_database_url,
        "QdrantUrl": settings.functions_qdrant_url,
        "JwtSecret": load_secrets()["jwt_secret"],
        "ConnectorSecretsKeys": load_secrets()["connector_secrets_keys"],
        "SourceBucket": settings.source_bucket,
        "ProtectedBuckets": settings.deploy_bucket,
        "ModelsBucket": settings.models_bucket,
        "ModelsPrefix": MODELS_PREFIX,
        "ApiUrl": emulator.api_url(settings, "{api_id}"),
        "DirectoryRoots": settings.directory_roots,
        "EgressAllow": settings.egress_allow,
        "OcrEnabled": "true",
        "SchemaVersion": f"{schema_version()}{postgres.generation(settings)}",
        # All local clients share one IP address, and tests send many requests.
        "RateLimitFactor": "1000",
        # Variables that the template sets override those that functions inherit from the emulator.
        "ReindexGraceSeconds": settings.functions_environment.get("REINDEX_GRACE_SECONDS", "86400"),
        "DeletedDocumentRetention": settings.functions_environment.get("DELETED_DOCUMENT_RETENTION_DAYS", "30"),
        "LogLevel": settings.log_level,
    }


def schema_version() -> str:
    """Returns a digest of migrations/; when it changes, CloudFormation runs the migration resource."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "migrations").glob("*.sql")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _archive(function: str, package: Path) -> Path:
    """Creates a zip archive of the package, named by its contents. Not compressed, because it stays on this machine."""
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


def _upload(settings: Settings, archives: dict[str, Path], template: str) -> None:
    """Uploads the template, and the archives that the deploy bucket does not have."""
    s3 = emulator.client(settings, "s3")
    for bucket in (settings.deploy_bucket, settings.source_bucket, settings.models_bucket):
        s3.create_bucket(Bucket=bucket)
    listing = s3.list_objects_v2(Bucket=settings.deploy_bucket).get("Contents", [])
    present = {entry["Key"] for entry in listing}
    wanted = {archive.name: archive for archive in archives.values()}
    for name in sorted(wanted.keys() - present):
        with wanted[name].open("rb") as body:
            s3.put_object(Bucket=settings.deploy_bucket, Key=name, Body=body)
    s3.put_object(Bucket=settings.deploy_bucket, Key=TEMPLATE, Body=template.encode())


def grant_sources(settings: Settings) -> list[str]:
    """Grants the stack's own bucket and directories of sources to everyone, by the operator's command.

    The users of a local stack are the developer and tests. A production installation grants nothing by itself.
    """
    client = emulator.client(settings, "lambda")
    function = outputs(settings)["MigrateFunctionName"]
    places = [{"bucket": settings.source_bucket}]
    places += [{"directory": root} for root in settings.directory_roots.split(":")]
    outcomes = []
    for place in places:
        event = {"command": "grant-source", "everyone": True} | place
        response = client.invoke(FunctionName=function, Payload=json.dumps(event))
        answer = json.loads(response["Payload"].read())
        if "outcome" not in answer:
            raise StackError(f"{place} could not be granted: {answer}; see `scripts/stack logs emulator`")
        outcomes.append(answer["outcome"])
    return outcomes


def upload_models(settings: Settings, models: Path) -> None:
    """Uploads model folders to the bucket of models, the manifest of each last: it marks a complete folder."""
    s3 = emulator.client(settings, "s3")
    listing = s3.list_objects_v2(Bucket=settings.models_bucket, Prefix=MODELS_PREFIX).get("Contents", [])
    present = {entry["Key"]: entry["ETag"].strip('"') for entry in listing}
    files = [path for path in models.rglob("*") if path.is_file()]
    for path in sorted(files, key=lambda path: (path.name == "model.json", path)):
        key, content = MODELS_PREFIX + path.relative_to(models).as_posix(), path.read_bytes()
        if present.get(key) != hashlib.md5(content, usedforsecurity=False).hexdigest():
            s3.put_object(Bucket=settings.models_bucket, Key=key, Body=content)


def _delete_unused_archives(settings: Settings, archives: dict[str, Path]) -> None:
    """Deletes archives that are no longer deployed. Earlier, a rollback could have needed them."""
    s3 = emulator.client(settings, "s3")
    wanted = {TEMPLATE} | {archive.name for archive in archives.values()}
    for entry in s3.list_objects_v2(Bucket=settings.deploy_bucket).get("Contents", []):
        if entry["Key"] not in wanted:
            s3.delete_object(Bucket=settings.deploy_bucket, Key=entry["Key"])


def _await(settings: Settings, wanted: str) -> None:
    """Waits for the end of the deployment; raises with the reason of the first failed resource."""
    stack = _await_end(settings)
    status = stack["StackStatus"] if stack else "DELETE_COMPLETE"
    if status != wanted:
        raise StackError(f"the deployment ended with {status}: {_first_failure(settings)}")


def _await_end(settings: Settings) -> dict[str, Any] | None:
    """Waits until nothing is in progress; returns the description of the stack."""
    deadline = time.monotonic() + 600
    while (stack := find(settings)) is not None and stack["StackStatus"].endswith("_IN_PROGRESS"):
        if time.monotonic() > deadline:
            raise StackError(
                f"the deployment is still {stack['StackStatus']} after 600 s; scripts/stack down --purge starts over")
        time.sleep(0.2)
    return stack


def _first_failure(settings: Settings) -> str:
    events = emulator.client(settings, "cloudformation").describe_stack_events(StackName=settings.name)
    failures = [e for e in events["StackEvents"] if e["ResourceStatus"].endswith("_FAILED")]
    reasons = [
        f"{e['LogicalResourceId']} ({e['ResourceType']}): {e['ResourceStatusReason']}"
        for e in failures if e.get("ResourceStatusReason")
    ]
    # Events are sorted by time, newest first; later failures follow from the first one.
    return reasons[-1] if reasons else "no resource has a reason; see .local/logs/emulator.log"


def _tags(stack: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
