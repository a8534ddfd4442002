//! Schemas of fields whose type does not say what they may contain.

/// What results can be grouped by.
pub(crate) const GROUPS: [&str; 1] = ["document"];

access::word_schemas! {
    ResultGroup, "What results can be grouped by.": GROUPS;
}
