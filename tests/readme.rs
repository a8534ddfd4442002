//! The README's shell commands work as they are printed, copied and pasted into one shell.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use testkit::{Stack, TestUser};

/// The account and the collection that the README's commands create.
const USERNAME: &str = "ada";
const PASSWORD: &str = "correct horse battery";
const COLLECTION: &str = "notes";

#[tokio::test]
async fn its_commands_find_the_uploaded_file() {
    delete_results_of_an_earlier_run().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let commands = shell_blocks(&readme);
    assert_eq!(commands.len(), 4, "sign in, create, upload, search: {commands:#?}");

    // As a person's shell would, it goes on after a failed command: signing up twice is one.
    let output = Command::new("bash").current_dir(root).arg("-c").arg(commands.join("\n")).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let diagnostics = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{diagnostics}");
    assert_eq!(diagnostics, "");
    let response: Value = serde_json::from_str(printed.lines().last().unwrap_or_default())
        .unwrap_or_else(|error| panic!("{error}: {printed}"));
    let result = &response["results"][0];
    assert_eq!(result["file_path"], "tides.md", "{printed}");
    assert_eq!(result["text"], "The Moon lifts the sea twice a day.", "{printed}");
    assert!(printed.lines().any(|line| line == "completed"), "the wait prints how it ended: {printed}");
}

/// The fenced blocks marked `sh`, in order. Blocks without the mark are not commands for this shell.
fn shell_blocks(markdown: &str) -> Vec<String> {
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

/// Deletes the README's collection, if an earlier run on the same stack has created it.
async fn delete_results_of_an_earlier_run() {
    let mut user = TestUser::anonymous(&Stack::from_env());
    let response = user.post("/api/auth/login", &json!({ "username": USERNAME, "password": PASSWORD })).await;
    if response.status == 401 {
        return;
    }
    user.access_token = response.expect(200)["access_token"].as_str().unwrap().to_owned();
    let listed = user.get(&format!("/api/v2/collections?search={COLLECTION}")).await.expect(200);
    for collection in listed["collections"].as_array().unwrap() {
        if collection["name"] == COLLECTION {
            let id = collection["id"].as_str().unwrap();
            user.delete(&format!("/api/v2/collections/{id}")).await.expect(204);
        }
    }
}
