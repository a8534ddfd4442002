"""The deployment bucket: packages, templates and the record of each version, below the name of the stack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from command_line import CommandError
from deployment.account import Account, error_code
from deployment.config import Config, is_bucket_name

NONCURRENT_DAYS = 30


class DeploymentBucket:
    """A private, encrypted, versioned bucket of the account that stacks of one region share."""

    def __init__(self, account: Account, config: Config):
        self.account = account
        self.name = config.bucket or f"semantik-deploy-{account.identity.account}-{account.region}"
        self.stack = config.stack
        self._s3 = account.client("s3")

    def exists(self) -> bool:
        return bucket_exists(self._s3, self.name)

    def create(self) -> bool:
        """Creates the bucket unless it exists; returns whether it was created now. Repeats the settings in any case."""
        created = not self.exists()
        if created:
            self._s3.create_bucket(Bucket=self.name, **_location(self.account.region))
        self._s3.put_public_access_block(Bucket=self.name, PublicAccessBlockConfiguration={
            "BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True})
        self._s3.put_bucket_encryption(Bucket=self.name, ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]})
        self._s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})
        self._s3.put_bucket_lifecycle_configuration(Bucket=self.name, LifecycleConfiguration={"Rules": [
            {"ID": "ExpireNoncurrentVersions", "Status": "Enabled", "Filter": {"Prefix": ""},
             "NoncurrentVersionExpiration": {"NoncurrentDays": NONCURRENT_DAYS},
             "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}]})
        if not self.account.is_emulator:
            # The emulator on 127.0.0.1 speaks nothing but plain HTTP.
            self._s3.put_bucket_policy(Bucket=self.name, Policy=json.dumps(self._tls_only()))
        return created

    def key(self, *parts: str) -> str:
        return "/".join((self.stack, *parts))

    def keys(self, *parts: str) -> set[str]:
        """Returns the keys below a folder of the stack."""
        prefix = self.key(*parts) + "/"
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return {entry["Key"] for page in pages for entry in page.get("Contents", [])}

    def upload(self, path: Path, key: str) -> None:
        self._s3.upload_file(str(path), self.name, key)

    def write(self, key: str, content: bytes) -> None:
        self._s3.put_object(Bucket=self.name, Key=key, Body=content)

    def read(self, key: str) -> bytes:
        body: bytes = self._s3.get_object(Bucket=self.name, Key=key)["Body"].read()
        return body

    def delete(self, keys: set[str]) -> None:
        for key in sorted(keys):
            self._s3.delete_object(Bucket=self.name, Key=key)

    def erase(self) -> bool:
        """Deletes all versions of what the stack has in the bucket, and the bucket if it is empty then.

        Returns whether the bucket was deleted.
        """
        empty(self._s3, self.name, f"{self.stack}/")
        if next(_object_versions(self._s3, self.name, ""), None) is not None:
            return False
        self._s3.delete_bucket(Bucket=self.name)
        return True

    def _tls_only(self) -> dict[str, Any]:
        arn = f"arn:{self.account.identity.partition}:s3:::{self.name}"
        return {"Version": "2012-10-17", "Statement": [{
            "Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"], "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}


def staging_bucket_name(account: Account, stack: str, suffix: str = "") -> str:
    """Returns a name for the staging bucket of a new stack: lower case, and short enough for S3."""
    tail = f"-staging-{account.identity.account}-{account.region}{suffix}"
    name = stack.lower()[: 63 - len(tail)].rstrip("-") + tail
    if not is_bucket_name(name):
        raise CommandError(f"no bucket can be named {name!r}; set parameters.StagingBucketName")
    return name


def bucket_exists(s3: Any, name: str) -> bool:
    """Returns whether a bucket has this name, whoever owns it."""
    try:
        s3.head_bucket(Bucket=name)
    except ClientError as error:
        if error_code(error) in ("404", "NoSuchBucket", "NotFound"):
            return False
        if error_code(error) not in ("403", "301", "400"):
            raise
    return True


def empty(s3: Any, name: str, prefix: str = "") -> int:
    """Deletes all versions of all objects below a prefix; returns how many."""
    deleted = 0
    batch: list[dict[str, str]] = []
    for entry in _object_versions(s3, name, prefix):
        batch.append(entry)
        if len(batch) == 1000:
            deleted += _delete(s3, name, batch)
            batch = []
    return deleted + (_delete(s3, name, batch) if batch else 0)


def _delete(s3: Any, name: str, batch: list[dict[str, str]]) -> int:
    failed = s3.delete_objects(Bucket=name, Delete={"Objects": batch, "Quiet": True}).get("Errors", [])
    if failed:
        raise CommandError(
            f"{len(failed)} objects of {name} could not be deleted, such as {failed[0].get('Key')}: "
            f"{failed[0].get('Message')}")
    return len(batch)


def _object_versions(s3: Any, name: str, prefix: str) -> Iterator[dict[str, str]]:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name, Prefix=prefix):
        for entry in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            yield {"Key": entry["Key"], "VersionId": entry["VersionId"]}


def _location(region: str) -> dict[str, Any]:
    # S3 refuses the name of this region as a constraint.
    return {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
