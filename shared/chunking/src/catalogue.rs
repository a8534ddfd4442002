//! The catalogue of chunking strategies and their parameters.

/// A strategy, as users see it.
#[derive(Debug)]
pub struct StrategyDefinition {
    /// The value of `chunking_strategy`.
    pub name: &'static str,
    /// Where it splits.
    pub description: &'static str,
    /// Which documents it suits.
    pub best_for: &'static str,
    /// The entries of `chunking_config`; others are refused.
    pub parameters: &'static [ParameterDefinition],
}

/// One entry of `chunking_config`.
#[derive(Debug)]
pub struct ParameterDefinition {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
    /// Its type, bounds and default.
    pub value: ParameterValue,
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy)]
pub enum ParameterValue {
    /// An integer.
    Integer {
        /// The minimum.
        min: Bound,
        /// The maximum.
        max: Bound,
        /// The value if it is left out.
        default: Bound,
    },
    /// A number from 0 to 1.
    Fraction {
        /// The value if it is left out.
        default: f64,
    },
    /// A boolean.
    Boolean {
        /// The value if it is left out.
        default: bool,
    },
}

/// A number, constant or derived from the chunk size.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// This number.
    Fixed(u32),
    /// A multiple of the chunk size.
    ChunkSizeTimes(u32),
    /// A fraction of the chunk size, rounded down.
    ChunkSizeDividedBy(u32),
}

impl Bound {
    /// Returns the number for a chunk size.
    pub const fn resolve(self, chunk_size: u32) -> u32 {
        match self {
            Self::Fixed(number) => number,
            Self::ChunkSizeTimes(times) => chunk_size.saturating_mul(times),
            Self::ChunkSizeDividedBy(part) => chunk_size / part,
        }
    }
}

pub(crate) const SPLIT_LEVEL: ParameterDefinition = ParameterDefinition {
    name: "split_level",
    description: "Headings of this level and above always begin a chunk, lower ones only where that leaves no small chunk; 0 for none.",
    value: ParameterValue::Integer { min: Bound::Fixed(0), max: Bound::Fixed(6), default: Bound::Fixed(6) },
};

pub(crate) const SPLIT_DECLARATIONS: ParameterDefinition = ParameterDefinition {
    name: "split_declarations",
    description: "Whether every unindented line after a blank line begins a chunk; otherwise short declarations share a chunk.",
    value: ParameterValue::Boolean { default: false },
};

pub(crate) const PARENT_SIZE: ParameterDefinition = ParameterDefinition {
    name: "parent_size",
    description: "The maximum tokens of a parent, 1 to 16 times chunk_size; 4 times by default. Parents are not embedded, so the model's token limit does not apply.",
    value: ParameterValue::Integer {
        min: Bound::ChunkSizeTimes(1),
        max: Bound::ChunkSizeTimes(16),
        default: Bound::ChunkSizeTimes(4),
    },
};

pub(crate) const BREAKPOINT_PERCENTILE: ParameterDefinition = ParameterDefinition {
    name: "breakpoint_percentile",
    description: "A chunk ends between two sentences if the distance of the texts on both sides is above this percentile of the up to 128 surrounding distances.",
    value: ParameterValue::Integer {
        min: Bound::Fixed(50),
        max: Bound::Fixed(99),
        default: Bound::Fixed(80),
    },
};

pub(crate) const SIMILARITY_THRESHOLD: ParameterDefinition = ParameterDefinition {
    name: "similarity_threshold",
    description: "A chunk never ends for a change of topic where the cosine similarity of both sides is above this.",
    value: ParameterValue::Fraction { default: 0.6 },
};

pub(crate) const WINDOW_SENTENCES: ParameterDefinition = ParameterDefinition {
    name: "window_sentences",
    description: "Sentences on each side that are compared.",
    value: ParameterValue::Integer { min: Bound::Fixed(1), max: Bound::Fixed(10), default: Bound::Fixed(3) },
};

pub(crate) const MIN_CHUNK_SIZE: ParameterDefinition = ParameterDefinition {
    name: "min_chunk_size",
    description: "Minimum tokens of a chunk that ends for a change of topic, at most half of chunk_size; an eighth by default.",
    value: ParameterValue::Integer {
        min: Bound::Fixed(0),
        max: Bound::ChunkSizeDividedBy(2),
        default: Bound::ChunkSizeDividedBy(8),
    },
};

/// Every strategy.
pub static STRATEGIES: [StrategyDefinition; 7] = [
    StrategyDefinition {
        name: "recursive",
        description: "Splits between paragraphs, then sentences, then words, and fills chunks as far as possible; in Markdown and source code also at headings and declarations.",
        best_for: "Any text; chunks have similar lengths.",
        parameters: &[],
    },
    StrategyDefinition {
        name: "fixed",
        description: "Windows of chunk_size tokens that begin and end between words, regardless of structure.",
        best_for: "Logs, tables and text without sentences; comparisons with other systems.",
        parameters: &[],
    },
    StrategyDefinition {
        name: "markdown",
        description: "Splits before headings, then as `recursive` within a section. Code fences that fit stay whole, and headings stay with their section.",
        best_for: "Handbooks and notes whose sections stand on their own.",
        parameters: &[SPLIT_LEVEL],
    },
    StrategyDefinition {
        name: "code",
        description: "Splits before top-level declarations, then at blank lines, then at the least indented lines.",
        best_for: "Source code and configuration, also with unknown file extensions.",
        parameters: &[SPLIT_DECLARATIONS],
    },
    StrategyDefinition {
        name: "semantic",
        description: "Splits between sentences where the topic changes, detected by static token embeddings; as `recursive` within topics longer than a chunk.",
        best_for: "Long text with few paragraphs: transcripts, articles, reports.",
        parameters: &[BREAKPOINT_PERCENTILE, SIMILARITY_THRESHOLD, WINDOW_SENTENCES, MIN_CHUNK_SIZE],
    },
    StrategyDefinition {
        name: "hierarchical",
        description: "Splits into parents of parent_size tokens as `recursive` does, and each parent into chunks. Chunks are embedded and found; a search can return the parent with a hit.",
        best_for: "Precise hits with enough context for a reader or a language model.",
        parameters: &[PARENT_SIZE],
    },
    StrategyDefinition {
        name: "hybrid",
        description: "Chooses by the document's format: `markdown` for Markdown, `code` for source code, `recursive` for the rest.",
        best_for: "Collections of mixed documents.",
        parameters: &[SPLIT_LEVEL, SPLIT_DECLARATIONS],
    },
];

impl StrategyDefinition {
    /// Finds a strategy by its name, or by the name that Semantik's own clients use.
    pub fn find(name: &str) -> Option<&'static Self> {
        let name = match name {
            "fixed_size" | "character" => "fixed",
            "document_structure" => "markdown",
            name => name,
        };
        STRATEGIES.iter().find(|strategy| strategy.name == name)
    }

    /// Whether it needs static vectors of the model's tokens.
    pub fn needs_vectors(&self) -> bool {
        self.name == "semantic"
    }

    /// All names, for messages.
    pub fn names() -> String {
        let names: Vec<&str> = STRATEGIES.iter().map(|strategy| strategy.name).collect();
        names.join(" or ")
    }
}
