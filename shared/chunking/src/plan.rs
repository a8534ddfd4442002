//! What a strategy does with a document of a layout.

use domain::Layout;

use crate::strategy::{SemanticConfig, Strategy};

/// What the parts of a chunker do for one document.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Plan {
    pub(crate) layout: Layout,
    /// All boundaries between words are equally good.
    pub(crate) is_flat: bool,
    /// Headings of this level and above begin a chunk; 0 for none.
    pub(crate) split_level: u8,
    /// Unindented lines after blank ones begin a chunk.
    pub(crate) splits_declarations: bool,
    pub(crate) parent_size: Option<u32>,
    pub(crate) semantic: Option<SemanticConfig>,
}

impl Plan {
    /// Plans a strategy for documents of this layout.
    pub(crate) fn of(strategy: Strategy, layout: Layout) -> Self {
        let plain = Self {
            layout,
            is_flat: false,
            split_level: 0,
            splits_declarations: false,
            parent_size: None,
            semantic: None,
        };
        match (strategy, layout) {
            (Strategy::Recursive, _) => plain,
            (Strategy::Fixed, _) => Self { layout: Layout::Prose, is_flat: true, ..plain },
            (Strategy::Semantic(config), _) => Self { semantic: Some(config), ..plain },
            (Strategy::Hierarchical { parent_size }, _) => Self { parent_size: Some(parent_size), ..plain },
            // No strategy but `fixed` splits records.
            (_, Layout::Records | Layout::Table) => plain,
            (Strategy::Markdown { split_level }, _)
            | (Strategy::Hybrid { split_level, .. }, Layout::Markdown) => {
                Self { layout: Layout::Markdown, split_level, ..plain }
            }
            (Strategy::Code { splits_declarations }, _)
            | (Strategy::Hybrid { splits_declarations, .. }, Layout::Code) => {
                Self { layout: Layout::Code, splits_declarations, ..plain }
            }
            (Strategy::Hybrid { .. }, Layout::Prose) => plain,
        }
    }
}
