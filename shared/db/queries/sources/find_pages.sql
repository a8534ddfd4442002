-- $1 source, $2 operation, $3 URLs, $4 their depths, $5 the most pages of a crawl. Returns how many new ones were left out.
WITH o AS (
    SELECT id FROM operations WHERE uuid = $2
),
wanted AS (
    SELECT found.url, min(found.depth) AS depth, min(found.position) AS position
    FROM o CROSS JOIN unnest($3::text[], $4::int[]) WITH ORDINALITY AS found (url, depth, position)
    WHERE NOT EXISTS (
        SELECT FROM source_pages p WHERE p.source_id = $1 AND p.url = found.url AND p.found_by = o.id
    )
    GROUP BY found.url
),
room AS (
    SELECT greatest(0, $5 - count(*)) AS pages
    FROM o JOIN source_pages p ON p.source_id = $1 AND p.found_by = o.id
),
added AS (
    INSERT INTO source_pages (source_id, url, depth, found_by)
    SELECT $1, wanted.url, wanted.depth, o.id
    FROM o CROSS JOIN wanted
    ORDER BY wanted.position
    LIMIT (SELECT pages FROM room)
    ON CONFLICT (source_id, url) DO UPDATE SET depth = EXCLUDED.depth, found_by = EXCLUDED.found_by
    RETURNING 1
)
SELECT (SELECT count(*) FROM wanted) - (SELECT count(*) FROM added) AS "left_out!"
