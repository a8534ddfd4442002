//! Who wrote what: names of users, asked for once.

use std::time::Instant;

use domain::{Classify, ErrorKind};
use serde::Deserialize;

use super::api::Api;
use super::message::Message;
use super::mrkdwn::{Names, mentioned};
use crate::ConnectorError;

/// The most names that are remembered from one sync to the next.
const MAX_NAMES: usize = 5000;

#[derive(Debug, Deserialize)]
struct UserAnswer {
    user: User,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct User {
    name: String,
    real_name: String,
    profile: Profile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Profile {
    display_name: String,
    real_name: String,
}

impl User {
    /// The name that others see.
    fn shown(self) -> String {
        let Self { name, real_name, profile } = self;
        let names = [profile.display_name, profile.real_name, real_name, name];
        names.into_iter().find(|name| !name.is_empty()).unwrap_or_default()
    }
}

/// Adds the names of all who wrote the messages or are mentioned in them.
pub(super) async fn learn_names(
    api: &Api<'_>,
    messages: &[Message],
    names: &mut Names,
    until: Instant,
) -> Result<(), ConnectorError> {
    for message in messages {
        let attached = message.attached_lines().join(" ");
        let ids = message.user.as_deref().into_iter();
        for id in ids.chain(mentioned(&message.text)).chain(mentioned(&attached)) {
            if !names.contains_key(id) && names.len() < MAX_NAMES {
                let name = ask(api, id, until).await?;
                names.insert(id.to_owned(), name);
            }
        }
    }
    Ok(())
}

async fn ask(api: &Api<'_>, id: &str, until: Instant) -> Result<String, ConnectorError> {
    let asked = api.call_until::<UserAnswer>("users.info", &[("user", id)], "users", until).await;
    match asked {
        Ok(answer) => {
            Ok(Some(answer.user.shown()).filter(|name| !name.is_empty()).unwrap_or_else(|| id.to_owned()))
        }
        // Users of other workspaces may be unknown.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(id.to_owned()),
        Err(error) => Err(error),
    }
}

/// The name of whoever wrote a message.
pub(super) fn author(message: &Message, names: &Names) -> String {
    let app = message.username.clone().or_else(|| Some(message.bot_profile.clone()?.name));
    let user = message.user.as_ref().map(|id| names.get(id).unwrap_or(id).clone());
    app.filter(|name| !name.is_empty()).or(user).unwrap_or_else(|| "an app".to_owned())
}
