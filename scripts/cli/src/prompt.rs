//! Questions to a person at a terminal.

use std::io::{self, IsTerminal as _, Read as _, Write as _};

use console::Term;

use crate::Outcome;
use crate::failure::Failure;

/// Asks for a line.
pub fn ask(question: &str) -> Outcome<String> {
    require_terminal(question)?;
    let mut terminal = Term::stderr();
    write!(terminal, "{question}: ")?;
    Ok(terminal.read_line()?.trim().to_owned())
}

/// Asks for a secret, which is not shown; or reads it from standard input if that is no terminal.
pub fn ask_secret(question: &str) -> Outcome<String> {
    if !io::stdin().is_terminal() {
        let mut secret = String::new();
        io::stdin().read_to_string(&mut secret)?;
        return Ok(secret.trim_end_matches(['\r', '\n']).to_owned());
    }
    let mut terminal = Term::stderr();
    write!(terminal, "{question}: ")?;
    Ok(terminal.read_secure_line()?)
}

/// Asks whether to go on.
pub fn confirm(question: &str) -> Outcome {
    require_terminal(question)?;
    match ask(&format!("{question} [y/N]"))?.to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::Other("nothing was changed".to_owned())),
    }
}

fn require_terminal(question: &str) -> Outcome {
    if io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{question}: nobody can be asked here; give the answer as an argument, see --help"
    )))
}
