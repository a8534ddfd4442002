//! Qdrant: collections, points, queries. The only user of qdrant-client.
