//! Text to chunks, sized in the model's own tokens. Pure.
