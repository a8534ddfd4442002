-- $1 items that ended early, $2 failed, skipped or cancelled, $3 reason or NULL, $4 category or NULL.
--
-- Duplicates of a version that is never indexed end the same way. Must be a statement of its own: a
-- concurrent transaction that records a duplicate locks the original, so all duplicates are visible once the
-- original was updated.
UPDATE documents d
SET status = $2::text::document_status,
    error_message = $3,
    error_category = $4::text::error_category,
    duplicate_of = NULL,
    content_hash = CASE WHEN $2::text = 'skipped' THEN d.content_hash END,
    updated_at = now()
FROM operation_items i
WHERE i.id = ANY ($1)
    AND d.duplicate_of = i.document_id
    AND d.content_hash = i.content_hash
    AND d.status = 'completed'
