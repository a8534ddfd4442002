"""Deploys template.yaml with CloudFormation and the packages that build.py has created."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from cloudformation import stacks
from cloudformation.archives import archive, schema_version, with_archives
from local_stack import credentials, emulator, localstack, postgres
from local_stack.build import FUNCTIONS
from local_stack.settings import BUILT, MODELS_PREFIX, RERANKER, ROOT, Settings, StackError

# Key of the template in the deploy bucket.
TEMPLATE = "template.yaml"
DIGEST_TAG = "deployed-digest"
ARCHIVES = BUILT / "archives"
DEPLOYMENT_SECONDS = 600
POLL_SECONDS = 0.2
ADVICE = "scripts/stack down --purge starts over"


def up(settings: Settings, packages: dict[str, Path]) -> str:
    """Creates or updates the stack; returns "created", "updated" or "unchanged"."""
    from botocore.exceptions import ClientError

    # Not compressed, because the archives stay on this machine.
    archives = {function: archive(function, packages[function], ARCHIVES, compress=False) for function in FUNCTIONS}
    locations = {function: f"s3://{settings.deploy_bucket}/{path.name}" for function, path in archives.items()}
    template = with_archives((ROOT / "template.yaml").read_text(), locations)
    parameters = _parameters(settings)
    digest = hashlib.sha256("\n".join([template, *parameters, *parameters.values()]).encode()).hexdigest()

    cloudformation = emulator.client(settings, "cloudformation")
    before = stacks.recover(
        cloudformation, settings.name, seconds=DEPLOYMENT_SECONDS, every_seconds=POLL_SECONDS, advice=ADVICE)
    if before is not None and before["StackStatus"] in stacks.UP_TO_DATE and stacks.tags(before).get(
            DIGEST_TAG) == digest:
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
    return stacks.find(emulator.client(settings, "cloudformation"), settings.name)


def outputs(settings: Settings) -> dict[str, str]:
    """Returns the outputs of the stack by name."""
    stack = find(settings)
    if stack is None or stack["StackStatus"] not in stacks.USABLE:
        raise StackError("the stack is not deployed; run scripts/stack up")
    return stacks.outputs(stack)


def _parameters(settings: Settings) -> dict[str, str]:
    return {
        "Stage": "local",
        "DatabaseUrl": credentials.without_password(settings.functions_database_url),
        "QdrantUrl": settings.functions_qdrant_url,
        **credentials.store(settings),
        "Registration": "open",
        "SourceBucket": settings.source_bucket,
        "ProtectedBuckets": settings.deploy_bucket,
        "ModelsBucket": settings.models_bucket,
        "ModelsPrefix": MODELS_PREFIX,
        "RerankerModel": RERANKER.name,
        "ApiUrl": emulator.api_url(settings, "{api_id}"),
        "DirectoryRoots": settings.directory_roots,
        "EgressAllow": settings.egress_allow,
        "OcrEnabled": "true",
        "SchemaVersion": f"{schema_version(ROOT / 'migrations')}{postgres.generation(settings)}",
        # All local clients share one IP address, and tests send many requests.
        "RateLimitFactor": "1000",
        # Variables that the template sets override those that functions inherit from the emulator.
        "ReindexGraceSeconds": settings.functions_environment.get("REINDEX_GRACE_SECONDS", "86400"),
        "DeletedDocumentRetention": settings.functions_environment.get("DELETED_DOCUMENT_RETENTION_DAYS", "30"),
        "LogLevel": settings.log_level,
        "AlarmBacklogSeconds": settings.functions_environment.get("ALARM_BACKLOG_SECONDS", "21600"),
    }


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


def upload_models(settings: Settings, folders: list[Path]) -> None:
    """Uploads model folders to the bucket of models, the manifest of each last: it marks a complete folder."""
    s3 = localstack.client(settings, "s3")
    listing = s3.list_objects_v2(Bucket=settings.models_bucket, Prefix=MODELS_PREFIX).get("Contents", [])
    present = {entry["Key"]: entry["ETag"].strip('"') for entry in listing}
    files = [(folder, path) for folder in folders for path in folder.rglob("*") if path.is_file()]
    for folder, path in sorted(files, key=lambda file: (file[1].name == "model.json", file)):
        key, content = MODELS_PREFIX + path.relative_to(folder.parent).as_posix(), path.read_bytes()
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
    cloudformation = emulator.client(settings, "cloudformation")
    stack = stacks.await_end(
        cloudformation, settings.name, seconds=DEPLOYMENT_SECONDS, every_seconds=POLL_SECONDS, advice=ADVICE)
    if stacks.status(stack) != wanted:
        reason = stacks.first_failure(cloudformation, settings.name)
        raise StackError(
            f"the deployment ended with {stacks.status(stack)}: "
            f"{reason or 'no resource has a reason; see .local/logs/emulator.log'}")
