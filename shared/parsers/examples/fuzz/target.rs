//! What is fuzzed: a format with its seeds.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use extraction::Format;
use frames::DocumentFormat;

/// Larger files make for slow inputs.
const MAX_SEED_BYTES: usize = 512 << 10;

/// The seeds of a format that are used, the smallest ones.
const MAX_SEEDS: usize = 40;

/// A format with valid files.
pub struct Target {
    pub reader: Reader,
    pub seeds: Vec<Vec<u8>>,
}

/// What reads a format.
#[derive(Debug, Clone, Copy)]
pub enum Reader {
    Document(DocumentFormat),
    Text(&'static Format),
}

/// Sorts the files in a folder and its subfolders by their format.
pub fn of_folder(folder: &Path) -> Result<BTreeMap<String, Target>, Box<dyn Error>> {
    let mut targets = BTreeMap::new();
    add_folder(folder, &mut targets)?;
    for target in targets.values_mut() {
        target.seeds.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        target.seeds.dedup();
        target.seeds.truncate(MAX_SEEDS);
    }
    Ok(targets)
}

fn add_folder(folder: &Path, targets: &mut BTreeMap<String, Target>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            add_folder(&path, targets)?;
            continue;
        }
        let bytes = fs::read(&path)?;
        let head = &bytes[..bytes.len().min(1024)];
        let name = path.to_string_lossy();
        let reader = match DocumentFormat::detect(&name, "", head) {
            Some(format) => Some(Reader::Document(format)),
            None => Format::detect(&name, None, head).ok().map(Reader::Text),
        };
        if let Some(reader) = reader.filter(|_| (1..=MAX_SEED_BYTES).contains(&bytes.len())) {
            let empty = Target { reader, seeds: Vec::new() };
            targets.entry(reader.name().to_owned()).or_insert(empty).seeds.push(bytes);
        }
    }
    Ok(())
}

impl Reader {
    fn name(self) -> &'static str {
        match self {
            Self::Document(format) => format.extensions()[0],
            Self::Text(format) => format.name(),
        }
    }
}
