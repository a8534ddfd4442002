-- Which items have left points is lost.
DROP INDEX idx_operation_items_orphaned_points;
ALTER TABLE operation_items DROP COLUMN points_deleted_at;
