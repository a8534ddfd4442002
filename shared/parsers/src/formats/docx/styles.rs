//! Which styles are headings.

use std::collections::HashMap;

use crate::ParseError;
use crate::package::Package;
use crate::xml::Node;

/// Styles that are based on styles. Word allows 11.
const MAX_BASES: usize = 20;

/// The styles of a document.
#[derive(Debug, Default)]
pub(super) struct Styles {
    by_id: HashMap<String, Style>,
    /// The document's default language.
    pub(super) language: String,
}

#[derive(Debug, Default)]
struct Style {
    name: String,
    based_on: String,
    /// From 0; 9 is body text.
    outline_level: Option<u8>,
}

/// What a style says about its paragraphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Body,
    Title,
    /// With its level, from 1.
    Heading(u8),
}

impl Styles {
    pub(super) fn read(package: &mut Package<'_>, path: &str) -> Result<Self, ParseError> {
        let mut styles = Self::default();
        let Some(mut xml) = package.xml(path)? else {
            return Ok(styles);
        };
        let mut style: Option<(String, Style)> = None;
        while let Some(node) = xml.next()? {
            match node {
                Node::Start(element) => {
                    let value = element.attribute("val").unwrap_or_default();
                    match (element.name(), &mut style) {
                        ("style", _) => {
                            style =
                                Some((element.attribute("styleId").unwrap_or_default(), Style::default()));
                        }
                        ("name", Some((_, style))) => style.name = value.to_lowercase(),
                        ("basedOn", Some((_, style))) => style.based_on = value,
                        ("outlineLvl", Some((_, style))) => style.outline_level = value.parse().ok(),
                        ("lang", None) => styles.language = value,
                        _ => {}
                    }
                }
                Node::End(name) if name == "style" => styles.by_id.extend(style.take()),
                _ => {}
            }
        }
        Ok(styles)
    }

    /// Returns what a style says, by itself or by a style that it is based on.
    pub(super) fn role(&self, id: &str) -> Role {
        let mut id = id;
        for _ in 0..MAX_BASES {
            let Some(style) = self.by_id.get(id) else { break };
            if style.name == "title" {
                return Role::Title;
            }
            let named = style.name.strip_prefix("heading ").and_then(|level| level.parse::<u8>().ok());
            if let Some(level) = style.outline_level.or(named.map(|level| level.saturating_sub(1))) {
                return role_of(level);
            }
            id = &style.based_on;
        }
        Role::Body
    }
}

/// The role of an outline level, from 0.
pub(super) fn role_of(outline_level: u8) -> Role {
    if outline_level < 9 { Role::Heading((outline_level + 1).min(6)) } else { Role::Body }
}
