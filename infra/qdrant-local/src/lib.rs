//! Qdrant's own engine behind Qdrant's own gRPC interface, on one machine.
