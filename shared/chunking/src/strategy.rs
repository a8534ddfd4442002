//! A chunking strategy with validated parameters.

use domain::ChunkSettings;
use serde_json::{Map, Value};

use crate::catalogue::{
    BREAKPOINT_PERCENTILE, MIN_CHUNK_SIZE, PARENT_SIZE, ParameterDefinition, ParameterValue,
    SIMILARITY_THRESHOLD, SPLIT_DECLARATIONS, SPLIT_LEVEL, StrategyDefinition, WINDOW_SENTENCES,
};

/// Where documents are split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Strategy {
    /// Between paragraphs, then sentences, then words; in Markdown and code also by their structure.
    Recursive,
    /// Windows of tokens.
    Fixed,
    /// At headings, then as [`Strategy::Recursive`] outside code fences.
    Markdown {
        /// Headings of this level and above always begin a chunk.
        split_level: u8,
    },
    /// At blank lines before unindented ones, then at lines by indentation, then between words.
    Code {
        /// Whether unindented lines after blank ones always begin a chunk.
        splits_declarations: bool,
    },
    /// Where the topic changes.
    Semantic(SemanticConfig),
    /// Chunks within larger parents.
    Hierarchical {
        /// The maximum tokens of a parent.
        parent_size: u32,
    },
    /// By the document's layout.
    Hybrid {
        /// As in [`Strategy::Markdown`].
        split_level: u8,
        /// As in [`Strategy::Code`].
        splits_declarations: bool,
    },
}

/// When a topic changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SemanticConfig {
    /// The percentile of the surrounding distances that a distance must reach.
    pub breakpoint_percentile: u32,
    /// The cosine similarity of both sides must not be above this.
    pub similarity_threshold: f64,
    /// Sentences on each side that are compared.
    pub window_sentences: u32,
    /// Minimum tokens of a chunk that ends for a change of topic.
    pub min_chunk_size: u32,
}

/// One invalid field of a strategy's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// `chunking_strategy`, `chunk_overlap`, or an entry such as `chunking_config.split_level`.
    pub field: String,
    /// What is wrong, what is allowed and what was received.
    pub message: String,
}

impl Default for Strategy {
    /// By format, with the defaults of its parameters: found more than [`Strategy::Recursive`] on all test collections,
    /// see docs/benchmarks.md.
    fn default() -> Self {
        Self::Hybrid { split_level: 6, splits_declarations: false }
    }
}

impl Strategy {
    /// Validates a strategy's name and its parameters for chunks of this size.
    ///
    /// # Errors
    /// Returns every field error: an unknown name, a value of another type or out of range.
    pub fn parse(
        name: &str,
        config: &Map<String, Value>,
        chunks: ChunkSettings,
    ) -> Result<Self, Vec<FieldError>> {
        let Some(definition) = StrategyDefinition::find(name) else {
            let message = format!("unknown value; {} allowed, got {name:?}", StrategyDefinition::names());
            return Err(vec![FieldError { field: "chunking_strategy".to_owned(), message }]);
        };
        let mut reader = Reader { config, chunk_size: chunks.chunk_size, errors: Vec::new() };
        reader.refuse_others(definition);
        let strategy = match definition.name {
            "fixed" => Self::Fixed,
            "markdown" => Self::Markdown { split_level: reader.small(&SPLIT_LEVEL) },
            "code" => Self::Code { splits_declarations: reader.boolean(&SPLIT_DECLARATIONS) },
            "semantic" => Self::Semantic(SemanticConfig {
                breakpoint_percentile: reader.integer(&BREAKPOINT_PERCENTILE),
                similarity_threshold: reader.fraction(&SIMILARITY_THRESHOLD),
                window_sentences: reader.integer(&WINDOW_SENTENCES),
                min_chunk_size: reader.integer(&MIN_CHUNK_SIZE),
            }),
            "hierarchical" => {
                let most = chunks.chunk_size / 2;
                if chunks.chunk_overlap > most {
                    let message = format!(
                        "out of range; 0 to {most} allowed with hierarchical (half of chunk_size), got {}",
                        chunks.chunk_overlap
                    );
                    reader.refuse("chunk_overlap".to_owned(), message);
                }
                Self::Hierarchical { parent_size: reader.integer(&PARENT_SIZE) }
            }
            "hybrid" => Self::Hybrid {
                split_level: reader.small(&SPLIT_LEVEL),
                splits_declarations: reader.boolean(&SPLIT_DECLARATIONS),
            },
            _ => Self::Recursive,
        };
        if reader.errors.is_empty() { Ok(strategy) } else { Err(reader.errors) }
    }

    /// Validates the settings stored with a collection. Unknown parameters are ignored: earlier versions
    /// stored any.
    ///
    /// # Errors
    /// As [`Strategy::parse`].
    pub fn parse_stored(name: &str, config: &Value, chunks: ChunkSettings) -> Result<Self, Vec<FieldError>> {
        Self::parse(name, &known_parameters(name, config), chunks)
    }

    /// The name in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recursive => "recursive",
            Self::Fixed => "fixed",
            Self::Markdown { .. } => "markdown",
            Self::Code { .. } => "code",
            Self::Semantic(_) => "semantic",
            Self::Hierarchical { .. } => "hierarchical",
            Self::Hybrid { .. } => "hybrid",
        }
    }

    /// Whether it needs static vectors of the model's tokens.
    pub const fn needs_vectors(self) -> bool {
        matches!(self, Self::Semantic(_))
    }

    /// Its parameters, defaults included.
    pub fn config(self) -> Value {
        match self {
            Self::Recursive | Self::Fixed => serde_json::json!({}),
            Self::Markdown { split_level } => serde_json::json!({ "split_level": split_level }),
            Self::Code { splits_declarations } => {
                serde_json::json!({ "split_declarations": splits_declarations })
            }
            Self::Semantic(config) => serde_json::json!({
                "breakpoint_percentile": config.breakpoint_percentile,
                "similarity_threshold": config.similarity_threshold,
                "window_sentences": config.window_sentences,
                "min_chunk_size": config.min_chunk_size,
            }),
            Self::Hierarchical { parent_size } => serde_json::json!({ "parent_size": parent_size }),
            Self::Hybrid { split_level, splits_declarations } => {
                serde_json::json!({ "split_level": split_level, "split_declarations": splits_declarations })
            }
        }
    }
}

/// Returns the entries of a stored `chunking_config` that the strategy has.
pub fn known_parameters(name: &str, config: &Value) -> Map<String, Value> {
    let definition = StrategyDefinition::find(name);
    let entries = config.as_object().into_iter().flatten();
    let known = entries.filter(|(entry, _)| {
        definition.is_some_and(|definition| definition.parameters.iter().any(|known| known.name == *entry))
    });
    known.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Reads parameters and collects field errors.
struct Reader<'c> {
    config: &'c Map<String, Value>,
    chunk_size: u32,
    errors: Vec<FieldError>,
}

impl Reader<'_> {
    fn refuse(&mut self, field: String, message: String) {
        self.errors.push(FieldError { field, message });
    }

    fn refuse_others(&mut self, definition: &StrategyDefinition) {
        let known: Vec<&str> = definition.parameters.iter().map(|parameter| parameter.name).collect();
        let allowed = if known.is_empty() {
            format!("{} has no parameters", definition.name)
        } else {
            format!("{} has {}", definition.name, known.join(", "))
        };
        for name in self.config.keys().filter(|name| !known.contains(&name.as_str())) {
            let message = format!("unknown parameter; {allowed}");
            self.errors.push(FieldError { field: format!("chunking_config.{name}"), message });
        }
    }

    fn wrong(&mut self, parameter: &ParameterDefinition, what: &str, allowed: &str, got: &Value) {
        let message = format!("{what}; {allowed} allowed, got {got}");
        self.refuse(format!("chunking_config.{}", parameter.name), message);
    }

    fn integer(&mut self, parameter: &ParameterDefinition) -> u32 {
        let ParameterValue::Integer { min, max, default } = parameter.value else {
            return 0;
        };
        let (min, max) = (min.resolve(self.chunk_size), max.resolve(self.chunk_size));
        let default = default.resolve(self.chunk_size);
        let Some(value) = self.config.get(parameter.name).filter(|value| !value.is_null()) else {
            return default;
        };
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        match number.filter(|number| (min..=max).contains(number)) {
            Some(number) => number,
            None => {
                self.wrong(parameter, "out of range", &format!("{min} to {max}"), value);
                default
            }
        }
    }

    fn small(&mut self, parameter: &ParameterDefinition) -> u8 {
        u8::try_from(self.integer(parameter)).unwrap_or(u8::MAX)
    }

    fn fraction(&mut self, parameter: &ParameterDefinition) -> f64 {
        let ParameterValue::Fraction { default } = parameter.value else {
            return 0.0;
        };
        let Some(value) = self.config.get(parameter.name).filter(|value| !value.is_null()) else {
            return default;
        };
        match value.as_f64().filter(|number| (0.0..=1.0).contains(number)) {
            Some(number) => number,
            None => {
                self.wrong(parameter, "out of range", "0 to 1", value);
                default
            }
        }
    }

    fn boolean(&mut self, parameter: &ParameterDefinition) -> bool {
        let ParameterValue::Boolean { default } = parameter.value else {
            return false;
        };
        let Some(value) = self.config.get(parameter.name).filter(|value| !value.is_null()) else {
            return default;
        };
        match value.as_bool() {
            Some(value) => value,
            None => {
                self.wrong(parameter, "wrong type", "true or false", value);
                default
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalogue::STRATEGIES;

    const CHUNKS: ChunkSettings = ChunkSettings { chunk_size: 256, chunk_overlap: 51 };

    fn read(name: &str, config: Value) -> Result<Strategy, String> {
        let config = config.as_object().cloned().unwrap();
        Strategy::parse(name, &config, CHUNKS).map_err(|errors| {
            let errors = errors.iter().map(|error| format!("{}: {}", error.field, error.message));
            errors.collect::<Vec<_>>().join("; ")
        })
    }

    #[test]
    fn every_strategy_parses_its_own_defaults() {
        for definition in &STRATEGIES {
            let strategy = read(definition.name, json!({})).unwrap();
            assert_eq!(strategy.name(), definition.name);
            let config = strategy.config();
            let names: Vec<&str> = definition.parameters.iter().map(|parameter| parameter.name).collect();
            let mut written: Vec<&String> = config.as_object().unwrap().keys().collect();
            written.sort_unstable();
            let mut names = names;
            names.sort_unstable();
            assert_eq!(written, names);
            assert_eq!(read(definition.name, config).unwrap(), strategy);
        }
    }

    #[test]
    fn names_of_semantiks_clients_are_accepted() {
        assert_eq!(read("fixed_size", json!({})), Ok(Strategy::Fixed));
        assert_eq!(read("document_structure", json!({})), Ok(Strategy::Markdown { split_level: 6 }));
    }

    #[test]
    fn errors_name_the_field_and_what_is_allowed() {
        assert_eq!(
            read("gopher", json!({})).unwrap_err(),
            r#"chunking_strategy: unknown value; recursive or fixed or markdown or code or semantic or hierarchical or hybrid allowed, got "gopher""#
        );
        assert_eq!(
            read("recursive", json!({ "parent_size": 3 })).unwrap_err(),
            "chunking_config.parent_size: unknown parameter; recursive has no parameters"
        );
        assert_eq!(
            read("hierarchical", json!({ "parent_size": 5000, "levels": 3 })).unwrap_err(),
            "chunking_config.levels: unknown parameter; hierarchical has parent_size; chunking_config.parent_size: out of range; 256 to 4096 allowed, got 5000"
        );
        assert_eq!(
            read(
                "semantic",
                json!({ "similarity_threshold": 2, "min_chunk_size": -1, "window_sentences": "3" })
            )
            .unwrap_err(),
            r#"chunking_config.similarity_threshold: out of range; 0 to 1 allowed, got 2; chunking_config.window_sentences: out of range; 1 to 10 allowed, got "3"; chunking_config.min_chunk_size: out of range; 0 to 128 allowed, got -1"#
        );
        assert_eq!(
            read("code", json!({ "split_declarations": "yes" })).unwrap_err(),
            r#"chunking_config.split_declarations: wrong type; true or false allowed, got "yes""#
        );
        let chunks = ChunkSettings { chunk_size: 100, chunk_overlap: 51 };
        let errors = Strategy::parse("hierarchical", &Map::new(), chunks).unwrap_err();
        assert_eq!(errors[0].field, "chunk_overlap");
    }

    #[test]
    fn unknown_stored_parameters_are_ignored() {
        let stored = json!({ "a": 1, "parent_size": 512 });
        let strategy = Strategy::parse_stored("hierarchical", &stored, CHUNKS);
        assert_eq!(strategy, Ok(Strategy::Hierarchical { parent_size: 512 }));
        assert_eq!(Strategy::parse_stored("recursive", &Value::Null, CHUNKS), Ok(Strategy::Recursive));
    }
}
