//! The inputs of a graph: those of public exports of text encoders.

use ort::{
    session::SessionInputValue,
    value::{Outlet, Tensor, TensorElementType, TensorRef},
};

use crate::batch::PaddedBatch;

const INPUT_IDS: &str = "input_ids";
const ATTENTION_MASK: &str = "attention_mask";
/// Which of two sentences a token belongs to. Not an input of every model family.
const TOKEN_TYPE_IDS: &str = "token_type_ids";
/// The position of a token in its text. An input of decoders.
const POSITION_IDS: &str = "position_ids";
/// The key-value cache of a decoder; always empty here.
const PAST: &str = "past_key_values.";

/// One input of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GraphInput {
    TokenIds,
    Mask,
    TokenTypes,
    Positions,
    /// Keys or values of the cache: [batch, heads, 0, size].
    Past {
        name: String,
        heads: usize,
        size: usize,
    },
}

/// Returns the inputs of a graph.
///
/// # Errors
/// Returns a message if the graph has an unknown input or lacks a required one.
pub(crate) fn check_inputs(inputs: &[Outlet]) -> Result<Vec<GraphInput>, String> {
    let known = inputs.iter().map(check_input).collect::<Option<Vec<GraphInput>>>();
    match known {
        Some(known) if known.contains(&GraphInput::TokenIds) && known.contains(&GraphInput::Mask) => {
            Ok(known)
        }
        _ => {
            let names: Vec<String> =
                inputs.iter().map(|input| format!("{} ({})", input.name(), input.dtype())).collect();
            Err(format!(
                "the graph takes {}; a text encoder takes {INPUT_IDS}, {ATTENTION_MASK} and optionally \
                 {TOKEN_TYPE_IDS}, {POSITION_IDS} and {PAST}* with a fixed number and size of heads",
                names.join(", ")
            ))
        }
    }
}

fn check_input(input: &Outlet) -> Option<GraphInput> {
    let known = match input.name() {
        INPUT_IDS => GraphInput::TokenIds,
        ATTENTION_MASK => GraphInput::Mask,
        TOKEN_TYPE_IDS => GraphInput::TokenTypes,
        POSITION_IDS => GraphInput::Positions,
        name if name.starts_with(PAST) => return check_past(input),
        _ => return None,
    };
    (input.dtype().tensor_type() == Some(TensorElementType::Int64)).then_some(known)
}

fn check_past(input: &Outlet) -> Option<GraphInput> {
    let shape = input.dtype().tensor_shape().filter(|shape| shape.len() == 4)?;
    let fixed = |place: usize| usize::try_from(shape[place]).ok().filter(|&size| size > 0);
    let (heads, size) = (fixed(1)?, fixed(3)?);
    let past = GraphInput::Past { name: input.name().to_owned(), heads, size };
    (input.dtype().tensor_type() == Some(TensorElementType::Float32)).then_some(past)
}

/// Inputs that are derived from the batch; empty if no input needs them.
#[derive(Debug)]
pub(crate) struct Derived {
    token_types: Vec<i64>,
    positions: Vec<i64>,
}

impl Derived {
    pub fn new(inputs: &[GraphInput], batch: &PaddedBatch) -> Self {
        // Each row is a single text, so every token belongs to the first sentence.
        let token_types = match inputs.contains(&GraphInput::TokenTypes) {
            true => vec![0; batch.ids.len()],
            false => Vec::new(),
        };
        let positions = match inputs.contains(&GraphInput::Positions) {
            true => batch.positions(),
            false => Vec::new(),
        };
        Self { token_types, positions }
    }
}

impl GraphInput {
    fn name(&self) -> &str {
        match self {
            Self::TokenIds => INPUT_IDS,
            Self::Mask => ATTENTION_MASK,
            Self::TokenTypes => TOKEN_TYPE_IDS,
            Self::Positions => POSITION_IDS,
            Self::Past { name, .. } => name,
        }
    }

    /// Returns this input's name and values for a batch, without copying.
    pub fn feed<'a>(
        &'a self,
        batch: &'a PaddedBatch,
        derived: &'a Derived,
    ) -> ort::Result<(&'a str, SessionInputValue<'a>)> {
        let values = match self {
            Self::TokenIds => &batch.ids,
            Self::Mask => &batch.mask,
            Self::TokenTypes => &derived.token_types,
            Self::Positions => &derived.positions,
            Self::Past { heads, size, .. } => {
                let empty = Tensor::<f32>::from_array(([batch.rows, *heads, 0, *size], Vec::new()))?;
                return Ok((self.name(), empty.into()));
            }
        };
        let view = TensorRef::from_array_view(([batch.rows, batch.sequence], values.as_slice()))?;
        Ok((self.name(), view.into()))
    }
}
