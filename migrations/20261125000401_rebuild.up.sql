-- A collection's points, written again from what is staged.
ALTER TYPE operation_type ADD VALUE 'rebuild';
