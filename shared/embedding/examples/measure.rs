//! Temporary measurement.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement")]
use embedding::{Embedder, EmbedderOptions, OrtRuntime};
use models::ModelRegistry;
use std::{path::Path, time::Instant};

fn rss() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status
        .lines()
        .filter(|l| ["VmHWM", "VmRSS", "RssAnon"].iter().any(|k| l.starts_with(k)))
        .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join(", ")
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (threads, batch_tokens, chunks, repeat): (usize, usize, &str, usize) =
        (args[1].parse().unwrap(), args[2].parse().unwrap(), &args[3], args[4].parse().unwrap());
    let t0 = Instant::now();
    let library = std::env::var_os("ORT_DYLIB_PATH").unwrap();
    let runtime = OrtRuntime::load(Path::new(&library)).unwrap();
    let t1 = Instant::now();
    let registry = ModelRegistry::open(Path::new(&std::env::var_os("MODELS_DIR").unwrap())).unwrap();
    let folder = registry.require("sentence-transformers/all-MiniLM-L6-v2").unwrap();
    let embedder = Embedder::open(&runtime, folder, EmbedderOptions { threads, batch_tokens }).unwrap();
    let t2 = Instant::now();
    embedder.embed_query("what is the boundary layer?").unwrap();
    let t3 = Instant::now();
    println!(
        "library {:?}, open {:?}, first query {:?}, total {:?}; {}",
        t1 - t0,
        t2 - t1,
        t3 - t2,
        t3 - t0,
        rss()
    );
    let mut q: Vec<_> = (0..50)
        .map(|i| {
            let t = Instant::now();
            embedder.embed_query(&format!("what is the boundary layer {i}?")).unwrap();
            t.elapsed()
        })
        .collect();
    q.sort();
    println!("warm query p50 {:?} max {:?}", q[25], q[49]);
    let texts: Vec<String> = serde_json::from_str(&std::fs::read_to_string(chunks).unwrap()).unwrap();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let tokenizer = tokenizers::Tokenizer::from_file(folder.tokenizer_path().unwrap()).unwrap();
    let mut tokenizer = tokenizer;
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).unwrap();
    let t = Instant::now();
    let tokens: usize = texts.iter().map(|t| tokenizer.encode_fast(*t, true).unwrap().len().min(256)).sum();
    println!("{} texts, {tokens} tokens, tokenizing {:?}", texts.len(), t.elapsed());
    for _ in 0..repeat {
        let t = Instant::now();
        embedder.embed_passages(&texts).unwrap();
        println!("{batch_tokens}: {:.0} tokens/s; {}", tokens as f64 / t.elapsed().as_secs_f64(), rss());
    }
}
