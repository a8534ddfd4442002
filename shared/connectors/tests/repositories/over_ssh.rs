//! Over SSH.

use std::path::Path;

use connectors::{ConnectorError, Unlisted};
use domain::{Classify, ErrorKind, SecretType};
use serde_json::json;

use crate::ssh_server::SshServer;
use crate::{connectors, list_all, paths, read_all, source};
use testkit::{GitChange, GitRepository};

#[tokio::test]
async fn keys_sign_in_and_files_are_read() {
    let repository = GitRepository::create();
    let commit = repository
        .commit("main", &[GitChange::Write("a.md", b"alpha\n"), GitChange::Write("it's/b.md", b"beta\n")]);
    let server = SshServer::start("GIT_PROTOCOL");
    let connectors = connectors();
    let settings = json!({ "url": server.url(&repository.path()), "host_key": server.host_key });
    let (plain, rsa, encrypted) =
        (server.private_key("plain"), server.private_key("rsa"), server.private_key("encrypted"));
    for secrets in [
        &[(SecretType::SshKey, plain.as_str())][..],
        &[(SecretType::SshKey, rsa.as_str())],
        &[(SecretType::SshKey, encrypted.as_str()), (SecretType::SshPassphrase, "pass phrase")],
    ] {
        let spec = source(&settings, secrets);
        let (entries, page) = list_all(&connectors, &spec, None, 10).await.unwrap();
        assert_eq!(paths(&entries), ["a.md", "it's/b.md"]);
        let contents = read_all(&connectors, &spec, &entries).await.unwrap();
        assert_eq!(contents["it's/b.md"].as_ref().unwrap(), b"beta\n");
        let (entries, unchanged) =
            list_all(&connectors, &spec, page.checkpoint.as_deref(), 10).await.unwrap();
        assert_eq!(
            (entries.len(), unchanged.unlisted, unchanged.checkpoint),
            (0, Unlisted::Unchanged, Some(commit.clone()))
        );
    }
}

#[tokio::test]
async fn path_is_no_command() {
    let server = SshServer::start("GIT_PROTOCOL");
    let key = server.private_key("plain");
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("marker");
    let path = format!("/none'; touch {}; echo '", marker.display());
    let settings = json!({ "url": server.url(Path::new(&path)), "host_key": server.host_key });
    let error = list_all(&connectors(), &source(&settings, &[(SecretType::SshKey, &key)]), None, 10)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(!marker.exists());
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let repository = GitRepository::create();
    repository.commit("main", &[GitChange::Write("a.md", b"alpha\n")]);
    let server = SshServer::start("GIT_PROTOCOL");
    let old = SshServer::start("LANG");
    let connectors = connectors();
    let [plain, encrypted, unknown] = ["plain", "encrypted", "unknown"].map(|name| server.private_key(name));
    let other_key = server.public_key("other_host");
    let other_type = server.public_key("rsa");
    let old_key = old.private_key("plain");
    let (url, host_key) = (server.url(&repository.path()), server.host_key.as_str());
    let (old_url, old_host_key) = (old.url(&repository.path()), old.host_key.as_str());
    let key = |key| vec![(SecretType::SshKey, key)];
    for (url, host_key, secrets, kind, words) in [
        (&url, other_key.as_str(), key(&*plain), ErrorKind::Forbidden, "change host_key"),
        (&url, other_type.as_str(), key(&*plain), ErrorKind::Forbidden, "no key of that type"),
        (&url, host_key, key(&*unknown), ErrorKind::Forbidden, "refused to sign in"),
        (&url, host_key, Vec::new(), ErrorKind::Forbidden, "secrets.ssh_key"),
        (&url, host_key, key(&*encrypted), ErrorKind::Forbidden, "secrets.ssh_passphrase"),
        (
            &url,
            host_key,
            vec![(SecretType::SshKey, &*encrypted), (SecretType::SshPassphrase, "wrong")],
            ErrorKind::Forbidden,
            "check both",
        ),
        (&url, host_key, key("hunter2"), ErrorKind::Forbidden, "not a private key"),
        (&old_url, old_host_key, key(&*old_key), ErrorKind::Forbidden, "AcceptEnv GIT_PROTOCOL"),
    ] {
        let spec = source(&json!({ "url": url, "host_key": host_key }), &secrets);
        let error = list_all(&connectors, &spec, None, 10).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let shown = error.to_string();
        assert!(shown.contains(words), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("PRIVATE KEY"), "{shown}");
    }
    let settings = json!({ "url": server.url(Path::new("/srv/none.git")), "host_key": host_key });
    let error = list_all(&connectors, &source(&settings, &key(&*plain)), None, 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");

    drop(server);
    let spec = source(&json!({ "url": url, "host_key": other_key }), &key(&*plain));
    let error = list_all(&connectors, &spec, None, 10).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Egress(_)) && error.kind() == ErrorKind::Unavailable, "{error}");
}
