//! Messages, as Slack's API has them.

use serde::Deserialize;

/// One message.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    /// When it was sent; identifies it within its channel.
    pub(super) ts: String,
    /// The first message of its thread; itself, if that is this one.
    pub(super) thread_ts: Option<String>,
    pub(super) subtype: Option<String>,
    pub(super) user: Option<String>,
    /// The name that an app gave itself.
    pub(super) username: Option<String>,
    pub(super) bot_profile: Option<Named>,
    pub(super) text: String,
    pub(super) edited: Option<Edited>,
    pub(super) reply_count: u32,
    pub(super) latest_reply: Option<String>,
    pub(super) attachments: Vec<Attachment>,
    pub(super) files: Vec<File>,
}

/// Something with a name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Named {
    pub(super) name: String,
}

/// When a message was edited.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Edited {
    pub(super) ts: String,
}

/// What apps add to their messages, and Slack to links.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Attachment {
    pub(super) pretext: String,
    pub(super) title: String,
    pub(super) text: String,
    pub(super) fallback: String,
    pub(super) fields: Vec<Field>,
}

/// A line of a table in an attachment.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Field {
    pub(super) title: String,
    pub(super) value: String,
}

/// A file that is shared in a message.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct File {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) title: Option<String>,
    pub(super) mimetype: Option<String>,
    pub(super) mode: Option<String>,
    pub(super) size: u64,
    pub(super) timestamp: u64,
    pub(super) permalink: Option<String>,
    pub(super) url_private: Option<String>,
    pub(super) url_private_download: Option<String>,
}

/// What Slack writes into a channel by itself.
const NEWS: [&str; 14] = [
    "channel_join",
    "channel_leave",
    "channel_topic",
    "channel_purpose",
    "channel_name",
    "channel_archive",
    "channel_unarchive",
    "channel_convert_to_private",
    "group_join",
    "group_leave",
    "group_topic",
    "group_purpose",
    "pinned_item",
    "reminder_add",
];

impl Message {
    /// Whether replies follow, or did before they were deleted.
    pub(super) fn begins_thread(&self) -> bool {
        self.thread_ts.as_deref() == Some(self.ts.as_str()) && self.reply_count > 0
    }

    /// Whether it belongs to the thread of another message, even if it was also sent to the channel.
    pub(super) fn is_reply(&self) -> bool {
        self.thread_ts.as_deref().is_some_and(|thread| thread != self.ts)
    }

    /// Whether people or apps wrote it. A deleted message with replies leaves a tombstone.
    pub(super) fn is_said(&self) -> bool {
        let subtype = self.subtype.as_deref().unwrap_or_default();
        subtype != "tombstone" && !NEWS.contains(&subtype)
    }

    /// What an attachment says: the parts that there are, each on a line.
    pub(super) fn attached_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for attachment in &self.attachments {
            let before = lines.len();
            lines.extend([&attachment.pretext, &attachment.title, &attachment.text].map(String::clone));
            lines.extend(attachment.fields.iter().map(|field| format!("{}: {}", field.title, field.value)));
            lines.retain(|line: &String| !line.trim().is_empty());
            if lines.len() == before && !attachment.fallback.trim().is_empty() {
                lines.push(attachment.fallback.clone());
            }
        }
        lines
    }
}

impl File {
    /// Whether Slack has its bytes.
    pub(super) fn is_hosted(&self) -> bool {
        let mode = self.mode.as_deref().unwrap_or("hosted");
        matches!(mode, "hosted" | "snippet" | "post" | "space" | "email") && self.download_url().is_some()
    }

    pub(super) fn download_url(&self) -> Option<&str> {
        self.url_private_download.as_deref().or(self.url_private.as_deref())
    }

    /// Its name without folders.
    pub(super) fn file_name(&self) -> String {
        let name = self.name.as_deref().or(self.title.as_deref()).unwrap_or_default();
        let name = name.replace(|c: char| c.is_control() || matches!(c, '/' | '\\'), " ");
        if name.trim().is_empty() { self.id.clone() } else { name.trim().to_owned() }
    }
}
