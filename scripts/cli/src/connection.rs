//! Finds the installation and the credentials: variables first, then the profile.

use std::sync::Arc;

use client::{Client, ClientError, Credentials, SessionStore};

use crate::arguments::Global;
use crate::failure::Failure;
use crate::profiles::{self, Profile, Profiles};
use crate::sessions::SessionFile;
use crate::{Outcome, environment};

/// The variables that say where and as whom.
#[derive(Debug, Default)]
pub struct Variables {
    /// `SEMANTIK_URL`, or `--url`.
    pub url: Option<String>,
    /// `SEMANTIK_API_KEY`.
    pub api_key: Option<String>,
    /// `SEMANTIK_USERNAME` and `SEMANTIK_PASSWORD`.
    pub password: Option<(String, String)>,
}

impl Variables {
    /// Reads them.
    pub fn read(global: &Global) -> Self {
        Self {
            url: global.url.clone().or_else(|| environment::get("SEMANTIK_URL")),
            api_key: environment::get("SEMANTIK_API_KEY"),
            password: environment::get("SEMANTIK_USERNAME").zip(environment::get("SEMANTIK_PASSWORD")),
        }
    }
}

/// Creates the client for a command.
pub fn connect(global: &Global) -> Outcome<Client> {
    let profiles = Profiles::load(&profiles::path()?)?;
    let (url, credentials) = choose(global.profile.as_deref(), Variables::read(global), &profiles)?;
    Ok(Client::builder(url).credentials(credentials.into_credentials()?).build()?)
}

/// What to authenticate with.
#[derive(Debug, PartialEq, Eq)]
enum Chosen {
    Key(String),
    User { url: String, username: String, password: Option<String> },
}

impl Chosen {
    fn into_credentials(self) -> Outcome<Credentials> {
        Ok(match self {
            Self::Key(key) => Credentials::ApiKey(key),
            Self::User { url, username, password } => {
                let store: Arc<dyn SessionStore> = Arc::new(SessionFile::new(&url, &username)?);
                Credentials::User {
                    store: Some(store),
                    password: password.map(|password| (username, password)),
                }
            }
        })
    }
}

/// A profile that is named on the command line comes before the variables; they come before the default profile.
fn choose(named: Option<&str>, variables: Variables, profiles: &Profiles) -> Outcome<(String, Chosen)> {
    if let Some(name) = named {
        let profile = profiles.0.get(name).ok_or_else(|| {
            let known: Vec<&str> = profiles.0.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Failure::Usage(format!(
                "no profile {name:?}; there is {known}; `semantik login --profile {name}` creates it"
            ))
        })?;
        return Ok((profile.url.clone(), of_profile(profile)?));
    }
    let default = profiles.0.get(profiles::DEFAULT);
    let Some(url) = variables.url.or_else(|| Some(default?.url.clone())) else {
        return Err(not_signed_in("no installation is known; set SEMANTIK_URL, or sign in".to_owned()));
    };
    let url = url.trim_end_matches('/').to_owned();
    if let Some(key) = variables.api_key {
        return Ok((url, Chosen::Key(key)));
    }
    if let Some((username, password)) = variables.password {
        let user = Chosen::User { url: url.clone(), username, password: Some(password) };
        return Ok((url, user));
    }
    let same = |profile: &&Profile| profile.url == url;
    match default.filter(same).or_else(|| profiles.0.values().find(same)) {
        Some(profile) => Ok((url, of_profile(profile)?)),
        None => Err(not_signed_in(format!("not signed in to {url}"))),
    }
}

fn of_profile(profile: &Profile) -> Outcome<Chosen> {
    match (&profile.api_key, &profile.username) {
        (Some(key), _) => Ok(Chosen::Key(key.clone())),
        (None, Some(username)) => {
            Ok(Chosen::User { url: profile.url.clone(), username: username.clone(), password: None })
        }
        (None, None) => Err(not_signed_in(format!("the profile of {} has no credentials", profile.url))),
    }
}

fn not_signed_in(reason: String) -> Failure {
    Failure::Client(ClientError::NotSignedIn(reason))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn profiles() -> Profiles {
        let profile = |url: &str, key: &str| Profile {
            url: url.to_owned(),
            api_key: Some(key.to_owned()),
            username: None,
        };
        Profiles(BTreeMap::from([
            (profiles::DEFAULT.to_owned(), profile("https://one", "k1")),
            ("two".to_owned(), profile("https://two", "k2")),
        ]))
    }

    fn choice(named: Option<&str>, url: Option<&str>, key: Option<&str>, profiles: &Profiles) -> String {
        let variables =
            Variables { url: url.map(str::to_owned), api_key: key.map(str::to_owned), password: None };
        match choose(named, variables, profiles) {
            Ok((url, Chosen::Key(key))) => format!("{url} {key}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn variables_come_first_and_a_named_profile_before_them() {
        let profiles = profiles();
        assert_eq!(choice(None, None, None, &profiles), "https://one k1");
        assert_eq!(choice(None, None, Some("k"), &profiles), "https://one k");
        assert_eq!(choice(None, Some("https://three/"), Some("k"), &profiles), "https://three k");
        assert_eq!(choice(None, Some("https://two"), None, &profiles), "https://two k2");
        assert_eq!(choice(Some("two"), Some("https://three"), Some("k"), &profiles), "https://two k2");
    }

    #[test]
    fn a_key_is_never_sent_to_another_installation() {
        assert!(
            choice(None, Some("https://three"), None, &profiles()).contains("not signed in to https://three")
        );
        assert!(choice(None, None, Some("k"), &Profiles::default()).contains("set SEMANTIK_URL"));
        assert!(choice(Some("three"), None, None, &profiles()).contains("there is default, two"));
    }
}
