//! Names of files inside documents.

/// The longest name, as of most file systems' paths.
const MAX_NAME_BYTES: usize = 1_024;

/// Returns a member's path with `/` between its folders, or `None` if the path leaves the archive or is empty.
pub(crate) fn member_name(name: &str) -> Option<String> {
    let name: String = name.replace('\\', "/").chars().filter(|character| !character.is_control()).collect();
    if name.starts_with('/') {
        return None;
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    // `!/` separates an archive from its members.
    let joined = parts.join("/").replace("!/", "_/");
    let has_drive = joined.as_bytes().get(1) == Some(&b':');
    let is_safe =
        !joined.is_empty() && joined.len() <= MAX_NAME_BYTES && !has_drive && !parts.contains(&"..");
    is_safe.then_some(joined)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_stay_inside_the_archive() {
        assert_eq!(member_name("./a\\b//c.txt").as_deref(), Some("a/b/c.txt"));
        assert_eq!(member_name("a!/b!.txt").as_deref(), Some("a_/b!.txt"));
        for unsafe_name in ["/etc/passwd", "a/../../b", "..", "C:\\x", "", "./", "\0"] {
            assert_eq!(member_name(unsafe_name), None, "{unsafe_name:?}");
        }
    }

    proptest! {
        #[test]
        fn every_name_is_relative(name in "[./\\\\a!:\0 ]{0,12}") {
            if let Some(name) = member_name(&name) {
                prop_assert!(!name.starts_with('/') && !name.split('/').any(|part| part == ".." || part.is_empty()));
                prop_assert_eq!(member_name(&name), Some(name));
            }
        }
    }
}
