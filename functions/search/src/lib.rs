//! HTTP: embeds the query, asks Qdrant, enriches from PostgreSQL.
