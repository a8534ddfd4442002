//! Megabytes of text a second, this crate against the `text-splitter` crate with the same
//! tokenizer, window and thread, in one run.
//!
//! `cargo run --release --manifest-path scripts/chunking_bench/Cargo.toml -- [FOLDER] [CHUNK_SIZE]`
//!
//! Reads the text files of FOLDER (default: this repository). The rival gets the first 512 KiB of
//! them only, since it is slow; the ratio is taken on that part, with nothing remembered yet.
//! Last line: one JSON object.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use chunking::{Chunker, ChunkingParameters, Layout, ModelTokenizer, Strategy};
use text_splitter::{ChunkConfig, ChunkSizer, TextSplitter};
use tokenizers::Tokenizer;

const RIVAL_BYTES: usize = 512 * 1024;
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// The sizer of text-splitter's own `tokenizers` feature, which would switch every crate of this
/// workspace to another regex engine.
struct Sizer(Tokenizer);

impl ChunkSizer for Sizer {
    fn size(&self, chunk: &str) -> usize {
        // No text that the corpus holds is refused by a WordPiece tokenizer.
        self.0.encode_fast(chunk, false).map_or(usize::MAX, |encoding| encoding.len())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(|| root.clone(), PathBuf::from);
    let size: u32 = arguments.next().map_or(Ok(256), |size| size.parse())?;
    let overlap = size / 5;
    let models = std::env::var_os("MODELS_DIR").map_or_else(|| root.join(".local/models"), PathBuf::from);
    let path = models.join("all-MiniLM-L6-v2/tokenizer.json");

    let mut texts = Vec::new();
    read_texts(&folder, &mut texts)?;
    let mut room = RIVAL_BYTES;
    let mut part: Vec<&str> = Vec::new();
    for text in &texts {
        let start = &text[..text.floor_char_boundary(room)];
        room -= start.len();
        part.extend((!start.is_empty()).then_some(start));
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} files, {} MB; chunk_size {size}, overlap {overlap}", texts.len(), megabytes(&texts))?;

    let parameters = ChunkingParameters::new(Strategy::Recursive, Layout::Prose, size, overlap, size)?;
    let ours = ModelTokenizer::open(&path)?;
    let ours_part = rate(&part, || chunk_all(&ours, parameters, &part))?;
    writeln!(out, "chunking, first part, cold   {ours_part:8.2} MB/s")?;

    let mut tokenizer = Tokenizer::from_file(&path).map_err(|error| error.to_string())?;
    tokenizer.with_truncation(None).map_err(|error| error.to_string())?;
    tokenizer.with_padding(None);
    // Its capacity counts no special tokens: two fewer are the same window.
    let config =
        ChunkConfig::new(size as usize - 2).with_sizer(Sizer(tokenizer)).with_overlap(overlap as usize)?;
    let splitter = TextSplitter::new(config);
    let rival = rate(&part, || Ok(part.iter().map(|text| splitter.chunks(text).count()).sum()))?;
    writeln!(out, "text-splitter, first part    {rival:8.2} MB/s")?;

    let all: Vec<&str> = texts.iter().map(String::as_str).collect();
    let ours_all = rate(&all, || chunk_all(&ours, parameters, &all))?;
    writeln!(out, "chunking, everything         {ours_all:8.2} MB/s")?;
    writeln!(
        out,
        "{{\"chunking\": {{\"value\": {ours_part:.2}, \"unit\": \"MB/s\", \"baseline\": {rival:.3}, \"ratio\": {:.1}, \"target\": 25, \"met\": {}}}}}",
        ours_part / rival,
        ours_part / rival >= 25.0
    )?;
    Ok(())
}

fn chunk_all(
    tokenizer: &ModelTokenizer,
    parameters: ChunkingParameters,
    texts: &[&str],
) -> Result<usize, Box<dyn Error>> {
    let mut chunks = 0;
    for text in texts {
        let mut chunker = Chunker::new(tokenizer, None, parameters)?;
        chunks += chunker.push(text)?.len() + chunker.finish()?.len();
    }
    Ok(chunks)
}

/// Megabytes a second.
fn rate(texts: &[&str], work: impl FnOnce() -> Result<usize, Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    let started = Instant::now();
    let chunks = work()?;
    let seconds = started.elapsed().as_secs_f64();
    if chunks == 0 {
        return Err("the folder has no text files (.md, .txt, .rs, .py, .jsonl)".into());
    }
    Ok(bytes as f64 / 1e6 / seconds)
}

fn megabytes(texts: &[String]) -> usize {
    texts.iter().map(String::len).sum::<usize>() / 1_000_000
}

fn read_texts(folder: &Path, texts: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || name == "target" || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            read_texts(&path, texts)?;
        } else if name.ends_with(".md")
            || name.ends_with(".txt")
            || name.ends_with(".rs")
            || name.ends_with(".py")
            || name.ends_with(".jsonl")
        {
            if texts.iter().map(String::len).sum::<usize>() > MAX_BYTES {
                return Ok(());
            }
            texts.extend(String::from_utf8(std::fs::read(&path)?));
        }
    }
    Ok(())
}
