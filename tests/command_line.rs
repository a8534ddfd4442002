//! The command line, as a person or a script uses it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use testkit::{Stack, TestUser, unique};

const TIDES: &str = "The Moon lifts the sea twice a day.";
const BREAD: &str = "A sourdough starter is flour and water in which wild yeast lives.";

/// A person at a machine of their own: a home folder, a folder of documents, the variables of an account.
struct Person {
    home: TempDir,
    variables: Vec<(&'static str, String)>,
    user: TestUser,
}

impl Person {
    async fn new() -> Self {
        let stack = Stack::from_env();
        let user = TestUser::register(&stack).await;
        let variables = vec![
            ("SEMANTIK_URL", stack.api_url.clone()),
            ("SEMANTIK_USERNAME", user.username.clone()),
            ("SEMANTIK_PASSWORD", user.password.clone()),
        ];
        Self { home: tempfile::tempdir().unwrap(), variables, user }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(self.home.path()).env_clear().env("HOME", self.home.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the command line; returns its exit status and output.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command(arguments).stdin(Stdio::null()).output().unwrap();
        texts(&output)
    }

    /// Runs a command that succeeds; returns what it prints.
    #[track_caller]
    fn succeed(&self, arguments: &[&str]) -> String {
        let (status, printed, remarks) = self.run(arguments);
        assert_eq!(status, 0, "{arguments:?}: {printed}{remarks}");
        printed
    }

    /// Runs a command that succeeds with `--json`; returns the value.
    #[track_caller]
    fn value(&self, arguments: &[&str]) -> Value {
        let printed = self.succeed(&[arguments, &["--json"]].concat());
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
    }
}

/// The binary is beside the tests: `scripts/stack up` builds all of them.
pub fn binary() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let binary = tests.parent().and_then(Path::parent).unwrap().join("semantik");
    assert!(binary.exists(), "{} is missing; run scripts/stack up", binary.display());
    binary
}

fn texts(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn a_folder_is_uploaded_searched_and_mirrored() {
    let person = Person::new().await;
    let name = unique("docs");
    for (file, content) in [
        ("docs/nature/tides.md", TIDES),
        ("docs/kitchen/bread.md", BREAD),
        ("docs/old.md", "A mutex lets one thread at a time into a critical section."),
        ("docs/.gitignore", "target\n"),
        ("docs/target/built.md", "Not a document."),
        ("docs/photo.gif", "GIF89a"),
    ] {
        person.write(file, content);
    }
    let upload = ["upload", "docs", "-c", &name, "--wait"];
    let (status, _, remarks) = person.run(&upload);
    assert_eq!(status, 1, "there is no such collection");
    assert!(remarks.contains("--create creates it"), "{remarks}");

    let planned = person.succeed(&["upload", "docs", "-c", &name, "--create", "--dry-run"]);
    assert!(planned.contains("upload docs/old.md\n") && !planned.contains("target"), "{planned}");
    assert_eq!(person.value(&["collections", "list"]), serde_json::json!([]), "nothing was done");

    let printed = person.succeed(&[&upload[..], &["--create"]].concat());
    assert!(printed.contains("refused: docs/photo.gif: ") && printed.contains("cannot be read"), "{printed}");
    assert!(
        printed.contains("uploaded 3 files (") && printed.ends_with("1 refused, all searchable\n"),
        "{printed}"
    );

    // Only what has changed.
    let report = person.value(&["upload", "docs", "-c", &name, "--exclude", "*.gif"]);
    assert_eq!((&report["uploaded"], &report["unchanged"]), (&0.into(), &3.into()), "{report}");
    person.write("docs/nature/tides.md", &format!("{TIDES} The Sun helps."));
    std::fs::remove_file(person.path("docs/old.md")).unwrap();
    let report = person.value(&[&upload[..], &["--delete", "--exclude", "*.gif"]].concat());
    assert_eq!(
        (&report["uploaded"], &report["unchanged"], &report["deleted"], &report["not_indexed"]),
        (&1.into(), &1.into(), &1.into(), &serde_json::json!([])),
        "{report}"
    );

    let found = person.value(&["search", "why does the sea level change?", "-c", &name]);
    let paths: Vec<&str> = found["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["file_path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["docs/nature/tides.md", "docs/kitchen/bread.md"], "without the deleted one");
    let printed = person.succeed(&["search", "the", "sea", "-c", &name, "--path", "docs/nature"]);
    assert!(printed.starts_with(" 1. ") && printed.contains("docs/nature/tides.md, line 1"), "{printed}");
    assert!(printed.contains("The Sun helps.") && printed.contains("http"), "{printed}");
    assert!(!printed.contains('\u{1b}'), "no colours where no terminal is: {printed:?}");

    let (status, printed, _) = person.run(&["upload", "docs", "-c", &name, "--strict"]);
    assert_eq!(status, 1, "{printed}");
    assert!(person.succeed(&["integrity", &name]).starts_with("everything agrees ("));
    person.succeed(&["collections", "delete", &name, "--yes"]);
}

#[tokio::test]
async fn files_that_cannot_be_indexed_fail_the_command_and_are_named() {
    let person = Person::new().await;
    let name = unique("docs");
    person.write("docs/good.md", TIDES);
    person.write("docs/damaged.pdf", "%PDF-1.7 and no more");
    let (status, printed, remarks) = person.run(&["upload", "docs", "-c", &name, "--create", "--wait"]);
    assert_eq!(status, 1, "{printed}{remarks}");
    assert!(printed.contains("not indexed: docs/damaged.pdf: "), "{printed}");
    // It stays a failure until it is repaired, though nothing is left to upload.
    let (status, printed, _) = person.run(&["upload", "docs", "-c", &name, "--wait", "--json"]);
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(
        (status, &report["uploaded"], &report["not_indexed"][0]["name"]),
        (1, &0.into(), &"docs/damaged.pdf".into())
    );
}

#[tokio::test]
async fn documents_are_pushed_from_standard_input() {
    use std::io::Write as _;

    let person = Person::new().await;
    let collection = person.user.create_collection().await;
    let arguments =
        ["push", "crm://tickets/17", "-c", &collection, "--title", "Tides", "--meta", "open=true", "--wait"];
    let mut child = person
        .command(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(TIDES.as_bytes()).unwrap();
    let (status, printed, remarks) = texts(&child.wait_with_output().unwrap());
    assert_eq!(status, 0, "{printed}{remarks}");
    assert!(printed.starts_with("crm://tickets/17 is searchable"), "{printed}");
    let found = person.value(&["search", "the sea", "-c", &collection, "--meta", "open=true"]);
    assert_eq!(found["results"][0]["title"], "Tides");
    let found = person.value(&["search", "the sea", "-c", &collection, "--meta", "open=false"]);
    assert_eq!(found["results"], serde_json::json!([]));
}

#[tokio::test]
async fn signing_in_is_remembered_until_signing_out() {
    let mut person = Person::new().await;
    let printed = person.succeed(&["login"]);
    assert!(printed.contains("profile default"), "{printed}");
    let key = person.succeed(&["keys", "create", "reader", "--scope", "read"]);
    assert!(key.starts_with("smtk_"), "{key}");

    // Without variables, by the profile.
    let variables = std::mem::take(&mut person.variables);
    person.succeed(&["collections", "list"]);
    let listed = person.value(&["keys", "list"]);
    assert_eq!((&listed[0]["name"], &listed[0]["scope"]), (&"reader".into(), &"read".into()));
    person.succeed(&["logout"]);
    let (status, _, remarks) = person.run(&["collections", "list"]);
    assert_eq!(status, 3, "{remarks}");
    assert!(remarks.contains("semantik login"), "{remarks}");

    // By a key, until it is revoked.
    let url = variables[0].clone();
    let with_key = vec![url, ("SEMANTIK_API_KEY", key.trim().to_owned())];
    person.variables.clone_from(&with_key);
    person.succeed(&["collections", "list"]);
    let (status, _, remarks) = person.run(&["collections", "create", "forbidden"]);
    assert_eq!(status, 1, "a key that may read only: {remarks}");
    person.variables = variables;
    person.succeed(&["keys", "revoke", "reader"]);
    person.variables = with_key;
    assert_eq!(person.run(&["collections", "list"]).0, 3);
}

#[tokio::test]
async fn exit_statuses_tell_what_is_wrong() {
    let mut person = Person::new().await;
    assert_eq!(person.run(&["upload"]).0, 2, "arguments are missing");
    assert_eq!(person.run(&["upload", "missing", "-c", "c"]).0, 2, "a path is missing");
    assert_eq!(person.run(&["search", "anything", "-c", "missing"]).0, 1);
    assert_eq!(person.run(&["collections", "delete", "c"]).0, 1, "no such collection");
    assert!(person.succeed(&["completions", "bash"]).contains("complete -F _semantik"));
    person.variables = vec![("SEMANTIK_URL", "http://127.0.0.1:1".to_owned())];
    assert_eq!(person.run(&["collections", "list"]).0, 3);
}

#[tokio::test]
async fn a_reader_that_goes_ends_the_command_silently() {
    let person = Person::new().await;
    // Closed before anything is written.
    let mut child = person
        .command(&["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let (status, _, remarks) = texts(&child.wait_with_output().unwrap());
    assert_eq!((status, remarks.as_str()), (141, ""));
}
