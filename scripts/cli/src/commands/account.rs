//! Signs in and out.

use client::{Client, ClientError, Credentials, SessionStore as _};
use futures_util::TryStreamExt as _;
use serde_json::json;

use crate::arguments::{Global, Login};
use crate::connection::Variables;
use crate::failure::Failure;
use crate::output::Output;
use crate::profiles::{self, Profile, Profiles};
use crate::sessions::SessionFile;
use crate::{Outcome, prompt};

/// Checks the credentials and remembers them.
pub async fn login(global: &Global, login: &Login, output: Output) -> Outcome {
    let path = profiles::path()?;
    let mut profiles = Profiles::load(&path)?;
    let name = global.profile.as_deref().unwrap_or(profiles::DEFAULT);
    let variables = Variables::read(global);
    let known = profiles.0.get(name);
    // A profile that is named keeps its URL; --url still moves it.
    let url = match (&global.url, global.profile.as_ref().and(known)) {
        (None, Some(profile)) => Some(profile.url.clone()),
        _ => variables.url.or_else(|| Some(known?.url.clone())),
    };
    let url = match url {
        Some(url) => url,
        None => prompt::ask("URL of the API")?,
    };
    let url = url.trim_end_matches('/').to_owned();
    let profile = if login.api_key {
        with_key(url, variables.api_key).await?
    } else {
        with_password(url, login.username.clone(), variables.password).await?
    };
    let who = profile.username.clone().unwrap_or_else(|| "an API key".to_owned());
    let said = format!("signed in to {} as {who}, profile {name}", profile.url);
    let value = json!({ "profile": name, "url": profile.url, "username": profile.username });
    profiles.0.insert(name.to_owned(), profile);
    profiles.save(&path)?;
    if output.json { Ok(output.value(&value)?) } else { Ok(output.line(said)?) }
}

async fn with_key(url: String, given: Option<String>) -> Outcome<Profile> {
    let key = match given {
        Some(key) => key,
        None => prompt::ask_secret("API key")?,
    };
    let client = Client::builder(&url).credentials(Credentials::ApiKey(key.clone())).build()?;
    // The cheapest request that every key may make.
    std::pin::pin!(client.collections()).try_next().await?;
    Ok(Profile { url, api_key: Some(key), username: None })
}

async fn with_password(
    url: String,
    username: Option<String>,
    given: Option<(String, String)>,
) -> Outcome<Profile> {
    let (username, password) = match (username, given) {
        (Some(username), Some((name, password))) if username == name => (username, password),
        (Some(username), _) => (username, prompt::ask_secret("Password")?),
        (None, Some(given)) => given,
        (None, None) => (prompt::ask("User name")?, prompt::ask_secret("Password")?),
    };
    let session = match Client::builder(&url).build()?.sign_in(&username, &password).await {
        // It says what is wrong; there is nothing to sign in with.
        Err(ClientError::NotSignedIn(reason)) => return Err(Failure::Other(reason)),
        signed_in => signed_in?,
    };
    SessionFile::new(&url, &username)?.save(Some(&session))?;
    Ok(Profile { url, api_key: None, username: Some(username) })
}

/// Ends the session and forgets the profile.
pub async fn logout(global: &Global, output: Output) -> Outcome {
    let path = profiles::path()?;
    let mut profiles = Profiles::load(&path)?;
    let name = global.profile.as_deref().unwrap_or(profiles::DEFAULT);
    let Some(profile) = profiles.0.remove(name) else {
        return Err(Failure::Usage(format!("no profile {name:?}; nothing to sign out from")));
    };
    if let Some(username) = &profile.username {
        let store = std::sync::Arc::new(SessionFile::new(&profile.url, username)?);
        let credentials = Credentials::User { store: Some(store.clone()), password: None };
        let client = Client::builder(&profile.url).credentials(credentials).build()?;
        match client.sign_out().await {
            // It has ended already.
            Ok(()) | Err(ClientError::NotSignedIn(_)) => {}
            // The profile goes in any case; the session then ends by itself.
            Err(error) => {
                crate::output::remark(&format!("the session was not ended at the server: {error}"))?
            }
        }
        store.save(None)?;
    }
    profiles.save(&path)?;
    let said = format!("signed out from {}, profile {name}", profile.url);
    if output.json { Ok(output.value(&json!({ "profile": name }))?) } else { Ok(output.line(said)?) }
}
