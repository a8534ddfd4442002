"""The local stack: PostgreSQL, Qdrant's engine and the AWS emulator as ordinary processes."""
