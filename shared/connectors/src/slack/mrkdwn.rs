//! Slack's `mrkdwn` to Markdown.

use std::collections::HashMap;

/// Names of users, by id.
pub(super) type Names = HashMap<String, String>;

/// Returns the ids of users that a text mentions.
pub(super) fn mentioned(text: &str) -> impl Iterator<Item = &str> {
    let references = text.split('<').skip(1).filter_map(|rest| rest.split_once('>'));
    references.filter_map(|(reference, _)| reference.strip_prefix('@')?.split('|').next())
}

/// Converts the text of a message. Code stays as it is, but for its references and entities.
pub(super) fn to_markdown(text: &str, names: &Names) -> String {
    let mut markdown = String::with_capacity(text.len());
    for (index, part) in text.split("```").enumerate() {
        if index % 2 == 1 {
            // Fences stand on lines of their own.
            let code = resolve(part, names, false);
            markdown += &format!("\n```\n{}\n```\n", code.trim_matches('\n'));
            continue;
        }
        for (index, part) in part.split('`').enumerate() {
            if index % 2 == 1 {
                markdown += &format!("`{}`", resolve(part, names, false));
            } else {
                markdown += &resolve(&emphasize(part), names, true);
            }
        }
    }
    let lines = markdown.trim().lines().map(|line| match line.starts_with("# ") {
        // A heading would be one of the document.
        true => format!("\\{line}"),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Replaces references in angle brackets and the three entities that Slack has.
fn resolve(text: &str, names: &Names, with_links: bool) -> String {
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        resolved += &unescape(before);
        let Some((reference, after)) = after.split_once('>') else {
            rest = after;
            continue;
        };
        resolved += &name_of(reference, names, with_links);
        rest = after;
    }
    resolved + &unescape(rest)
}

/// What people see of a reference: a user, a channel, a group, a time or a link.
fn name_of(reference: &str, names: &Names, with_links: bool) -> String {
    let (target, label) = reference.split_once('|').unwrap_or((reference, ""));
    let label = unescape(label);
    let or_label = |other: &str| if label.is_empty() { other.to_owned() } else { label.clone() };
    match target.chars().next() {
        Some('@') => {
            let id = &target[1..];
            format!("@{}", names.get(id).cloned().unwrap_or_else(|| or_label(id)).trim_start_matches('@'))
        }
        Some('#') => format!("#{}", or_label(&target[1..]).trim_start_matches('#')),
        Some('!') => {
            let kind = target[1..].split('^').next().unwrap_or_default();
            or_label(&format!("@{kind}"))
        }
        _ => {
            let url = unescape(target);
            let address = url.strip_prefix("mailto:").or_else(|| url.strip_prefix("tel:"));
            match (address, label.is_empty()) {
                (Some(address), true) => address.to_owned(),
                (Some(_), false) => label,
                (None, false) if with_links && label != url => format!("[{label}]({url})"),
                (None, _) => url,
            }
        }
    }
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// `*bold*` and `~struck~` to `**bold**` and `~~struck~~`; `_italic_` is the same in both.
fn emphasize(text: &str) -> String {
    let mut markdown = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = None;
    while let Some(character) = rest.chars().next() {
        let is_free = before.is_none_or(|before: char| !before.is_alphanumeric());
        let marked = matches!(character, '*' | '~').then(|| span(rest, character)).flatten();
        if let Some(inner) = marked.filter(|_| is_free) {
            markdown += &format!("{character}{character}{inner}{character}{character}");
            rest = &rest[inner.len() + 2..];
        } else {
            markdown.push(character);
            rest = &rest[character.len_utf8()..];
        }
        before = Some(character);
    }
    markdown
}

/// What is between the mark at the beginning and the next one in the line, if both touch the text.
fn span(text: &str, mark: char) -> Option<&str> {
    let (inner, after) = text[1..].split_once(mark)?;
    let touches =
        |inner: &str| inner.starts_with(char::is_whitespace) || inner.ends_with(char::is_whitespace);
    let is_word = !inner.is_empty() && !touches(inner) && !inner.contains('\n');
    (is_word && !after.starts_with(char::is_alphanumeric)).then_some(inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn converted(text: &str) -> String {
        let names = Names::from([("U1".to_owned(), "Ada Lovelace".to_owned())]);
        to_markdown(text, &names)
    }

    #[test]
    fn references_are_what_people_see() {
        for (text, expected) in [
            ("Hi <@U1>, <@U2|bob> and <@U3>", "Hi @Ada Lovelace, @bob and @U3"),
            ("see <#C1|general> or <#C2>", "see #general or #C2"),
            ("<!here> <!subteam^S1|@team> <!date^1^{date}|Feb 7>", "@here @team Feb 7"),
            ("<https://a.org/?x=1&amp;y=2|the page>", "[the page](https://a.org/?x=1&y=2)"),
            ("<https://a.org> <mailto:a@b.org|a@b.org>", "https://a.org a@b.org"),
            ("a &lt;b&gt; &amp;amp; c < d", "a <b> &amp; c  d"),
        ] {
            assert_eq!(converted(text), expected, "{text}");
        }
    }

    #[test]
    fn emphasis_and_code_are_markdown() {
        for (text, expected) in [
            ("*bold* and ~gone~ and _it_", "**bold** and ~~gone~~ and _it_"),
            ("2*3*4, a * b * c, *\n*", "2*3*4, a * b * c, *\n*"),
            ("`*x* &lt;` ok", "`*x* <` ok"),
            ("run ```a *b*\n&gt;c``` now", "run \n```\na *b*\n>c\n```\n now"),
            ("# one\n#2\n&gt; said", "\\# one\n#2\n> said"),
        ] {
            assert_eq!(converted(text), expected, "{text}");
        }
    }

    #[test]
    fn mentions_are_found() {
        assert_eq!(mentioned("<@U1> <@U2|b> <#C1> <@U1> @U4 <@").collect::<Vec<_>>(), ["U1", "U2", "U1"]);
    }

    proptest! {
        #[test]
        fn any_text_is_converted(text in "[<>@#!|*~`&;a ü\n^]{0,60}") {
            converted(&text);
        }

        #[test]
        fn plain_text_stays(text in "[a-zA-Zäöü0-9,.]{1,20}( [a-zA-Zäöü0-9,.]{1,10}){0,5}") {
            prop_assert_eq!(converted(&text), text);
        }
    }
}
