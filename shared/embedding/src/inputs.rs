//! What a graph takes: the inputs of the public exports of text encoders.

use ort::{
    session::SessionInputValue,
    value::{Outlet, Tensor, TensorElementType, TensorRef},
};

use crate::batch::PaddedBatch;

const INPUT_IDS: &str = "input_ids";
const ATTENTION_MASK: &str = "attention_mask";
/// Which of two sentences a token belongs to. Some families of models have no such input.
const TOKEN_TYPE_IDS: &str = "token_type_ids";
/// Where a token stands in its text. Decoders ask for it.
const POSITION_IDS: &str = "position_ids";
/// What a decoder remembers of the text before this one: nothing, ever.
const PAST: &str = "past_key_values.";

/// One input of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GraphInput {
    TokenIds,
    Mask,
    TokenTypes,
    Positions,
    /// Keys or values of earlier tokens: [batch, heads, 0, size].
    Past {
        name: String,
        heads: usize,
        size: usize,
    },
}

/// The inputs of a graph, all of them known.
///
/// # Errors
/// Says what the graph takes that we do not have, or lacks that we need.
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
                "the graph takes {}; a text encoder takes {INPUT_IDS}, {ATTENTION_MASK} and, if it must, \
                 {TOKEN_TYPE_IDS}, {POSITION_IDS} and {PAST}* of a fixed number and size of heads",
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

/// What the inputs need beside the batch itself; empty where no input asks for it.
#[derive(Debug)]
pub(crate) struct Derived {
    token_types: Vec<i64>,
    positions: Vec<i64>,
}

impl Derived {
    pub fn new(inputs: &[GraphInput], batch: &PaddedBatch) -> Self {
        // One text at a time, so every token belongs to the first sentence.
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

    /// This input's name and values for a batch. Nothing is copied.
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
                let nothing = Tensor::<f32>::from_array(([batch.rows, *heads, 0, *size], Vec::new()))?;
                return Ok((self.name(), nothing.into()));
            }
        };
        let view = TensorRef::from_array_view(([batch.rows, batch.sequence], values.as_slice()))?;
        Ok((self.name(), view.into()))
    }
}
