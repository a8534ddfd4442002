-- Both forms are the same text to a reader, and which names had another form is not known any more: nothing to undo.
SELECT 1;
