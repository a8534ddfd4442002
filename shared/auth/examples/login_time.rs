//! Measures how long a login takes: `cargo run -p auth --example login_time`.
//!
//! Logins with the right password, with a wrong password and for an unknown account alternate, so that load
//! on the machine affects all three alike.

use std::io::Write;
use std::time::{Duration, Instant};

const ROUNDS: usize = 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stored = auth::hash_password("correct horse battery")?;
    let cases = [
        ("right password", "correct horse battery", Some(stored.as_str())),
        ("wrong password", "wrong horse battery", Some(stored.as_str())),
        ("unknown account", "wrong horse battery", None),
    ];
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for ((name, password, stored), times) in cases.iter().zip(&mut times) {
            let started = Instant::now();
            let is_right = auth::verify_password(password, *stored)?;
            times.push(started.elapsed());
            if is_right != (*name == "right password") {
                return Err(format!("verifying a {name} returned {is_right}").into());
            }
        }
    }
    let parameters = auth::password_parameters();
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{parameters}, {ROUNDS} logins each, milliseconds")?;
    for ((name, _, _), times) in cases.iter().zip(&mut times) {
        times.sort_unstable();
        let milliseconds = |time: &Duration| time.as_secs_f64() * 1000.0;
        let (Some(minimum), Some(median)) = (times.first(), times.get(times.len() / 2)) else {
            continue;
        };
        writeln!(
            stdout,
            "{name:16} median {:6.1}  minimum {:6.1}",
            milliseconds(median),
            milliseconds(minimum)
        )?;
    }
    Ok(())
}
