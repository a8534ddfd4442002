//! Mail in the mailboxes of a user.

use std::sync::Arc;

use domain::{SecretType, SourceType};
use serde_json::json;

use crate::clients::Clients;
use crate::field::ON_MISSING;
use crate::imap::MailSource;
use crate::imap::mailbox::Selection;
use crate::imap::sign_in::{Account, Security};
use crate::reader::Reading;
use crate::session::Session;
use crate::settings::Settings;
use crate::source::Source;
use crate::{ConfigField, Connector, ConnectorError, FieldValue, Listing, Page, SecretField};

pub(super) static CONNECTOR: Connector = Connector {
    source_type: SourceType::new("imap"),
    name: "Mail",
    description: "Mails in mailboxes of an IMAP server, each with its attachments. Nothing is marked as read.",
    fields: &[
        ConfigField { name: "host", value: FieldValue::RequiredText, description: "The name of the server." },
        ConfigField {
            name: "port",
            value: FieldValue::Integer { default: 993, min: 1, max: 65_535 },
            description: "The port of the server: 993 with security tls, mostly 143 otherwise.",
        },
        ConfigField {
            name: "security",
            value: FieldValue::Word(&["tls", "starttls", "none"]),
            description: "How the connection is encrypted. `none` sends the password in the clear, and is allowed only for servers in private networks that the operator has opened.",
        },
        ConfigField {
            name: "username",
            value: FieldValue::RequiredText,
            description: "The user whose mailboxes are read; often the mail address.",
        },
        ConfigField {
            name: "mailboxes",
            value: FieldValue::TextList,
            description: "Names of mailboxes, with / between levels, or patterns: * for any text, % for any text within a level. Empty for INBOX. Patterns leave out trash, junk, drafts and \"all mail\".",
        },
        ConfigField {
            name: "since",
            value: FieldValue::Text,
            description: "Only mails that were received on this day or later, such as 2026-01-31; empty for all.",
        },
        ConfigField {
            name: "max_message_bytes",
            value: FieldValue::Integer { default: 25_000_000, min: 1000, max: 50_000_000 },
            description: "The most bytes of a mail with its attachments. A larger one fails.",
        },
        ON_MISSING,
    ],
    secrets: &[SecretField {
        secret_type: SecretType::Password,
        is_required: true,
        description: "The password of the user, or an app password.",
    }],
    example: || {
        json!({
            "host": "imap.example.org",
            "username": "ada@example.org",
            "mailboxes": ["INBOX", "Projects/*"],
            "since": "2026-01-01",
        })
    },
    settings_of_path: |_| None,
    parse: |settings| Ok(Arc::new(parse(settings)?)),
};

fn parse(settings: &Settings) -> Result<MailSource, ConnectorError> {
    for field in ["host", "username"] {
        let text = settings.text(field);
        if text.is_empty() || text.contains(char::is_control) {
            let message = format!("empty or with control characters; other text allowed, got {text:?}");
            return Err(ConnectorError::invalid(if field == "host" { "host" } else { "username" }, message));
        }
    }
    let security = match settings.text("security") {
        "starttls" => Security::StartTls,
        "none" => Security::None,
        _ => Security::Tls,
    };
    let names = settings.texts("mailboxes");
    if let Some(name) = names.iter().find(|name| name.is_empty() || name.contains(char::is_control)) {
        let message = format!("empty or with control characters; other text allowed, got {name:?}");
        return Err(ConnectorError::invalid("mailboxes", message));
    }
    Ok(MailSource {
        account: Account {
            host: settings.text("host").to_owned(),
            port: u16::try_from(settings.number("port")).unwrap_or(993),
            security,
            username: settings.text("username").to_owned(),
        },
        mailboxes: Selection::new(&names),
        since: settings.day("since")?,
        max_bytes: settings.number("max_message_bytes"),
    })
}

impl Source for MailSource {
    /// The first mailbox, and how many entries follow.
    fn source_path(&self) -> String {
        let first = self.mailbox_url(self.mailboxes.first());
        match self.mailboxes.len() {
            1 => first,
            count => format!("{first} and {} more", count - 1),
        }
    }

    fn list<'a>(&'a self, clients: &'a Clients, listing: Listing<'a>) -> Reading<'a, Page> {
        Box::pin(self.list_page(clients, listing))
    }

    fn session(
        self: Arc<Self>,
        clients: Clients,
        locations: Vec<String>,
    ) -> Reading<'static, Box<dyn Session>> {
        Box::pin(async move { self.begin_session(&clients, &locations).await })
    }
}
