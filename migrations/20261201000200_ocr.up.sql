-- Whether OCR reads a collection's images and pages without text. The previous version does not name the column, so its
-- collections have it off.
ALTER TABLE collections ADD COLUMN ocr BOOLEAN NOT NULL DEFAULT FALSE;
