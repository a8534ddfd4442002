//! Embeds the same texts repeatedly, for `scripts/bench embed`, which alternates with other programs.
//!
//! `throughput MODELS_DIR LIBONNXRUNTIME MODEL TEXTS.json THREADS`: TEXTS.json is an array of strings.
//! For each line of standard input, which is a quantization, prints the elapsed seconds and the number of vectors.

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
    let options = EmbedderOptions::for_chunks(Some(threads.parse()?));
    let embedders = Embedders::open(ModelRegistry::open(Path::new(models))?, Path::new(library), options)?;
    for line in stdin().lock().lines() {
        let quantization: Quantization = line?.trim().parse()?;
        let embedder = embedders.find(model, quantization)?;
        let started = Instant::now();
        let vectors = embedder.embed_chunks(&texts)?;
        let seconds = started.elapsed().as_secs_f64();
        let mut out = stdout().lock();
        writeln!(out, "{seconds:.6} {}", vectors.len())?;
        out.flush()?;
    }
    Ok(())
}
