//! The strategies, what each is for, and what each can be told.

/// A strategy as it is offered to people.
#[derive(Debug)]
pub struct StrategyDefinition {
    /// The value of `chunking_strategy`.
    pub name: &'static str,
    /// Where it cuts.
    pub description: &'static str,
    /// Which documents it suits.
    pub best_for: &'static str,
    /// What `chunking_config` may hold; anything else is refused.
    pub parameters: &'static [ParameterDefinition],
}

/// One entry of `chunking_config`.
#[derive(Debug)]
pub struct ParameterDefinition {
    /// Its name.
    pub name: &'static str,
    /// What it decides.
    pub description: &'static str,
    /// Its type, bounds and default.
    pub value: ParameterValue,
}

/// What a parameter can be.
#[derive(Debug, Clone, Copy)]
pub enum ParameterValue {
    /// A whole number.
    Integer {
        /// The smallest one.
        least: Bound,
        /// The largest one.
        most: Bound,
        /// The one that counts where none is given.
        default: Bound,
    },
    /// A number from 0 to 1.
    Fraction {
        /// The one that counts where none is given.
        default: f64,
    },
    /// Yes or no.
    Boolean {
        /// The one that counts where none is given.
        default: bool,
    },
}

/// A number, given or derived from the chunk size.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// This one.
    Is(u32),
    /// So many chunk sizes.
    Times(u32),
    /// A part of the chunk size, rounded down.
    Part(u32),
}

impl Bound {
    /// The number for a chunk size.
    pub const fn of(self, chunk_size: u32) -> u32 {
        match self {
            Self::Is(number) => number,
            Self::Times(times) => chunk_size.saturating_mul(times),
            Self::Part(part) => chunk_size / part,
        }
    }
}

pub(crate) const SPLIT_LEVEL: ParameterDefinition = ParameterDefinition {
    name: "split_level",
    description: "Headings down to this depth always begin a chunk, deeper ones only where that leaves no small chunks; 0 for none that always does.",
    value: ParameterValue::Integer { least: Bound::Is(0), most: Bound::Is(6), default: Bound::Is(6) },
};

pub(crate) const SPLIT_DECLARATIONS: ParameterDefinition = ParameterDefinition {
    name: "split_declarations",
    description: "Whether every unindented line after a blank one begins a chunk; else several short declarations share one.",
    value: ParameterValue::Boolean { default: false },
};

pub(crate) const PARENT_SIZE: ParameterDefinition = ParameterDefinition {
    name: "parent_size",
    description: "The most tokens of a parent, from one to sixteen times chunk_size; four times by default. Parents are not embedded, so the model's limit does not bind them.",
    value: ParameterValue::Integer {
        least: Bound::Times(1),
        most: Bound::Times(16),
        default: Bound::Times(4),
    },
};

pub(crate) const BREAKPOINT_PERCENTILE: ParameterDefinition = ParameterDefinition {
    name: "breakpoint_percentile",
    description: "A chunk ends between two sentences where the texts on both sides are further apart than at this many percent of the up to 128 places around.",
    value: ParameterValue::Integer { least: Bound::Is(50), most: Bound::Is(99), default: Bound::Is(80) },
};

pub(crate) const SIMILARITY_THRESHOLD: ParameterDefinition = ParameterDefinition {
    name: "similarity_threshold",
    description: "No chunk ends for its subject where the cosine similarity of both sides is above this.",
    value: ParameterValue::Fraction { default: 0.6 },
};

pub(crate) const WINDOW_SENTENCES: ParameterDefinition = ParameterDefinition {
    name: "window_sentences",
    description: "How many sentences on each side are compared.",
    value: ParameterValue::Integer { least: Bound::Is(1), most: Bound::Is(10), default: Bound::Is(3) },
};

pub(crate) const MIN_CHUNK_SIZE: ParameterDefinition = ParameterDefinition {
    name: "min_chunk_size",
    description: "A chunk does not end for its subject before it has so many tokens, at most half of chunk_size; an eighth by default.",
    value: ParameterValue::Integer { least: Bound::Is(0), most: Bound::Part(2), default: Bound::Part(8) },
};

/// All strategies, the default first.
pub static STRATEGIES: [StrategyDefinition; 7] = [
    StrategyDefinition {
        name: "recursive",
        description: "Between paragraphs, then sentences, then words, as full as fits; of Markdown and source code it knows the better places too.",
        best_for: "Anything; chunks are about equally long.",
        parameters: &[],
    },
    StrategyDefinition {
        name: "fixed",
        description: "Windows of chunk_size tokens that begin and end between words, whatever the text says.",
        best_for: "Logs, tables and texts without sentences; comparisons with other systems.",
        parameters: &[],
    },
    StrategyDefinition {
        name: "markdown",
        description: "Before headings, then as recursive within a section. Code fences stay whole where they fit, a heading stays with what it heads.",
        best_for: "Handbooks and notes whose sections answer questions of their own.",
        parameters: &[SPLIT_LEVEL],
    },
    StrategyDefinition {
        name: "code",
        description: "Before top-level declarations, then at blank lines, then at lines by their indentation.",
        best_for: "Source code and configuration, also under names that do not tell.",
        parameters: &[SPLIT_DECLARATIONS],
    },
    StrategyDefinition {
        name: "semantic",
        description: "Between sentences where the text changes its subject, which static vectors of the model's tokens tell; as recursive where a subject goes on for longer than a chunk.",
        best_for: "Long texts with few paragraphs: transcripts, articles, reports.",
        parameters: &[BREAKPOINT_PERCENTILE, SIMILARITY_THRESHOLD, WINDOW_SENTENCES, MIN_CHUNK_SIZE],
    },
    StrategyDefinition {
        name: "hierarchical",
        description: "Parents of parent_size tokens, cut as recursive, and chunks inside them. The chunks are embedded and found; a search can give the parent with a hit.",
        best_for: "Exact hits with enough around them for a reader or a language model.",
        parameters: &[PARENT_SIZE],
    },
    StrategyDefinition {
        name: "hybrid",
        description: "By the document's format: Markdown as markdown, source code as code, the rest as recursive.",
        best_for: "Collections of mixed documents.",
        parameters: &[SPLIT_LEVEL, SPLIT_DECLARATIONS],
    },
];

impl StrategyDefinition {
    /// The strategy of this name, or of the name that other clients have for it.
    pub fn find(name: &str) -> Option<&'static Self> {
        let name = match name {
            "fixed_size" | "character" => "fixed",
            "document_structure" => "markdown",
            name => name,
        };
        STRATEGIES.iter().find(|strategy| strategy.name == name)
    }

    /// Whether static vectors of the model's tokens are needed.
    pub fn needs_vectors(&self) -> bool {
        self.name == "semantic"
    }

    /// All names, for messages.
    pub fn names() -> String {
        let names: Vec<&str> = STRATEGIES.iter().map(|strategy| strategy.name).collect();
        names.join(" or ")
    }
}
