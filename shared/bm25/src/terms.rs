//! The terms of a token: the forms under which it is found.

use crate::forms::without_accents;
use crate::languages::Languages;
use crate::tokens::{Kind, Token};

/// How a term relates to its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// It is the token, in lower case.
    Exact,
    /// It is the token without accents.
    Plain,
    /// It is the token's stem in a language, without accents.
    Stem,
}

/// Calls `found` with the terms of a token, each once, the exact form first.
pub(crate) fn for_each_term(token: &Token, languages: Languages, mut found: impl FnMut(&str, Form)) {
    found(&token.text, Form::Exact);
    if matches!(token.kind, Kind::Bigram | Kind::Character) {
        return;
    }
    let plain = without_accents(&token.text);
    if let Some(plain) = &plain {
        found(plain, Form::Plain);
    }
    if token.kind == Kind::Name {
        return;
    }
    let mut stems: Vec<String> = Vec::new();
    languages.for_each_stem(&token.text, |stem| {
        let stem = without_accents(&stem).unwrap_or_else(|| stem.into_owned());
        if stem != token.text && plain.as_ref() != Some(&stem) && !stem.is_empty() && !stems.contains(&stem) {
            found(&stem, Form::Stem);
            stems.push(stem);
        }
    });
}
