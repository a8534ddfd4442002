"""Backups in buckets and folders, against the emulator's S3."""

from __future__ import annotations

import io
import os
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from command_line import CommandError
from local_stack.emulator_server_test import Emulator
from semantik import backup_storage, retention
from semantik.backup_storage import PART_BYTES, BucketPrefix, Digest, Folder, Storage, parse
from semantik.manifest import NAME
from semantik.staged import StagingBucket, saved_objects

BUCKET = "backups"
STAGING = "staging"


class FailingStream:
    """A stream that breaks off, like the output of a failed program, after more than one part of an upload."""

    def __init__(self) -> None:
        self.left = 2

    def read(self, size: int = -1, /) -> bytes:
        if self.left == 0:
            raise CommandError("pg_dump failed")
        self.left -= 1
        return bytes(PART_BYTES)


class Backups(unittest.TestCase):
    emulator: Emulator

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.emulator = Emulator(folder.name)
        cls.emulator.start()
        cls.addClassCleanup(cls.emulator.kill)
        environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{cls.emulator.port}", "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1", "BACKUP_ENDPOINT_URL": "",
            "STAGING_BUCKET": STAGING,
        }
        patch = mock.patch.dict(os.environ, environment)
        patch.start()
        cls.addClassCleanup(patch.stop)

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.s3: Any = self.emulator.client("s3")
        for bucket in (BUCKET, STAGING):
            self.s3.create_bucket(Bucket=bucket)
            for entry in self.s3.list_objects_v2(Bucket=bucket).get("Contents", []):
                self.s3.delete_object(Bucket=bucket, Key=entry["Key"])

    def stage(self, **objects: bytes) -> None:
        for name, content in objects.items():
            prefix, _, rest = name.partition("_")
            self.s3.put_object(Bucket=STAGING, Key=f"{prefix}/{rest}", Body=content)

    def content(self, bucket: str) -> dict[str, bytes]:
        entries = self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        return {entry["Key"]: self.s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read() for entry in entries}

    def wait_for_the_next_second(self) -> None:
        """S3 keeps times in seconds; an object that was written in the second of its copy is copied again."""
        time.sleep(1.1 - time.time() % 1)

    def backup(self, backup_id: str) -> tuple[BucketPrefix, int]:
        storage = BucketPrefix(BUCKET, "p/", backup_id)
        counts, _ = StagingBucket().save(storage)
        storage.write(NAME, io.BytesIO(b"{}"))
        return storage, counts.copied

    def test_files_are_streamed_in_parts_and_verified(self) -> None:
        content = os.urandom(PART_BYTES * 2 + 7)
        for storage in (Folder(self.folder / "backup"), BucketPrefix(BUCKET, "p/", "one")):
            with self.subTest(storage.url):
                digest = Digest(io.BytesIO(content))
                storage.write("snapshots/a", digest)
                self.assertEqual(digest.size, len(content))
                with storage.open("snapshots/a") as file:
                    self.assertEqual(file.read(), content)
                storage.verify("snapshots/a", digest.sha256)
                with self.assertRaisesRegex(CommandError, "is damaged"):
                    storage.verify("snapshots/a", "0")
                storage.delete("snapshots/a")
                with self.assertRaisesRegex(CommandError, "is missing"):
                    storage.verify("snapshots/a", digest.sha256)

    def test_a_stream_that_breaks_off_leaves_no_file(self) -> None:
        for storage in (Folder(self.folder / "backup"), BucketPrefix(BUCKET, "p/", "one")):
            with self.subTest(storage.url), self.assertRaisesRegex(CommandError, "pg_dump failed"):
                storage.write("database.dump", FailingStream())
            with self.assertRaises(FileNotFoundError), storage.open("database.dump"):
                pass
        self.assertEqual(self.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []), [])

    def restored(self, storage: Storage) -> dict[str, bytes]:
        """Restores into an empty staging bucket; returns its objects."""
        for entry in self.s3.list_objects_v2(Bucket=STAGING).get("Contents", []):
            self.s3.delete_object(Bucket=STAGING, Key=entry["Key"])
        StagingBucket().load(storage, has_list=True)
        return self.content(STAGING)

    def test_staged_objects_are_copied_once_and_restored(self) -> None:
        self.stage(raw_a=b"a", raw_b=b"b", text_a=b"text", chunks_a=b"c", vectors_a=b"v", uploads_a=b"not staged")
        self.wait_for_the_next_second()
        first, copied = self.backup("1")
        self.assertEqual(copied, 5)
        self.assertEqual(self.backup("2")[1], 0)
        # A new object, and one that was written again.
        self.stage(raw_c=b"c", raw_a=b"A")
        self.wait_for_the_next_second()
        last, copied = self.backup("3")
        self.assertEqual(copied, 2)
        before = self.content(STAGING)
        del before["uploads/a"]
        self.assertEqual(self.restored(last), before)
        self.assertEqual(self.restored(first).keys(), before.keys() - {"raw/c"})

    def test_an_interrupted_backup_continues_where_it_stopped(self) -> None:
        self.stage(raw_a=b"a", raw_b=b"b")
        self.wait_for_the_next_second()
        take = BucketPrefix.take

        def interrupted(storage: BucketPrefix, s3: Any, bucket: str, staged: Any) -> None:
            if staged.key == "raw/b":
                raise KeyboardInterrupt
            take(storage, s3, bucket, staged)

        with mock.patch.object(BucketPrefix, "take", interrupted), self.assertRaises(KeyboardInterrupt):
            self.backup("1")
        with self.assertRaisesRegex(CommandError, "no complete backup"):
            retention.find(BUCKET, "p/", None)
        self.assertEqual(self.backup("2")[1], 1)
        self.assertEqual(retention.find(BUCKET, "p/", None).backup_id, "2")
        with self.assertRaisesRegex(CommandError, "no complete backup '1'; it has 2"):
            retention.find(BUCKET, "p/", "1")

    def test_objects_that_disappear_meanwhile_are_left_out(self) -> None:
        self.stage(raw_a=b"a", raw_b=b"b")
        take = BucketPrefix.take

        def racing(storage: BucketPrefix, s3: Any, bucket: str, staged: Any) -> None:
            if staged.key == "raw/b":
                s3.delete_object(Bucket=bucket, Key=staged.key)
            take(storage, s3, bucket, staged)

        storage = BucketPrefix(BUCKET, "p/", "1")
        with mock.patch.object(BucketPrefix, "take", racing):
            counts, _ = StagingBucket().save(storage)
        self.assertEqual((counts.objects, counts.vanished), (1, 1))
        self.assertEqual([staged.key for staged in saved_objects(storage)], ["raw/a"])

    def test_old_backups_are_deleted_with_the_objects_that_only_they_had(self) -> None:
        self.stage(raw_a=b"a", raw_b=b"b", vectors_a=b"v")
        self.backup("1")
        self.s3.delete_object(Bucket=STAGING, Key="raw/b")
        self.backup("2")
        # Incomplete.
        BucketPrefix(BUCKET, "p/", "2b").write("database.dump", io.BytesIO(b"d"))
        self.stage(raw_c=b"c")
        last, _ = self.backup("3")
        BucketPrefix(BUCKET, "other/", "0").write(NAME, io.BytesIO(b"{}"))

        self.assertEqual(retention.keep_latest(last, 2), 2)
        self.assertEqual(retention.complete(last), ["2", "3"])
        self.assertEqual([key for key in self.content(BUCKET) if "/artifacts/" in key], [
            "p/artifacts/raw/a", "p/artifacts/raw/c", "p/artifacts/vectors/a"])
        self.assertEqual(retention.keep_latest(last, 2), 0)
        self.assertEqual(self.restored(last).keys(), {"raw/a", "raw/c", "vectors/a"})
        self.assertIn(f"other/backups/0/{NAME}", self.content(BUCKET))

    def test_a_bucket_elsewhere_and_a_folder_hold_the_same(self) -> None:
        self.stage(raw_a=b"a", chunks_b=b"b")
        before = self.content(STAGING)
        elsewhere = {"BACKUP_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"]}
        with mock.patch.dict(os.environ, elsewhere), mock.patch.object(
                backup_storage, "LARGEST_COPY_BYTES", -1):
            storages: list[Storage] = [BucketPrefix(BUCKET, "", "1"), Folder(self.folder / "backup")]
            for storage in storages:
                counts, _ = StagingBucket().save(storage)
                self.assertEqual(counts.copied, 2)
                self.assertEqual(self.restored(storage), before)

    def test_destinations_are_parsed(self) -> None:
        self.assertEqual(parse("s3://b-1/a/b/"), ("b-1", "a/b/"))
        self.assertEqual(parse("s3://bucket"), ("bucket", ""))
        self.assertIsNone(parse("/backups/today"))
        for wrong in ("s3://", "s3:///a", "s3://Upper/a"):
            with self.assertRaisesRegex(CommandError, "s3://bucket/prefix is required"):
                parse(wrong)


if __name__ == "__main__":
    unittest.main()
