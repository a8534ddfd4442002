//! Repositories, made with git itself.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A bare repository `r.git` in a folder of its own.
#[derive(Debug)]
pub struct GitRepository {
    /// The folder that it is in.
    pub folder: TempDir,
}

/// What a commit does to a path.
#[derive(Debug)]
pub enum GitChange<'a> {
    /// Writes a file with this content.
    Write(&'a str, &'a [u8]),
    /// Deletes a file.
    Delete(&'a str),
    /// Makes a symbolic link to this target.
    Link(&'a str, &'a str),
    /// Adds a submodule, with the id of a commit of another repository.
    Submodule(&'a str, &'a str),
}

impl GitRepository {
    /// An empty one that answers partial clones.
    pub fn create() -> Self {
        let repository = Self { folder: tempfile::tempdir().unwrap() };
        repository.git(&["init", "--quiet", "--bare", "--initial-branch=main", "."], b"");
        repository.git(&["config", "uploadpack.allowFilter", "true"], b"");
        repository
    }

    /// Its own folder.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("r.git")
    }

    /// Commits to a branch and returns the commit's id.
    pub fn commit(&self, branch: &str, changes: &[GitChange<'_>]) -> String {
        let reference = format!("refs/heads/{branch}");
        let mut stream = format!(
            "commit {reference}\ncommitter Grace <grace@example.org> 1700000000 +0000\ndata 4\ntest\n"
        )
        .into_bytes();
        if self.succeeds(&["rev-parse", "--quiet", "--verify", &reference]) {
            stream.extend_from_slice(format!("from {reference}^0\n").as_bytes());
        }
        for change in changes {
            match change {
                GitChange::Write(path, content) => write_file(&mut stream, "100644", path, content),
                GitChange::Link(path, target) => write_file(&mut stream, "120000", path, target.as_bytes()),
                GitChange::Delete(path) => stream.extend_from_slice(format!("D {path}\n").as_bytes()),
                GitChange::Submodule(path, id) => {
                    stream.extend_from_slice(format!("M 160000 {id} {path}\n").as_bytes());
                }
            }
        }
        self.git(&["fast-import", "--quiet"], &stream);
        self.git(&["rev-parse", &reference], b"").trim().to_owned()
    }

    /// Runs git in it and returns what that prints.
    ///
    /// # Panics
    /// Panics if git fails.
    pub fn git(&self, arguments: &[&str], input: &[u8]) -> String {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    fn succeeds(&self, arguments: &[&str]) -> bool {
        self.command(arguments).stdout(Stdio::null()).status().unwrap().success()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        std::fs::create_dir_all(self.path()).unwrap();
        let mut command = Command::new("git");
        command.current_dir(self.path()).args(arguments);
        for (name, value) in [
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_AUTHOR_NAME", "Grace"),
            ("GIT_AUTHOR_EMAIL", "grace@example.org"),
            ("GIT_COMMITTER_NAME", "Grace"),
            ("GIT_COMMITTER_EMAIL", "grace@example.org"),
        ] {
            command.env(name, value);
        }
        command
    }
}

fn write_file(stream: &mut Vec<u8>, mode: &str, path: &str, content: &[u8]) {
    stream.extend_from_slice(format!("M {mode} inline {path}\ndata {}\n", content.len()).as_bytes());
    stream.extend_from_slice(content);
    stream.push(b'\n');
}
