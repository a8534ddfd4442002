//! The shell commands of the README and the API guide work as they are printed, copied and pasted into one shell.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use testkit::{Stack, TestUser};

/// The account and the collection that the commands of the API guide create.
const USERNAME: &str = "ada";
const PASSWORD: &str = "correct horse battery";
const COLLECTION: &str = "notes";
/// The collection that the commands of the README create, as the administrator of the stack.
const GUIDES: &str = "guides";

#[tokio::test]
async fn the_first_calls_of_the_api_guide_find_the_uploaded_file() {
    delete_results_of_an_earlier_run(USERNAME, PASSWORD, COLLECTION).await;
    let commands = shell_blocks("docs/api.md");
    assert_eq!(commands.len(), 4, "sign in, create, upload, search: {commands:#?}");
    let printed = paste(&commands);
    let response: Value = serde_json::from_str(printed.lines().last().unwrap_or_default())
        .unwrap_or_else(|error| panic!("{error}: {printed}"));
    let result = &response["results"][0];
    assert_eq!(result["file_path"], "tides.md", "{printed}");
    assert_eq!(result["text"], "The Moon lifts the sea twice a day.", "{printed}");
    assert!(printed.lines().any(|line| line == "completed"), "the wait prints how it ended: {printed}");
}

#[tokio::test]
async fn the_commands_of_the_readme_find_a_passage_of_the_documentation() {
    let administrator = Stack::administrator();
    delete_results_of_an_earlier_run(&administrator.0, &administrator.1, GUIDES).await;
    let commands = shell_blocks("README.md");
    assert_eq!(commands.len(), 1, "upload and search: {commands:#?}");
    let printed = paste(&commands);
    assert!(printed.contains(", all searchable\n 1. "), "{printed}");
    assert!(printed.contains("  docs/api.md, line"), "{printed}");
}

/// Runs blocks in one shell of a new user; returns what they print.
///
/// As a person's shell would, it goes on after a failed command: signing up twice is one.
fn paste(commands: &[String]) -> String {
    let home = tempfile::tempdir().unwrap();
    let mut shell = Command::new("bash");
    shell.current_dir(root()).env("XDG_STATE_HOME", home.path()).env("XDG_CONFIG_HOME", home.path());
    let output = shell.arg("-c").arg(commands.join("\n")).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let diagnostics = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{diagnostics}");
    let problems: Vec<&str> = diagnostics.lines().filter(|line| !is_progress(line)).collect();
    assert!(problems.is_empty(), "{diagnostics}");
    printed
}

/// Where there is no terminal, progress is a line every few seconds.
fn is_progress(line: &str) -> bool {
    line.split_once(" of ").is_some_and(|(done, _)| done.chars().all(|character| character.is_ascii_digit()))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The fenced blocks of a file marked `sh`, in order. Blocks without the mark are not commands for this shell.
fn shell_blocks(file: &str) -> Vec<String> {
    let markdown = std::fs::read_to_string(root().join(file)).unwrap();
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in markdown.lines() {
        match &mut open {
            None if line == "```sh" => open = Some(String::new()),
            None => {}
            Some(_) if line == "```" => blocks.extend(open.take()),
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// Deletes the collection of the commands, if an earlier run on the same stack has created it.
async fn delete_results_of_an_earlier_run(username: &str, password: &str, name: &str) {
    let mut user = TestUser::anonymous(&Stack::from_env());
    let response = user.post("/api/auth/login", &json!({ "username": username, "password": password })).await;
    if response.status == 401 {
        return;
    }
    user.access_token = response.expect(200)["access_token"].as_str().unwrap().to_owned();
    let listed = user.get(&format!("/api/v2/collections?owner=me&search={name}")).await.expect(200);
    for collection in listed["collections"].as_array().unwrap() {
        if collection["name"] == name {
            let id = collection["id"].as_str().unwrap();
            user.delete(&format!("/api/v2/collections/{id}")).await.expect(204);
        }
    }
}
