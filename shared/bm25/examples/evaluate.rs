//! Measures how well BM25 finds the relevant texts of test collections, and how many bytes of text it reads per
//! second.
//!
//! `cargo run --release -p bm25 --example evaluate -- FOLDER...`, where each folder is in BEIR form: corpus.jsonl
//! (`_id`, `title`, `text`), queries.jsonl (`_id`, `text`) and qrels.tsv (query, text, relevance, after a header).
//! Texts are weighted as chunks are, and terms by the IDF that Qdrant computes.

#![expect(clippy::print_stdout, reason = "the result of the measurement")]

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;

use bm25::{TermWeights, chunk_terms, query_terms};
use serde_json::Value;

/// The rank down to which results count.
const DEPTH: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "{:<24} {:>7} {:>7} {:>8} {:>11} {:>8}",
        "collection", "texts", "queries", "nDCG@10", "terms/text", "MB/s"
    );
    for folder in std::env::args().skip(1) {
        measure(Path::new(&folder))?;
    }
    Ok(())
}

fn measure(folder: &Path) -> Result<(), Box<dyn Error>> {
    let texts = read(&folder.join("corpus.jsonl"))?;
    let started = Instant::now();
    let index = Index::new(texts.iter().map(|(_, text)| chunk_terms(text)).collect());
    let seconds = started.elapsed().as_secs_f64();
    let bytes: usize = texts.iter().map(|(_, text)| text.len()).sum();

    let position: HashMap<&str, usize> =
        texts.iter().enumerate().map(|(position, (id, _))| (id.as_str(), position)).collect();
    let mut relevant: HashMap<String, HashMap<usize, f64>> = HashMap::new();
    for line in fs::read_to_string(folder.join("qrels.tsv"))?.lines().skip(1) {
        let [query, text, relevance] = line.split('\t').collect::<Vec<_>>()[..] else {
            return Err(format!("not a judgement: {line:?}").into());
        };
        if let Some(position) = position.get(text) {
            relevant.entry(query.to_owned()).or_default().insert(*position, relevance.parse()?);
        }
    }
    let mut total = 0.0;
    let mut queries = 0.0;
    for (id, text) in read(&folder.join("queries.jsonl"))? {
        let Some(judged) = relevant.get(&id) else { continue };
        total += ndcg(&index.search(&query_terms(&text)), judged);
        queries += 1.0;
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    println!(
        "{name:<24} {:>7} {queries:>7} {:>8.4} {:>11.1} {:>8.2}",
        texts.len(),
        total / queries,
        index.postings.values().map(Vec::len).sum::<usize>() as f64 / texts.len() as f64,
        bytes as f64 / 1e6 / seconds,
    );
    Ok(())
}

/// Returns the id of each line, and its title and text.
fn read(path: &Path) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let mut found = Vec::new();
    for line in fs::read_to_string(path)?.lines() {
        let line: Value = serde_json::from_str(line)?;
        let field = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        found.push((field("_id"), format!("{} {}", field("title"), field("text"))));
    }
    Ok(found)
}

/// The texts that contain each term, with its weight.
struct Index {
    texts: usize,
    postings: HashMap<u32, Vec<(usize, f32)>>,
}

impl Index {
    fn new(texts: Vec<TermWeights>) -> Self {
        let mut postings: HashMap<u32, Vec<(usize, f32)>> = HashMap::new();
        for (position, terms) in texts.iter().enumerate() {
            for (id, weight) in terms.ids.iter().zip(&terms.weights) {
                postings.entry(*id).or_default().push((position, *weight));
            }
        }
        Self { texts: texts.len(), postings }
    }

    /// Returns the best texts, best first.
    fn search(&self, query: &TermWeights) -> Vec<usize> {
        let mut scores = vec![0.0; self.texts];
        for (id, weight) in query.ids.iter().zip(&query.weights) {
            let Some(found) = self.postings.get(id) else { continue };
            let idf = ((self.texts - found.len()) as f64 + 0.5) / (found.len() as f64 + 0.5);
            for (position, own) in found {
                scores[*position] += f64::from(*own) * f64::from(*weight) * (1.0 + idf).ln();
            }
        }
        let mut best: Vec<usize> = (0..self.texts).filter(|position| scores[*position] > 0.0).collect();
        best.sort_by(|left, right| scores[*right].total_cmp(&scores[*left]).then(left.cmp(right)));
        best.truncate(DEPTH);
        best
    }
}

fn ndcg(found: &[usize], judged: &HashMap<usize, f64>) -> f64 {
    let discounted = |relevance: &[f64]| -> f64 {
        relevance.iter().zip(2..).map(|(relevance, rank)| relevance / f64::from(rank).log2()).sum()
    };
    let gains: Vec<f64> =
        found.iter().map(|position| judged.get(position).copied().unwrap_or_default()).collect();
    let mut ideal: Vec<f64> = judged.values().copied().collect();
    ideal.sort_by(|left, right| right.total_cmp(left));
    ideal.truncate(DEPTH);
    discounted(&gains) / discounted(&ideal)
}
