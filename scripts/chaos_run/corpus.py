"""Generates files to index, some of them invalid, and their changes, from a number."""

from __future__ import annotations

import hashlib
import html
import os
import random
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from semantik import repository
from semantik.client import File

# The upload limit of the functions of this stack.
MAX_UPLOAD_BYTES = 200_000
# Prefix of the names of files that are put directly into the bucket.
DROPPED = "dropped by hand/"
# Small, so that a file of 40 kB has more chunks than fit into one batch.
CHUNK_SIZE = 64
# Different, so that reindexing changes the chunks of most documents.
REINDEXED_CHUNK_SIZE = 96
LARGE_BYTES = 40_000
# Smaller corpora have no large file, whose chunks would take longer than all the rest.
MIN_FILES_WITH_LARGE = 60
# Files have different times, because equal ones would hide a change.
FIRST_MTIME_NS = 1_700_000_000_000_000_000
MIN_PARAGRAPH = 160

ODD_NAMES = (
    "with space and & ampersand.txt", "question?mark#and%25percent.md", "plus+plus=equals.txt", "emoji 🦀 crab.md",
    "éclair-ÜNÏCÖDÉ.txt", "名前.md", "quote'and\"double.txt", "semi;colon,comma.txt", "trailing dot..txt",
    "UPPER.TXT", "no-extension", "back\\slash.txt", "tab\tand\nnewline.txt", f"{'long-' * 45}name.txt",
)


@dataclass
class Files:
    """The files of a folder by relative path, with contents and modification times."""

    contents: dict[str, bytes] = field(default_factory=dict)
    mtimes_ns: dict[str, int] = field(default_factory=dict)
    clock: int = FIRST_MTIME_NS

    def put(self, name: str, content: bytes) -> None:
        self.clock += 1_000_000_000
        self.contents[name] = content
        self.mtimes_ns[name] = self.clock

    def touch(self, name: str) -> None:
        self.put(name, self.contents[name])

    def remove(self, name: str) -> None:
        del self.contents[name], self.mtimes_ns[name]

    def write(self, folder: Path) -> None:
        """Writes these files to a folder and deletes all others."""
        wanted = {folder / name for name in self.contents}
        for path in [path for path in folder.rglob("*") if path.is_file() and path not in wanted]:
            path.unlink()
        for name, content in self.contents.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            time_ns = self.mtimes_ns[name]
            if not path.exists() or path.stat().st_mtime_ns != time_ns:
                # Atomic: a reader of the old file keeps its contents.
                partial = folder.parent / "partial"
                partial.write_bytes(content)
                os.utime(partial, ns=(time_ns, time_ns))
                partial.replace(path)


@dataclass
class Corpus:
    """The files that are indexed first, and their changes."""

    number: int
    # The source that is kept, and the one that is removed.
    kept: Files
    removed: Files
    uploads: list[File]
    # Put directly into the bucket, without an announcement.
    dropped: list[File]
    # Later files of the source that is kept, and later uploads.
    changed: Files
    later_uploads: list[File]
    # Names of documents that are deleted by requests: in the source that is kept, and among the uploads.
    deleted: list[str]
    deleted_uploads: list[str]
    # One of the deleted documents, which is restored.
    restored: str
    queries: list[str]

    @property
    def documents(self) -> int:
        return len(self.kept.contents) + len(self.removed.contents) + len(self.uploads) + len(self.dropped)

    @property
    def all_uploads(self) -> list[File]:
        """All files that are put into the bucket, the newest of each name last."""
        return [*self.uploads, *self.dropped, *self.later_uploads]

    def digest(self) -> str:
        """Returns a digest of all contents, names, times and queries."""
        digest = hashlib.sha256()
        for files in (self.kept, self.removed, self.changed):
            for name in sorted(files.contents):
                digest.update(f"{name}\0{files.mtimes_ns[name]}\0".encode())
                digest.update(hashlib.sha256(files.contents[name]).digest())
        for upload in self.all_uploads:
            digest.update(f"{upload.name}\0{upload.sha256}\0".encode())
        digest.update("\0".join([*self.deleted, *self.deleted_uploads, self.restored, *self.queries]).encode())
        return digest.hexdigest()


def make(number: int, documents: int, root: Path) -> Corpus:
    """Creates a corpus of `documents` files from paragraphs of the files of this repository."""
    maker = _Maker(random.Random(f"corpus {number}"), _paragraphs(root))
    uploads_count = max(documents * 15 // 100, 4)
    removed_count = max(documents * 10 // 100, 4)
    kept = maker.folder(documents - uploads_count - removed_count - 3, is_odd=True)
    removed = maker.folder(removed_count, is_odd=False)
    # The same bytes in the other source: when one is removed, the other stays.
    shared = next(iter(maker.plain(kept)))
    removed.put("copy-of-another-source.txt", kept.contents[shared])
    uploads = maker.uploads(uploads_count)
    dropped = [File(f"{DROPPED}{number}.txt", maker.text(1).encode()) for number in range(3)]
    changed = maker.change(kept)
    later = [File(uploads[0].name, maker.text(3).encode()), *maker.uploads(2, prefix="later")]
    untouched = [name for name in maker.plain(kept) if changed.contents.get(name) == kept.contents[name]]
    deleted = maker.random.sample(untouched, min(4, len(untouched)))
    deleted_uploads = [upload.name for upload in uploads[1:3]]
    queries = [maker.random.choice(maker.paragraphs)[:120] for _ in range(12)]
    return Corpus(
        number, kept, removed, uploads, dropped, changed, later, deleted, deleted_uploads, deleted[0], queries)


class _Maker:
    def __init__(self, chooser: random.Random, paragraphs: list[str]):
        self.random = chooser
        self.paragraphs = paragraphs
        self.count = 0

    def text(self, paragraphs: int) -> str:
        """Returns some paragraphs below a unique first line."""
        self.count += 1
        chosen = self.random.sample(self.paragraphs, paragraphs)
        return f"Note {self.count}, {self.random.randrange(10**6)}\n\n" + "\n\n".join(chosen) + "\n"

    def folder(self, count: int, is_odd: bool) -> Files:
        files = Files()
        if is_odd:
            for name, content in self._invalid():
                files.put(name, content)
            for name in ODD_NAMES[: max(2, count // 12)]:
                files.put(f"odd/{name}", self.text(1).encode())
        if is_odd and count >= MIN_FILES_WITH_LARGE:
            large = "\n\n".join(self.text(8) for _ in range(200)).encode()
            files.put("large.txt", large[:LARGE_BYTES].decode(errors="ignore").encode())
        for number in range(max(1, count // 20)):
            content = self.text(2).encode()
            files.put(f"duplicates/one-{number:03}.txt", content)
            files.put(f"duplicates/two-{number:03}.txt", content)
        number = 0
        while len(files.contents) < count:
            suffix = self.random.choice((".txt", ".txt", ".md", ".rst", ".html"))
            text = self.text(self.random.choice((1, 1, 1, 1, 2)))
            if suffix == ".html":
                text = f"<html><body><h1>{number}</h1><p>{html.escape(text, quote=False)}</p></body></html>"
            files.put(f"plain/{number % 7}/{number:04}{suffix}", text.encode())
            number += 1
        return files

    def uploads(self, count: int, prefix: str = "up") -> list[File]:
        made = [File(f"{prefix}/{number:03}.txt", self.text(1).encode()) for number in range(count)]
        if prefix == "up":
            made[-1] = File(f"{prefix}/empty.txt", b"")
        return made

    def change(self, before: Files) -> Files:
        """Edits a tenth of the files; removes, adds and touches a twentieth each."""
        after = Files(dict(before.contents), dict(before.mtimes_ns), before.clock)
        plain = self.plain(before)
        self.random.shuffle(plain)
        tenth, twentieth = max(2, len(plain) // 10), max(1, len(plain) // 20)
        for name in plain[:tenth]:
            after.put(name, after.contents[name] + b"\n\n" + self.text(1).encode())
        for name in plain[tenth : tenth + twentieth]:
            after.remove(name)
        for name in plain[tenth + twentieth : tenth + 2 * twentieth]:
            after.touch(name)
        for number in range(twentieth):
            after.put(f"new/{number:03}.txt", self.text(2).encode())
        # Changes one of two duplicates and removes another one: the remaining files must still be found.
        duplicates = sorted(name for name in before.contents if name.startswith("duplicates/one-"))
        after.put(duplicates[0], self.text(1).encode())
        if len(duplicates) > 1:
            after.remove(duplicates[1])
        # An invalid file becomes valid, and a valid one invalid.
        after.put("invalid/empty.txt", self.text(1).encode())
        after.put(plain[-1], b"")
        return after

    @staticmethod
    def plain(files: Files) -> list[str]:
        return sorted(name for name in files.contents if name.startswith("plain/") and name.endswith((".txt", ".md")))

    def _invalid(self) -> Iterable[tuple[str, bytes]]:
        text = self.text(2)
        yield "invalid/empty.txt", b""
        yield "invalid/blank.txt", b" \n\t\n   \n"
        yield "invalid/random.bin", self.random.randbytes(5000)
        yield "invalid/picture.png", b"\x89PNG\r\n\x1a\n" + self.random.randbytes(3000)
        yield "invalid/archive.zip", b"PK\x03\x04" + self.random.randbytes(2000)
        yield "invalid/latin-1.txt", "Füße größer als Bäume, naïve café".encode("latin-1") * 20
        yield "invalid/utf-16.txt", text.encode("utf-16")
        yield "invalid/cut-utf-8.txt", text.encode() + "€".encode()[:2]
        yield "invalid/nuls.txt", text[:200].encode() + b"\0\0\0" + text[200:400].encode()
        yield "invalid/not-a.pdf", b"%PDF-1.7\n" + text.encode()


def _paragraphs(root: Path) -> list[str]:
    """Returns the distinct paragraphs of the files of this repository, sorted."""
    found: set[str] = set()
    for file in repository.files(root):
        for paragraph in file.content.decode(errors="ignore").split("\n\n"):
            paragraph = paragraph.strip()
            if MIN_PARAGRAPH <= len(paragraph) <= 1200:
                found.add(paragraph)
    return sorted(found)


def clear(folder: Path) -> None:
    """Replaces a folder by an empty one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
