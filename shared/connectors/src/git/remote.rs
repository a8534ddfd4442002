//! Where a repository is.

use egress::Url;
use russh::keys::PublicKey;

use crate::ConnectorError;

/// The address of a repository, in one of the forms that git reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Remote {
    /// `https://host/path`, or `http://`.
    Http {
        /// Without a slash at the end.
        url: Url,
    },
    /// `ssh://user@host/path` or `user@host:path`.
    Ssh {
        user: String,
        host: String,
        port: u16,
        /// As the server reads it: absolute, or relative to the user's home.
        path: String,
    },
}

/// How a repository is reached.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) remote: Remote,
    /// The user of the secret `token` or `password` over HTTP.
    pub(crate) username: String,
    /// The key that the server must have, over SSH.
    pub(crate) host_key: Option<PublicKey>,
}

const FORMS: &str = "https://host/path, ssh://user@host/path or user@host:path allowed";
const SSH_PORT: u16 = 22;
/// What servers that host repositories call the user of all.
const DEFAULT_USER: &str = "git";

impl Remote {
    /// Reads the setting `field`.
    pub(crate) fn parse(field: &'static str, text: &str) -> Result<Self, ConnectorError> {
        let wrong =
            |what: &str| ConnectorError::invalid(field, format!("{what}; {FORMS}, got {:?}", redacted(text)));
        if text.chars().any(char::is_control) {
            return Err(wrong("control characters"));
        }
        if !text.contains("://") {
            return parse_scp(text).ok_or_else(|| wrong("wrong address"));
        }
        let mut url = Url::parse(text).map_err(|error| wrong(&format!("wrong URL ({error})")))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("a URL with ? or #"));
        }
        if url.password().is_some() {
            return Err(wrong("a URL with a password, which belongs into the secrets"));
        }
        let host =
            url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("a URL without a host"))?;
        match url.scheme() {
            "http" | "https" if !url.username().is_empty() => {
                Err(wrong("a URL with a user name, which belongs into the setting username"))
            }
            "http" | "https" => {
                let path = url.path().trim_end_matches('/').to_owned();
                url.set_path(&path);
                Ok(Self::Http { url })
            }
            "ssh" | "git+ssh" | "ssh+git" => {
                let user = if url.username().is_empty() { DEFAULT_USER } else { url.username() };
                // As git does: /~user is relative to that home.
                let path = url.path().trim_end_matches('/');
                let path = if path.starts_with("/~") { &path[1..] } else { path };
                let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned();
                let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                let port = url.port().unwrap_or(SSH_PORT);
                ssh(user, host, port, path).ok_or_else(|| wrong("a URL without a path"))
            }
            scheme => Err(wrong(&format!("the scheme {scheme} is not read"))),
        }
    }

    /// Whether it needs a pinned host key.
    pub(crate) fn is_ssh(&self) -> bool {
        matches!(self, Self::Ssh { .. })
    }

    pub(crate) fn host(&self) -> &str {
        match self {
            Self::Http { url } => url.host_str().unwrap_or_default(),
            Self::Ssh { host, .. } => host,
        }
    }

    /// The path without a slash at its ends and without `.git`.
    pub(crate) fn name(&self) -> &str {
        let path = match self {
            Self::Http { url } => url.path(),
            Self::Ssh { path, .. } => path,
        };
        let path = path.trim_matches('/');
        path.strip_suffix(".git").unwrap_or(path)
    }
}

impl std::fmt::Display for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http { url } => f.write_str(url.as_str()),
            Self::Ssh { user, host, port, path } => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                write!(f, "ssh://{user}@{host}")?;
                if *port != SSH_PORT {
                    write!(f, ":{port}")?;
                }
                write!(f, "/{}", path.trim_start_matches('/'))
            }
        }
    }
}

fn parse_scp(text: &str) -> Option<Remote> {
    let (place, path) = text.split_once(':')?;
    let (user, host) = place.split_once('@').unwrap_or((DEFAULT_USER, place));
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_host) {
        return None;
    }
    ssh(user, host.to_owned(), SSH_PORT, path.trim_end_matches('/').to_owned())
}

fn ssh(user: &str, host: String, port: u16, path: String) -> Option<Remote> {
    // A path that begins with a dash could be read as an option.
    let is_path = !path.trim_matches('/').is_empty() && !path.starts_with('-');
    let is_user = !user.is_empty() && !user.contains(['/', ':', '@']);
    (is_path && is_user).then(|| Remote::Ssh { user: user.to_owned(), host, port, path })
}

/// The text without what may be a password.
fn redacted(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}://…{}", &text[..scheme], &text[at..]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_git_is_read() {
        for (text, printed, name) in [
            ("https://github.com/o/r.git", "https://github.com/o/r.git", "o/r"),
            ("https://GitLab.com/group/sub/r/", "https://gitlab.com/group/sub/r", "group/sub/r"),
            ("http://10.0.0.7:3000/r", "http://10.0.0.7:3000/r", "r"),
            ("git@github.com:o/r.git", "ssh://git@github.com/o/r.git", "o/r"),
            ("github.com:o/r", "ssh://git@github.com/o/r", "o/r"),
            ("ssh://me@host:2222/srv/r.git", "ssh://me@host:2222/srv/r.git", "srv/r"),
            ("ssh://host/~me/r%20s", "ssh://git@host/~me/r s", "~me/r s"),
            ("ssh://git@[::1]:22/r", "ssh://git@[::1]/r", "r"),
        ] {
            let remote = Remote::parse("url", text).unwrap();
            assert_eq!((remote.to_string().as_str(), remote.name()), (printed, name));
        }
        let Remote::Ssh { path, .. } = Remote::parse("url", "ssh://host/~me/r").unwrap() else {
            unreachable!()
        };
        assert_eq!(path, "~me/r");
    }

    #[test]
    fn other_addresses_are_refused_without_showing_passwords() {
        for (text, word) in [
            ("", "wrong address"),
            ("/srv/repository", "wrong address"),
            ("-oProxyCommand=x:y", "wrong address"),
            ("git@host:", "wrong address"),
            ("git@host:-x", "wrong address"),
            ("file:///srv/r", "without a host"),
            ("ftp://host/r", "scheme ftp"),
            ("git://host/r", "scheme git"),
            ("ssh://host", "without a path"),
            ("https://host/r?x=1", "with ? or #"),
            ("https://me@host/r", "username"),
            ("https://me:hunter2@host/r", "password"),
            ("ssh://me:hunter2@host/r", "password"),
            ("https://host/r\n", "control"),
        ] {
            let error = Remote::parse("url", text).unwrap_err();
            assert_eq!(error.field(), Some("url"));
            assert!(error.to_string().contains(word), "{text}: {error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
