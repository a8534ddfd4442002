//! Embeds the same texts as often as it is told, for `scripts/bench embed`, which lets others do the
//! same in between.
//!
//! `throughput MODELS_DIR LIBONNXRUNTIME MODEL TEXTS.json THREADS`: TEXTS.json is an array of strings.
//! Each line of standard input names a quantization; the answer is a line with the seconds it took.

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use std::path::Path;
use std::time::Instant;

use domain::Quantization;
use embedding::{EmbedderOptions, Embedders};
use models::ModelRegistry;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [models, library, model, texts, threads] = arguments.as_slice() else {
        return Err("throughput MODELS_DIR LIBONNXRUNTIME MODEL TEXTS.json THREADS".into());
    };
    let texts: Vec<String> = serde_json::from_slice(&std::fs::read(texts)?)?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let options = EmbedderOptions::for_passages(Some(threads.parse()?));
    let embedders = Embedders::open(ModelRegistry::open(Path::new(models))?, Path::new(library), options)?;
    for line in stdin().lock().lines() {
        let quantization: Quantization = line?.trim().parse()?;
        let embedder = embedders.find(model, quantization)?;
        let started = Instant::now();
        let vectors = embedder.embed_passages(&texts)?;
        let seconds = started.elapsed().as_secs_f64();
        let mut out = stdout().lock();
        writeln!(out, "{seconds:.6} {}", vectors.len())?;
        out.flush()?;
    }
    Ok(())
}
