//! A strategy with its parameters, read and checked.

use domain::ChunkSettings;
use serde_json::{Map, Value};

use crate::catalogue::{
    BREAKPOINT_PERCENTILE, MIN_CHUNK_SIZE, PARENT_SIZE, ParameterDefinition, ParameterValue,
    SIMILARITY_THRESHOLD, SPLIT_DECLARATIONS, SPLIT_LEVEL, StrategyDefinition, WINDOW_SENTENCES,
};

/// Where texts are cut.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Strategy {
    /// Between paragraphs, then sentences, then words; of Markdown and code at their better places.
    #[default]
    Recursive,
    /// Windows of tokens.
    Fixed,
    /// At headings, then as [`Strategy::Recursive`] outside code fences.
    Markdown {
        /// Headings down to this depth always begin a chunk.
        split_level: u8,
    },
    /// At blank lines before unindented ones, then at lines by indentation, then between words.
    Code {
        /// Whether the first always begin a chunk.
        splits_declarations: bool,
    },
    /// Where the subject changes.
    Semantic(SemanticConfig),
    /// Chunks inside of larger passages.
    Hierarchical {
        /// The most tokens of such a passage.
        parent_size: u32,
    },
    /// By the document's layout.
    Hybrid {
        /// As of [`Strategy::Markdown`].
        split_level: u8,
        /// As of [`Strategy::Code`].
        splits_declarations: bool,
    },
}

/// When a subject has changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SemanticConfig {
    /// Of the distances around, as many percent must be smaller.
    pub breakpoint_percentile: u32,
    /// Both sides must be less similar than this.
    pub similarity_threshold: f64,
    /// Sentences on each side that are compared.
    pub window_sentences: u32,
    /// Tokens that a chunk has at least before it ends for its subject.
    pub min_chunk_size: u32,
}

/// One thing that is wrong with a strategy and its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrategyProblem {
    /// The field: `chunking_strategy`, `chunk_overlap` or one of `chunking_config`.
    pub field: String,
    /// What came and what is allowed.
    pub message: String,
}

impl Strategy {
    /// Reads a strategy's name and its parameters for chunks of this size.
    ///
    /// # Errors
    /// Everything that is wrong: a name that is not known, a value of another type or out of range.
    pub fn read(
        name: &str,
        config: &Map<String, Value>,
        chunks: ChunkSettings,
    ) -> Result<Self, Vec<StrategyProblem>> {
        let Some(definition) = StrategyDefinition::find(name) else {
            let message = format!("must be {}, got {name:?}", StrategyDefinition::names());
            return Err(vec![StrategyProblem { field: "chunking_strategy".to_owned(), message }]);
        };
        let mut reader = Reader { config, chunk_size: chunks.chunk_size, problems: Vec::new() };
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
                        "{} tokens are more than half of a chunk of {}; chunks of a parent may repeat 0 to {most}",
                        chunks.chunk_overlap, chunks.chunk_size
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
        if reader.problems.is_empty() { Ok(strategy) } else { Err(reader.problems) }
    }

    /// Reads what is stored of a collection. Parameters that this version does not know are passed
    /// over: there were times when anything was stored.
    ///
    /// # Errors
    /// As [`Strategy::read`].
    pub fn read_stored(
        name: &str,
        config: &Value,
        chunks: ChunkSettings,
    ) -> Result<Self, Vec<StrategyProblem>> {
        Self::read(name, &known_parameters(name, config), chunks)
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

    /// Whether static vectors of the model's tokens are needed.
    pub const fn needs_vectors(self) -> bool {
        matches!(self, Self::Semantic(_))
    }

    /// All its parameters, defaults included.
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

/// Those entries of a stored `chunking_config` that the strategy knows.
pub fn known_parameters(name: &str, config: &Value) -> Map<String, Value> {
    let definition = StrategyDefinition::find(name);
    let entries = config.as_object().into_iter().flatten();
    let known = entries.filter(|(entry, _)| {
        definition.is_some_and(|definition| definition.parameters.iter().any(|known| known.name == *entry))
    });
    known.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Reads parameters and collects what is wrong with them.
struct Reader<'c> {
    config: &'c Map<String, Value>,
    chunk_size: u32,
    problems: Vec<StrategyProblem>,
}

impl Reader<'_> {
    fn refuse(&mut self, field: String, message: String) {
        self.problems.push(StrategyProblem { field, message });
    }

    fn refuse_others(&mut self, definition: &StrategyDefinition) {
        let known: Vec<&str> = definition.parameters.iter().map(|parameter| parameter.name).collect();
        let allowed = if known.is_empty() {
            format!("{} has no parameters", definition.name)
        } else {
            format!("{} has {}", definition.name, known.join(", "))
        };
        for name in self.config.keys().filter(|name| !known.contains(&name.as_str())) {
            let message = format!("is not known; {allowed}");
            self.problems.push(StrategyProblem { field: format!("chunking_config.{name}"), message });
        }
    }

    fn wrong(&mut self, parameter: &ParameterDefinition, allowed: &str, got: &Value) {
        let message = format!("must be {allowed}, got {got}");
        self.refuse(format!("chunking_config.{}", parameter.name), message);
    }

    fn integer(&mut self, parameter: &ParameterDefinition) -> u32 {
        let ParameterValue::Integer { least, most, default } = parameter.value else {
            return 0;
        };
        let (least, most) = (least.of(self.chunk_size), most.of(self.chunk_size));
        let default = default.of(self.chunk_size);
        let Some(value) = self.config.get(parameter.name).filter(|value| !value.is_null()) else {
            return default;
        };
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        match number.filter(|number| (least..=most).contains(number)) {
            Some(number) => number,
            None => {
                self.wrong(parameter, &format!("{least} to {most}"), value);
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
                self.wrong(parameter, "0 to 1", value);
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
                self.wrong(parameter, "true or false", value);
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
        Strategy::read(name, &config, CHUNKS).map_err(|problems| {
            let said = problems.iter().map(|problem| format!("{}: {}", problem.field, problem.message));
            said.collect::<Vec<_>>().join("; ")
        })
    }

    #[test]
    fn every_strategy_reads_its_own_defaults_back() {
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
    fn names_of_other_clients_are_understood() {
        assert_eq!(read("fixed_size", json!({})), Ok(Strategy::Fixed));
        assert_eq!(read("document_structure", json!({})), Ok(Strategy::Markdown { split_level: 6 }));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_name_and_what_is_allowed() {
        assert_eq!(
            read("cut", json!({})).unwrap_err(),
            r#"chunking_strategy: must be recursive or fixed or markdown or code or semantic or hierarchical or hybrid, got "cut""#
        );
        assert_eq!(
            read("recursive", json!({ "parent_size": 3 })).unwrap_err(),
            "chunking_config.parent_size: is not known; recursive has no parameters"
        );
        assert_eq!(
            read("hierarchical", json!({ "parent_size": 5000, "levels": 3 })).unwrap_err(),
            "chunking_config.levels: is not known; hierarchical has parent_size; chunking_config.parent_size: must be 256 to 4096, got 5000"
        );
        assert_eq!(
            read(
                "semantic",
                json!({ "similarity_threshold": 2, "min_chunk_size": -1, "window_sentences": "3" })
            )
            .unwrap_err(),
            r#"chunking_config.similarity_threshold: must be 0 to 1, got 2; chunking_config.window_sentences: must be 1 to 10, got "3"; chunking_config.min_chunk_size: must be 0 to 128, got -1"#
        );
        assert_eq!(
            read("code", json!({ "split_declarations": "yes" })).unwrap_err(),
            r#"chunking_config.split_declarations: must be true or false, got "yes""#
        );
        let chunks = ChunkSettings { chunk_size: 100, chunk_overlap: 51 };
        let problems = Strategy::read("hierarchical", &Map::new(), chunks).unwrap_err();
        assert_eq!(problems[0].field, "chunk_overlap");
    }

    #[test]
    fn what_was_stored_in_other_times_is_passed_over() {
        let stored = json!({ "a": 1, "parent_size": 512 });
        let strategy = Strategy::read_stored("hierarchical", &stored, CHUNKS);
        assert_eq!(strategy, Ok(Strategy::Hierarchical { parent_size: 512 }));
        assert_eq!(Strategy::read_stored("recursive", &Value::Null, CHUNKS), Ok(Strategy::Recursive));
    }
}
