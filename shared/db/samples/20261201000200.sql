UPDATE collections SET ocr = TRUE;
