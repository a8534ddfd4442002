//! One page of a list.

/// Some of a list's rows, and how many there are in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows of this page, in the list's order.
    pub items: Vec<T>,
    /// How many rows the whole list has.
    pub total: i64,
}
