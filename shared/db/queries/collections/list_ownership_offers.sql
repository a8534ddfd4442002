-- $1 offer or NULL, $2 collection or NULL, $3 recipient or NULL, $4 now, $5 limit, $6 offset.
--
-- Open offers: of an existing collection whose owner made it and has not changed since.
SELECT
    offer.id,
    offer.collection_id,
    c.name AS collection_name,
    offer.from_user_id,
    giver.username AS from_username,
    offer.to_user_id,
    recipient.username AS to_username,
    offer.created_at,
    offer.expires_at,
    count(*) OVER () AS "total!"
FROM ownership_offers offer
JOIN collections c ON c.id = offer.collection_id AND c.owner_id = offer.from_user_id AND c.deleted_at IS NULL
JOIN users giver ON giver.id = offer.from_user_id
JOIN users recipient ON recipient.id = offer.to_user_id
WHERE offer.expires_at > $4
    AND ($1::uuid IS NULL OR offer.id = $1)
    AND ($2::uuid IS NULL OR offer.collection_id = $2)
    AND ($3::bigint IS NULL OR offer.to_user_id = $3)
ORDER BY offer.created_at, offer.id
LIMIT $5 OFFSET $6
