use proptest::prelude::*;

use super::*;
use crate::git::object::ObjectKind;

/// Puts trees together, each by its id.
#[derive(Default)]
struct Builder(HashMap<ObjectId, Bytes>);

impl Builder {
    fn tree(&mut self, entries: &[(&str, &str, ObjectId)]) -> ObjectId {
        let mut bytes = Vec::new();
        for (mode, name, id) in entries {
            bytes.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            bytes.extend_from_slice(&raw(*id));
        }
        let id = ObjectId::of(ObjectKind::Tree, &bytes);
        self.0.insert(id, bytes.into());
        id
    }

    fn finish(self, root: ObjectId) -> Trees {
        Trees { root, trees: self.0 }
    }
}

fn raw(id: ObjectId) -> [u8; 20] {
    let text = id.to_string();
    std::array::from_fn(|index| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap())
}

fn blob() -> ObjectId {
    ObjectId::from_bytes([7; 20])
}

/// Takes so many files.
#[derive(Default)]
struct Taken {
    left: usize,
    files: Vec<String>,
    links: u32,
    submodules: u32,
}

impl Visitor for Taken {
    fn file(&mut self, path: &[u8], _: ObjectId) -> ControlFlow<()> {
        if self.left == 0 {
            return ControlFlow::Break(());
        }
        self.left -= 1;
        self.files.push(String::from_utf8(path.to_vec()).unwrap());
        ControlFlow::Continue(())
    }

    fn link(&mut self) {
        self.links += 1;
    }

    fn submodule(&mut self) {
        self.submodules += 1;
    }
}

fn walk(trees: &Trees, after: Option<&str>, left: usize) -> Taken {
    let mut taken = Taken { left, ..Taken::default() };
    trees.walk(after.map(str::as_bytes), &mut taken).unwrap();
    taken
}

/// The trees of these files, as git sorts them.
fn trees_of(paths: &[String]) -> Trees {
    fn folder(builder: &mut Builder, paths: &[&str]) -> ObjectId {
        let mut entries: HashMap<&str, Option<Vec<&str>>> = HashMap::new();
        for path in paths {
            match path.split_once('/') {
                Some((name, rest)) => {
                    entries.entry(name).or_insert(Some(Vec::new())).as_mut().unwrap().push(rest)
                }
                None => drop(entries.insert(path, None)),
            }
        }
        let mut sorted: Vec<_> = entries.into_iter().collect();
        sorted.sort_by_key(|(name, below)| format!("{name}{}", if below.is_some() { "/" } else { "" }));
        let listed: Vec<(&str, &str, ObjectId)> = sorted
            .into_iter()
            .map(|(name, below)| match below {
                Some(below) => ("40000", name, folder(builder, &below)),
                None => ("100644", name, blob()),
            })
            .collect();
        builder.tree(&listed)
    }
    let mut builder = Builder::default();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let root = folder(&mut builder, &paths);
    builder.finish(root)
}

proptest! {
    #[test]
    fn pages_of_any_size_list_every_file_once_in_order(
        // Folders have upper case names and files lower case ones, so that no path is both.
        paths in prop::collection::btree_set("([A-C]{1,2}[.-]?/){0,3}[a-c]{1,2}[.-]?", 0..40),
        limit in 1usize..10,
    ) {
        let paths: Vec<String> = paths.into_iter().collect();
        let trees = trees_of(&paths);
        trees.check().unwrap();
        let mut listed: Vec<String> = Vec::new();
        loop {
            let page = walk(&trees, listed.last().map(String::as_str), limit).files;
            if page.is_empty() {
                break;
            }
            listed.extend(page);
        }
        prop_assert_eq!(listed, paths);
    }

    #[test]
    fn any_bytes_are_walked_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let root = ObjectId::from_bytes([1; 20]);
        let trees = Trees { root, trees: HashMap::from([(root, bytes.into())]) };
        let mut taken = Taken { left: 100, ..Taken::default() };
        let walked = trees.walk(None, &mut taken);
        prop_assert!(walked.is_err() || trees.check().is_ok());
    }
}

#[test]
fn links_and_submodules_are_no_files() {
    let mut builder = Builder::default();
    let root = builder.tree(&[
        ("100644", "a.md", blob()),
        ("100755", "run", blob()),
        ("120000", "passwd", blob()),
        ("160000", "module", blob()),
    ]);
    let taken = walk(&builder.finish(root), None, 10);
    assert_eq!((taken.files, taken.links, taken.submodules), (vec!["a.md".into(), "run".into()], 1, 1));
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in ["", ".", "..", "a/b"] {
        let mut builder = Builder::default();
        let root = builder.tree(&[("100644", name, blob())]);
        assert_eq!(builder.finish(root).check(), Err(TreeError::Invalid(root)), "{name}");
    }
}

#[test]
fn trees_that_could_never_be_listed_are_refused() {
    // Ten folders of ten folders of …: 10^9 files in ten trees.
    let mut builder = Builder::default();
    let names: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    let files: Vec<_> = names.iter().map(|name| ("100644", name.as_str(), blob())).collect();
    let mut id = builder.tree(&files);
    for _ in 0..8 {
        let folders: Vec<_> = names.iter().map(|name| ("40000", name.as_str(), id)).collect();
        id = builder.tree(&folders);
    }
    assert_eq!(builder.finish(id).check(), Err(TreeError::TooManyFiles));

    let mut builder = Builder::default();
    let mut id = builder.tree(&[("100644", "a", blob())]);
    for _ in 0..=MAX_DEPTH {
        id = builder.tree(&[("40000", "a", id)]);
    }
    assert_eq!(builder.finish(id).check(), Err(TreeError::TooDeep));

    let mut builder = Builder::default();
    let root = builder.tree(&[("40000", "gone", blob())]);
    assert_eq!(builder.finish(root).check(), Err(TreeError::Missing(blob())));
}
