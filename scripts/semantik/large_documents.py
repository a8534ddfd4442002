"""Documents of a given size, written without holding them in memory."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

MEGABYTE = 1_000_000
PARAGRAPH = (
    "The Moon pulls the sea towards it, and twice a day the water comes up the beach. Where the coast is "
    "narrow the tide is high, and where it is wide the tide is low."
)
# Bytes of a picture, of which large documents mostly consist.
PICTURE_BYTES = 100_000
PICTURE_SIDES = (400, 250)
# Bytes of a file in an archive.
MEMBER_BYTES = MEGABYTE
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def csv(path: Path, size: int) -> None:
    """Writes rows of a number, a date and a sentence."""
    with path.open("w") as file:
        file.write("Number,Date,Observation\n")
        for row in _rows(size, 20):
            file.write(f"{row},2024-01-31,\"{PARAGRAPH}\"\n")


def xlsx(path: Path, size: int) -> None:
    """Writes a workbook whose cells take half of the size, and its pictures the rest."""
    parts = {
        "_rels/.rels": _relationships("officeDocument", "xl/workbook.xml"),
        "xl/workbook.xml": f'<workbook xmlns:r="{OFFICE}"><sheets><sheet name="Tides" sheetId="1" r:id="r1"/></sheets>'
                           "</workbook>",
        "xl/_rels/workbook.xml.rels": _relationships("worksheet", "sheet.xml"),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        for name, content in parts.items():
            archive.writestr(name, content)
        with archive.open("xl/sheet.xml", "w", force_zip64=True) as sheet:
            sheet.write(b"<worksheet><sheetData>")
            for row in _rows(size // 2, 74):
                text = f'<row><c><v>{row}</v></c><c t="inlineStr"><is><t>{PARAGRAPH}</t></is></c></row>'
                sheet.write(text.encode())
            sheet.write(b"</sheetData></worksheet>")
        for number, picture in enumerate(_pictures(size // 2)):
            archive.writestr(f"xl/media/{number}.bin", picture)


def zip_archive(path: Path, size: int) -> None:
    """Writes an archive of text files."""
    text = (PARAGRAPH + "\n\n") * (MEMBER_BYTES // len(PARAGRAPH))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number in range(max(1, size // MEMBER_BYTES)):
            archive.writestr(f"{number}.txt", f"Note {number}\n\n{text}")


def pdf(path: Path, size: int) -> None:
    """Writes pages with a line of text and a picture each."""
    offsets: list[int] = []
    with path.open("wb") as file:
        def add(content: bytes) -> None:
            offsets.append(file.tell())
            file.write(b"%d 0 obj\n%s\nendobj\n" % (len(offsets), content))

        file.write(b"%PDF-1.7\n")
        pages = max(1, size // PICTURE_BYTES)
        # Three objects a page, after these three.
        kids = b" ".join(b"%d 0 R" % (4 + 3 * page) for page in range(pages))
        add(b"<< /Type /Catalog /Pages 2 0 R >>")
        add(b"<< /Type /Pages /Count %d /Kids [%s] >>" % (pages, kids))
        add(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
        for page, picture in enumerate(_pictures(pages * PICTURE_BYTES)):
            number = 4 + 3 * page
            add(b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 900 800] /Contents %d 0 R /Resources "
                b"<< /Font << /F 3 0 R >> /XObject << /I %d 0 R >> >> >>" % (number + 1, number + 2))
            text = f"BT /F 12 Tf 50 700 Td (Page {page}. {PARAGRAPH}) Tj ET q 400 0 0 250 50 50 cm /I Do Q".encode()
            add(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text))
            width, height = PICTURE_SIDES
            add(b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray /BitsPerComponent 8 "
                b"/Length %d >>\nstream\n%s\nendstream" % (width, height, len(picture), picture))
        start = file.tell()
        file.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(offsets) + 1))
        file.writelines(b"%010d 00000 n \n" % offset for offset in offsets)
        file.write(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(offsets) + 1, start))


WRITERS: dict[str, Callable[[Path, int], None]] = {"pdf": pdf, "xlsx": xlsx, "csv": csv, "zip": zip_archive}


def _rows(size: int, beside: int) -> range:
    """The numbers of rows with so many bytes beside the sentence."""
    return range(max(1, size // (len(PARAGRAPH) + beside)))


def _pictures(size: int) -> Iterator[bytes]:
    """Yields pictures of noise; equal ones in every run."""
    noise = random.Random(1)
    for _ in range(size // PICTURE_BYTES):
        yield noise.randbytes(PICTURE_BYTES)


def _relationships(kind: str, target: str) -> str:
    return f'<Relationships><Relationship Id="r1" Type="{OFFICE}/{kind}" Target="{target}"/></Relationships>'
