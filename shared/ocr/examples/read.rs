//! Reads pictures, and prints the text of each with its processor time and the peaks of the process's memory:
//!
//! `cargo run --release -p ocr --example read -- LIBONNXRUNTIME MODELS PICTURE...`

#![expect(clippy::print_stdout, reason = "a command")]

use std::error::Error;
use std::fs;

use ocr::Recognizer;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let mut argument = || arguments.next().ok_or("usage: read LIBONNXRUNTIME MODELS PICTURE...");
    let (onnxruntime, models) = (argument()?, argument()?);
    let before = cpu_seconds()?;
    let recognizer = Recognizer::open(onnxruntime.as_ref(), models.as_ref())?;
    println!("opened: {:.1} CPU s, {}", cpu_seconds()? - before, memory()?);
    for path in arguments {
        let picture = image::open(&path)?.into_rgb8();
        let before = cpu_seconds()?;
        let text = recognizer.read(picture)?;
        println!("=== {}: {:.1} CPU s, {}\n{text}", path.display(), cpu_seconds()? - before, memory()?);
    }
    Ok(())
}

/// The processor time of this process: the kernel counts in hundredths of seconds.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/stat")?;
    let fields = status.rsplit(')').next().unwrap_or_default().split_whitespace();
    let times: Result<Vec<f64>, _> = fields.skip(11).take(2).map(str::parse).collect();
    Ok(times?.iter().sum::<f64>() / 100.0)
}

/// The peaks of the address space and of the memory in use.
fn memory() -> Result<String, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let peaks = status.lines().filter(|line| line.starts_with("VmPeak") || line.starts_with("VmHWM"));
    Ok(peaks.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", "))
}
