//! One page of a list.

/// One page of a list's rows, and the total number of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows of this page, in the list's order.
    pub items: Vec<T>,
    /// Number of rows of the whole list.
    pub total: i64,
}
