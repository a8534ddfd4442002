//! HTTP: accounts, collections, sources, uploads, documents, operations.
