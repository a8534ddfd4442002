-- Items that end may leave points that nothing refers to: those of a version that was never indexed, and those of the
-- version that was replaced. Set once they are deleted; until then sweep has them deleted again.
--
-- Items that have ended before count as done.
ALTER TABLE operation_items ADD COLUMN points_deleted_at TIMESTAMPTZ DEFAULT now();
ALTER TABLE operation_items ALTER COLUMN points_deleted_at DROP DEFAULT;
UPDATE operation_items SET points_deleted_at = NULL WHERE state IN ('listed', 'staged', 'chunked');
CREATE INDEX idx_operation_items_orphaned_points ON operation_items (id)
    WHERE points_deleted_at IS NULL AND NOT is_reindex AND NOT is_removal AND generation IS NOT NULL
        AND CASE
            WHEN state IN ('failed', 'cancelled') THEN batch_count IS NOT NULL
            ELSE state IN ('completed', 'skipped', 'duplicate') AND generation > 1
        END;
