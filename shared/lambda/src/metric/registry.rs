//! The list of all metrics.

/// Everything that is measured. `docs/operations.md` lists all of them, and `template.yaml` has alarms on some; tests
/// compare the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Documents that became searchable.
    DocumentsIndexed,
    /// Chunks whose points were written.
    ChunksIndexed,
    /// Tokens that the model embedded per second, of each group of texts.
    EmbedTokensPerSecond,
    /// Time of a search.
    SearchTime,
    /// The part of it that went into embedding the query.
    SearchEmbeddingTime,
    /// The part of it that Qdrant took.
    SearchQdrantTime,
    /// The part of it that PostgreSQL took.
    SearchDatabaseTime,
    /// Steps of a run of sweep that failed, 0 if none did. Its number of values is the number of runs.
    SweepFailedSteps,
    /// How long the oldest document on the work list of a running operation has been there.
    OldestOpenItem,
    /// Discrepancies that checks of collections found, 0 if none did.
    IntegrityMismatches,
    /// Documents that failed.
    DocumentsFailed,
    /// Messages that used up their deliveries.
    DeadLetters,
    /// Deliveries to webhooks that were given up, because no attempt succeeded within a day or the receiver is gone.
    DeliveriesFailed,
    /// Requests, messages and steps that failed because something they depend on was unavailable.
    DependencyErrors,
}

impl Metric {
    /// All metrics.
    pub const ALL: [Self; 14] = [
        Self::DocumentsIndexed,
        Self::ChunksIndexed,
        Self::EmbedTokensPerSecond,
        Self::SearchTime,
        Self::SearchEmbeddingTime,
        Self::SearchQdrantTime,
        Self::SearchDatabaseTime,
        Self::SweepFailedSteps,
        Self::OldestOpenItem,
        Self::IntegrityMismatches,
        Self::DocumentsFailed,
        Self::DeadLetters,
        Self::DeliveriesFailed,
        Self::DependencyErrors,
    ];

    /// Returns the name in CloudWatch.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DocumentsIndexed => "DocumentsIndexed",
            Self::ChunksIndexed => "ChunksIndexed",
            Self::EmbedTokensPerSecond => "EmbedTokensPerSecond",
            Self::SearchTime => "SearchTime",
            Self::SearchEmbeddingTime => "SearchEmbeddingTime",
            Self::SearchQdrantTime => "SearchQdrantTime",
            Self::SearchDatabaseTime => "SearchDatabaseTime",
            Self::SweepFailedSteps => "SweepFailedSteps",
            Self::OldestOpenItem => "OldestOpenItem",
            Self::IntegrityMismatches => "IntegrityMismatches",
            Self::DocumentsFailed => "DocumentsFailed",
            Self::DeadLetters => "DeadLetters",
            Self::DeliveriesFailed => "DeliveriesFailed",
            Self::DependencyErrors => "DependencyErrors",
        }
    }

    /// Returns the unit, as CloudWatch names it.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::EmbedTokensPerSecond => "Count/Second",
            Self::SearchTime
            | Self::SearchEmbeddingTime
            | Self::SearchQdrantTime
            | Self::SearchDatabaseTime => "Milliseconds",
            Self::OldestOpenItem => "Seconds",
            _ => "Count",
        }
    }

    /// Returns the dimensions besides `Stack`. Each combination of their values is a metric that CloudWatch bills, so no
    /// dimension is an id.
    pub const fn dimensions(self) -> &'static [&'static str] {
        match self {
            Self::DocumentsFailed => &["Stage", "Category"],
            Self::DeadLetters => &["Stage"],
            Self::DependencyErrors => &["Dependency"],
            _ => &[],
        }
    }

    /// Returns whether there is a metric of all values of its dimensions, too: an alarm cannot add them up.
    pub(super) const fn has_total(self) -> bool {
        matches!(self, Self::DeadLetters)
    }
}
