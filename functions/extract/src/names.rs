//! Names of the documents inside a document.

use std::collections::HashMap;

use db::operations::NewMember;
use domain::to_nfc;

/// Separates the name of a container from the path of a file inside it.
const SEPARATOR: &str = "!/";

/// The longest URI of a file inside a document, in bytes: PostgreSQL indexes values of up to 2,704 bytes.
const MAX_URI_BYTES: usize = 2_000;

/// Returns how many documents the one with this name is inside of.
pub(crate) fn depth(file_name: &str) -> usize {
    file_name.matches(SEPARATOR).count()
}

/// Names the files inside a document. Mails may have several attachments of one name, and archives several members:
/// each gets a name of its own, the same in every attempt.
#[derive(Debug)]
pub(crate) struct MemberNames {
    uri: String,
    file_name: String,
    file_path: String,
    /// The names that were given, each with the number of the next file that has it.
    taken: HashMap<String, u32>,
}

impl MemberNames {
    /// Starts with the URI, the name and the path of the container.
    pub(crate) fn new(uri: &str, file_name: &str, file_path: &str) -> Self {
        let [uri, file_name, file_path] = [uri, file_name, file_path].map(str::to_owned);
        Self { uri, file_name, file_path, taken: HashMap::new() }
    }

    /// Names the next file. Returns `None` if its URI would be too long.
    pub(crate) fn name(&mut self, path: &str, mime_type: Option<String>) -> Option<NewMember> {
        let path = self.unique(to_nfc(path));
        let below = |container: &str| format!("{container}{SEPARATOR}{path}");
        let member = NewMember {
            uri: below(&self.uri),
            file_name: below(&self.file_name),
            file_path: below(&self.file_path),
            mime_type,
        };
        (member.uri.len() <= MAX_URI_BYTES).then_some(member)
    }

    fn unique(&mut self, path: String) -> String {
        let mut name = path.clone();
        while let Some(next) = self.taken.get_mut(&path) {
            name = numbered(&path, *next);
            *next += 1;
            if !self.taken.contains_key(&name) {
                break;
            }
        }
        self.taken.insert(name.clone(), 2);
        name
    }
}

/// Inserts a number before the extension.
fn numbered(path: &str, number: u32) -> String {
    let start = path.rfind('/').map_or(0, |slash| slash + 1);
    match path[start..].rfind('.').filter(|dot| *dot > 0) {
        Some(dot) => {
            let (stem, extension) = path.split_at(start + dot);
            format!("{stem} ({number}){extension}")
        }
        None => format!("{path} ({number})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> MemberNames {
        MemberNames::new("upload://2026/mail.eml", "mail.eml", "2026/mail.eml")
    }

    #[test]
    fn members_are_named_by_their_container() {
        let member = names().name("docs/a.txt", None).unwrap();
        assert_eq!(
            [member.uri.as_str(), &member.file_name, &member.file_path],
            ["upload://2026/mail.eml!/docs/a.txt", "mail.eml!/docs/a.txt", "2026/mail.eml!/docs/a.txt"]
        );
        assert_eq!((depth("mail.eml"), depth(&member.file_name)), (0, 1));
        assert_eq!(depth("a.zip!/b.zip!/c.txt"), 2);
    }

    #[test]
    fn every_file_has_a_name_of_its_own() {
        let mut names = names();
        let given: Vec<String> = ["a.txt", "a (2).txt", "a.txt", "a.txt", "b", "b", ".env", ".env", "x.y/b"]
            .into_iter()
            .map(|path| names.name(path, None).unwrap().file_name.split_off("mail.eml!/".len()))
            .collect();
        assert_eq!(
            given,
            ["a.txt", "a (2).txt", "a (3).txt", "a (4).txt", "b", "b (2)", ".env", ".env (2)", "x.y/b"]
        );
        assert_eq!(names.name("caf\u{e9}", None).unwrap().file_name, "mail.eml!/caf\u{e9}");
        let other_spelling = names.name("cafe\u{301}", None).unwrap().file_name;
        assert_eq!(other_spelling, "mail.eml!/caf\u{e9} (2)", "both look alike");
    }

    #[test]
    fn names_that_cannot_be_indexed_are_refused() {
        let longest = MAX_URI_BYTES - "upload://2026/mail.eml!/".len();
        assert!(names().name(&"a".repeat(longest), None).is_some());
        assert!(names().name(&"a".repeat(longest + 1), None).is_none());
    }
}
