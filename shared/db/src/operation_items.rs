//! Work lists: one item for each document that an operation touches.

use sqlx::PgConnection;

/// Reads and changes items.
#[derive(Debug)]
pub struct OperationItems<'c> {
    pub(crate) connection: &'c mut PgConnection,
}

impl<'c> OperationItems<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }
}
