-- The settings are lost; text that OCR has read stays.
ALTER TABLE collections DROP COLUMN ocr;
