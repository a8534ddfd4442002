-- Makes points, staged objects and counters agree with the documents again.
ALTER TYPE operation_type ADD VALUE 'repair';
