//! Parses damaged variants of files, and prints one JSON line per format with what happened.
//!
//! ```text
//! cargo run -p parsers --example fuzz -- SEEDS SECONDS SEED FAILURES [FORMAT…]
//! ```
//!
//! SEEDS is a folder of valid files, which are sorted by format and mutated; the formats share SECONDS. Equal SEEDs
//! make equal inputs. Inputs that panic, abort or hang go to the folder FAILURES. All inputs of a format run in one
//! process, in the dev profile with checks for overflow, with the memory limit of a function; it is started again when
//! it ends. A panic does not end it: the child process catches those, too. What does is a crash.
//!
//! All readers are covered: parsers of documents, those of text (crate `extraction`), and the decoders of images. If
//! ORT_DYLIB_PATH names ONNX Runtime and OCR_MODELS the folder of the models, images are also read. PDF documents need
//! the library that PDFIUM_LIBRARY names.

#![expect(clippy::print_stdout, reason = "an example prints")]

mod mutation;
mod target;
mod worker;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use mutation::input;
use target::Target;

/// An input that takes longer hangs. Honest seeds take milliseconds; OCR of an image that claims many pixels takes most of
/// a minute, where the machine has other work, too.
const INPUT_TIMEOUT: Duration = Duration::from_secs(120);

/// Inputs of one format that are saved.
const MAX_SAVED: usize = 50;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [worker::COMMAND, seeds, format, seed, first] => {
            worker::run(&target::of_folder(Path::new(seeds))?, format, seed.parse()?, first.parse()?)?;
        }
        [seeds, seconds, seed, failures, formats @ ..] => {
            let mut targets = target::of_folder(Path::new(seeds))?;
            targets.retain(|name, _target| formats.is_empty() || formats.contains(&name.as_str()));
            let share = Duration::from_secs(seconds.parse()?) / u32::try_from(targets.len().max(1))?;
            let failures = PathBuf::from(failures);
            fs::create_dir_all(&failures)?;
            for (name, target) in &targets {
                let fuzzing = Fuzzing { seeds, name, target, seed: seed.parse()?, failures: &failures };
                println!("{}", fuzzing.run(share)?);
            }
        }
        _ => return Err("usage: fuzz SEEDS SECONDS SEED FAILURES [FORMAT…]".into()),
    }
    Ok(ExitCode::SUCCESS)
}

/// The fuzzing of one format.
struct Fuzzing<'a> {
    seeds: &'a str,
    name: &'a str,
    target: &'a Target,
    seed: u64,
    failures: &'a Path,
}

/// What became of the inputs.
#[derive(Default)]
struct Counts {
    inputs: u64,
    saved: usize,
    /// By their places.
    panics: BTreeMap<String, u64>,
    /// Ends of the process by their reasons, and errors that are not the document's.
    crashes: BTreeMap<String, u64>,
    slowest: Slowest,
}

/// The input that took the longest time.
#[derive(Default)]
struct Slowest {
    milliseconds: u64,
    number: u64,
}

impl Fuzzing<'_> {
    fn run(&self, share: Duration) -> Result<Value, Box<dyn Error>> {
        let started = Instant::now();
        let mut counts = Counts::default();
        while started.elapsed() < share {
            self.run_worker(started + share, &mut counts)?;
        }
        let Counts { inputs, panics, crashes, slowest, .. } = counts;
        Ok(json!({
            "format": self.name,
            "seeds": self.target.seeds.len(),
            "inputs": inputs,
            "panics": panics,
            "crashes": crashes,
            "slowest_ms": slowest.milliseconds,
            "slowest_input": slowest.number,
        }))
    }

    /// Runs a worker until it ends, hangs or the time is over.
    fn run_worker(&self, end: Instant, counts: &mut Counts) -> Result<(), Box<dyn Error>> {
        let first = counts.inputs;
        let mut child = Command::new(std::env::current_exe()?)
            .args([worker::COMMAND, self.seeds, self.name, &self.seed.to_string(), &first.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let lines = lines_of(&mut child)?;
        let mut current = None;
        loop {
            let wait = INPUT_TIMEOUT.min(end.saturating_duration_since(Instant::now()));
            match lines.recv_timeout(wait) {
                Ok(line) => {
                    let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
                    match word {
                        worker::STARTED => {
                            current = Some(rest.parse()?);
                            counts.inputs += 1;
                        }
                        worker::SLOW => {
                            let milliseconds = rest.parse()?;
                            if let Some(number) = current
                                && milliseconds > counts.slowest.milliseconds
                            {
                                counts.slowest = Slowest { milliseconds, number };
                            }
                        }
                        _ => self.record(&line, current, counts)?,
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    child.kill()?;
                    child.wait()?;
                    if wait == INPUT_TIMEOUT {
                        self.record("hang", current, counts)?;
                    }
                    return Ok(());
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let ended = child.wait_with_output()?;
                    if ended.status.success() {
                        return Ok(());
                    }
                    let messages = String::from_utf8_lossy(&ended.stderr);
                    let is_memory =
                        messages.contains("memory allocation of") || messages.contains("bad_alloc");
                    let what = if is_memory { "out of memory".to_owned() } else { ended.status.to_string() };
                    return self.record(&what, current, counts);
                }
            }
        }
    }

    fn record(
        &self,
        what: &str,
        input_number: Option<u64>,
        counts: &mut Counts,
    ) -> Result<(), Box<dyn Error>> {
        let number =
            input_number.ok_or_else(|| format!("the worker failed before its first input: {what}"))?;
        let group = if what.starts_with(worker::PANIC) { &mut counts.panics } else { &mut counts.crashes };
        let known = group.entry(what.to_owned()).or_default();
        *known += 1;
        if *known <= 3 && counts.saved < MAX_SAVED {
            counts.saved += 1;
            let path = self.failures.join(format!("{}-{}-{number}", self.name.replace(' ', "_"), self.seed));
            fs::write(path, input(&self.target.seeds, self.seed, number))?;
        }
        Ok(())
    }
}

/// Returns the lines that a child writes, until its output ends.
fn lines_of(child: &mut Child) -> Result<Receiver<String>, Box<dyn Error>> {
    let output = child.stdout.take().ok_or("the worker has no output")?;
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    Ok(receiver)
}
