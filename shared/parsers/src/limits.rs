//! Limits, each with its reason. What they leave out is a warning; what they refuse fails with the limit.

/// Text of one document. More than any book (the Bible has 4 MiB) or export that somebody searches; it bounds the
/// artifact, and what is embedded and paid for.
pub(crate) const MAX_TEXT_BYTES: u64 = 256 << 20;

/// Pages, slides, sheets or chapters. The longest honest PDF of the corpus has 38,640 pages.
pub(crate) const MAX_PAGES: u32 = 100_000;

/// Rows of one document. A sheet has at most 1,048,576.
pub(crate) const MAX_ROWS: u64 = 4_000_000;

/// Cells of one row. Sheets have up to 16,384 columns; a chunk holds far less, and two cells at both ends of a row
/// must not create all the cells between them.
pub(crate) const MAX_CELLS: usize = 1_024;

/// Text of one cell: the limit of Excel, in characters that are mostly one byte.
pub(crate) const MAX_CELL_BYTES: usize = 32 << 10;

/// Text of one row. Must fit into a record with the lengths of [`MAX_CELLS`] cells.
pub(crate) const MAX_ROW_BYTES: usize = 256 << 10;

/// A heading, a label or a title, as in the extraction of HTML.
pub(crate) const MAX_HEADING_BYTES: usize = 1 << 10;

/// Files inside one document. Each becomes a document with its own row and its own work.
pub const MAX_ATTACHMENTS: u32 = 10_000;

/// Bytes of all files inside one document, unpacked: they are staged one by one, and none is held in memory.
pub const MAX_ATTACHMENT_BYTES: u64 = 2 << 30;

/// Archives in archives. A mail with an archive of archives has 3.
pub const MAX_DEPTH: usize = 4;

/// Text of a paragraph that is held in memory until its end. Longer ones, which nobody writes, go out in pieces.
pub(crate) const MAX_PARAGRAPH_BYTES: usize = 64 << 10;

/// Bytes that one compressed byte may expand to, past [`RATIO_FREE_BYTES`]. Honest XML and logs stay below 100,
/// deflate cannot exceed 1,032.
pub(crate) const MAX_RATIO: u64 = 200;

/// Bytes that may expand at any ratio: small files of a few repeated bytes are honest.
pub(crate) const RATIO_FREE_BYTES: u64 = 8 << 20;

/// One part of an Office document, unpacked. The parts are streamed, so this bounds time rather than memory.
pub(crate) const MAX_PART_BYTES: u64 = 4 << 30;

/// Members in the directory of a ZIP archive, which is held in memory: about 200 bytes each.
pub(crate) const MAX_DIRECTORY: usize = 200_000;

/// One text, tag or comment of XML, which is held in memory. Word writes one per run of equally formatted text.
pub(crate) const MAX_XML_EVENT_BYTES: usize = 4 << 20;

/// Nested XML elements. Names of open elements are held in memory.
pub(crate) const MAX_XML_DEPTH: usize = 1_000;

/// Parts that are read into memory as a whole: relationships, styles, the spine of a book.
pub(crate) const MAX_SMALL_PART_BYTES: u64 = 32 << 20;

/// Strings that the cells of a workbook share, unpacked: the reader of workbooks holds them in memory, at up to twice
/// their size.
pub(crate) const MAX_SHARED_STRINGS_BYTES: u64 = 128 << 20;

/// The number of these strings that a workbook may declare: the reader reserves 24 bytes for each, before it has read
/// one. A sheet has a million rows.
pub(crate) const MAX_SHARED_STRINGS: u64 = 8_000_000;

/// One mail, which is held in memory at up to twice its size. Mail servers accept 25 to 150 MB.
pub(crate) const MAX_MAIL_BYTES: u64 = 160 << 20;

/// Mails in a mail, one after or in the other. The parser of mails recurses into those in one another.
pub(crate) const MAX_MAILS_IN_MAIL: usize = 1_000;

/// A workbook or presentation of before 2007, which is held in memory.
pub(crate) const MAX_COMPOUND_FILE_BYTES: u64 = 128 << 20;

/// Characters of one PDF page. The densest honest page of the corpus has 30,000.
pub(crate) const MAX_PAGE_CHARACTERS: usize = 2_000_000;

/// Annotations of one PDF page, among which are the fields of a form.
pub(crate) const MAX_ANNOTATIONS: usize = 10_000;

/// Entries of a PDF's outline. The entries may form a cycle.
pub(crate) const MAX_OUTLINE_ENTRIES: usize = 20_000;

/// Pages of one document that OCR reads, which takes 2 to 6 seconds of a processor for each: with the time that a
/// function may run, more would fail.
pub(crate) const MAX_OCR_PAGES: u32 = 100;

/// Pixels of one image: an A2 page with 400 dots per inch, in 320 MB.
pub(crate) const MAX_IMAGE_PIXELS: u64 = 80_000_000;

/// Memory for an image while it is decoded, with 16 bits for each of four channels.
pub(crate) const MAX_IMAGE_BYTES: u64 = 8 * MAX_IMAGE_PIXELS;

/// Pixels of one side of an image: what JPEG allows.
pub(crate) const MAX_IMAGE_SIDE: u32 = 65_535;
