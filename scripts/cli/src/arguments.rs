//! The arguments of every command.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use domain::{OperationId, SearchMode};

/// Printed below the options of `semantik --help`.
const AFTER_HELP: &str = "\
Environment:
  SEMANTIK_URL       URL of the API; before the default profile
  SEMANTIK_API_KEY   an API key
  SEMANTIK_USERNAME, SEMANTIK_PASSWORD   a user, instead of a key
  NO_COLOR           no colours
  HTTPS_PROXY, HTTP_PROXY, NO_PROXY      proxies

Exit status:
  0  everything succeeded
  1  something failed; each item that did is listed with the reason
  2  the command line is wrong
  3  not signed in, or the credentials are not accepted any more
  141  standard output was closed, as `| head -1` does";

/// Search your own documents: upload folders, search them, manage collections.
#[derive(Debug, Parser)]
#[command(name = "semantik", version, after_help = AFTER_HELP, max_term_width = 110)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    /// Print results as one JSON value
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

/// Which installation, and as whom.
#[derive(Debug, Args)]
pub struct Global {
    /// Use this profile, whatever the environment says
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// The URL of the API, before SEMANTIK_URL
    #[arg(long, global = true, value_hint = ValueHint::Url)]
    pub url: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sign in and remember it as a profile
    Login(Login),
    /// Sign out and forget the profile
    Logout,
    /// List, create, show and delete collections
    #[command(subcommand)]
    Collections(Collections),
    /// Upload files and folders; only what has changed since the last time
    Upload(Upload),
    /// Push one document under a URI of your own, from a file or standard input
    Push(Push),
    /// Search
    Search(Search),
    /// Follow an operation until it ends
    Watch {
        /// The id of the operation
        operation: OperationId,
    },
    /// List, add, test and read sources
    #[command(subcommand)]
    Sources(Sources),
    /// List, create and revoke API keys
    #[command(subcommand)]
    Keys(Keys),
    /// Connect AI assistants
    #[command(subcommand)]
    Mcp(Mcp),
    /// Check that documents, vectors and stored objects agree
    Integrity {
        /// Name or id of the collection
        collection: String,
        /// Repair what does not agree, and wait for it
        #[arg(long)]
        repair: bool,
    },
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub struct Login {
    /// User name; asked for if it is missing
    #[arg(long)]
    pub username: Option<String>,
    /// Use an API key instead of a user name and a password
    #[arg(long, conflicts_with = "username")]
    pub api_key: bool,
}

#[derive(Debug, Subcommand)]
pub enum Collections {
    /// List the collections that you can read
    List,
    /// Create a collection
    Create(CreateCollection),
    /// Show a collection
    Show {
        /// Name or id
        collection: String,
    },
    /// Delete a collection for good
    Delete {
        /// Name or id
        collection: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub struct CreateCollection {
    /// Name, unique among your collections
    pub name: String,
    #[arg(long)]
    pub description: Option<String>,
    /// Embedding model; the installation's by default
    #[arg(long)]
    pub model: Option<String>,
    /// Every signed-in user can read it
    #[arg(long)]
    pub public: bool,
    /// Another setting of the API, such as chunk_size=200; can be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    pub settings: Vec<Setting>,
}

#[derive(Debug, Args)]
pub struct Upload {
    /// Files and folders. The files of a folder keep its name: docs/api.md
    #[arg(required = true, value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// Name or id of the collection
    #[arg(short, long)]
    pub collection: String,
    /// Create the collection if you have none of that name
    #[arg(long)]
    pub create: bool,
    /// Only files that match, such as '*.md'; can be repeated
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,
    /// Leave out files and folders that match; can be repeated
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Also files that .gitignore and .ignore leave out
    #[arg(long)]
    pub no_ignore: bool,
    /// Also hidden files and folders
    #[arg(long)]
    pub hidden: bool,
    /// Delete documents of the same folders whose files are gone
    #[arg(long)]
    pub delete: bool,
    /// Only print what would be done
    #[arg(long, short = 'n')]
    pub dry_run: bool,
    /// Wait until the documents are searchable; list those that are not, with the reason
    #[arg(long, short)]
    pub wait: bool,
    /// Upload all files, also those that have not changed
    #[arg(long)]
    pub force: bool,
    /// Files that cannot be indexed (an unknown format, a name that is not allowed) are failures
    #[arg(long)]
    pub strict: bool,
    /// Files that are uploaded at the same time
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub parallel: u8,
}

#[derive(Debug, Args)]
pub struct Push {
    /// Any absolute URI; the same URI again replaces the document
    pub uri: String,
    /// The content; standard input if missing or '-'
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Name or id of the collection
    #[arg(short, long)]
    pub collection: String,
    /// Shown with hits, and searched
    #[arg(long)]
    pub title: Option<String>,
    /// Where people open the original
    #[arg(long)]
    pub link: Option<String>,
    /// Media type, such as text/markdown
    #[arg(long = "type", value_name = "TYPE")]
    pub media_type: Option<String>,
    /// Metadata; can be repeated
    #[arg(long = "meta", value_name = "NAME=VALUE", value_parser = setting)]
    pub metadata: Vec<Setting>,
    /// Name of the source that it belongs to
    #[arg(long)]
    pub source: Option<String>,
    /// Wait until it is searchable
    #[arg(long, short)]
    pub wait: bool,
}

#[derive(Debug, Args)]
pub struct Search {
    /// The query
    #[arg(required = true)]
    pub query: Vec<String>,
    /// Name or id of a collection, up to 10; all that you can read by default
    #[arg(short, long = "collection")]
    pub collections: Vec<String>,
    /// By meaning, by words, or both
    #[arg(long)]
    pub mode: Option<Mode>,
    /// Number of results
    #[arg(short = 'k', long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub limit: u32,
    /// How many of the best results to skip
    #[arg(long, default_value_t = 0)]
    pub offset: u32,
    /// Only folders or files, such as docs/guides; can be repeated
    #[arg(long, value_name = "PREFIX")]
    pub path: Vec<String>,
    /// Only a media type; can be repeated
    #[arg(long = "type", value_name = "TYPE")]
    pub media_type: Vec<String>,
    /// Only documents with this metadata; can be repeated
    #[arg(long = "meta", value_name = "NAME=VALUE", value_parser = setting)]
    pub metadata: Vec<Setting>,
    /// Only passages that are at least this similar, 0 to 1
    #[arg(long)]
    pub threshold: Option<f32>,
    /// One result for each document
    #[arg(long)]
    pub documents: bool,
    /// Reorder the best results with the cross-encoder
    #[arg(long)]
    pub rerank: bool,
}

/// How a search compares.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Mode {
    Dense,
    Sparse,
    Hybrid,
}

impl From<Mode> for SearchMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Dense => Self::Dense,
            Mode::Sparse => Self::Sparse,
            Mode::Hybrid => Self::Hybrid,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Sources {
    /// List the sources of a collection
    List {
        /// Name or id of the collection
        #[arg(short, long)]
        collection: String,
    },
    /// Add a source, or read it again
    Add {
        #[command(flatten)]
        source: NewSource,
        /// Wait until it is read
        #[arg(long, short)]
        wait: bool,
    },
    /// Try a source, without adding it
    Test {
        #[command(flatten)]
        source: NewSource,
        /// A source that the collection has, by its id, instead of a type
        #[arg(long, conflicts_with_all = ["source_type", "settings", "secrets"])]
        id: Option<i64>,
    },
    /// Read all sources of a collection again
    Sync {
        /// Name or id of the collection
        #[arg(short, long)]
        collection: String,
        /// Wait until they are read
        #[arg(long, short)]
        wait: bool,
    },
}

#[derive(Debug, Args)]
pub struct NewSource {
    /// Type, such as git, url or s3
    pub source_type: Option<String>,
    /// Name or id of the collection
    #[arg(short, long)]
    pub collection: String,
    /// A setting of the type, such as branch=main; can be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    pub settings: Vec<Setting>,
    /// A secret of the type (token, password, ssh_key), asked for or read from standard input
    #[arg(long = "secret", value_name = "NAME")]
    pub secrets: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Keys {
    /// List your API keys
    List,
    /// Create an API key; prints it once
    Create {
        /// Name, unique among your keys
        name: String,
        /// read, write or admin
        #[arg(long, default_value = "read")]
        scope: String,
        /// Limit the key to a collection; can be repeated
        #[arg(short, long = "collection")]
        collections: Vec<String>,
        /// Days until it expires
        #[arg(long)]
        days: Option<u32>,
    },
    /// Revoke an API key: it is refused from the next request on
    Revoke {
        /// Name or id
        key: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Mcp {
    /// Print the settings that an AI assistant needs to use an MCP profile
    Config {
        /// Name or id of the profile; can be left out if there is one
        profile: Option<String>,
    },
}

/// A named value: JSON if it is, else text.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    pub name: String,
    pub value: serde_json::Value,
}

fn setting(text: &str) -> Result<Setting, String> {
    let (name, value) =
        text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("NAME=VALUE is expected")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok(Setting { name: name.to_owned(), value })
}

/// Collects settings to a JSON object.
pub fn object(settings: &[Setting]) -> serde_json::Map<String, serde_json::Value> {
    settings.iter().map(|setting| (setting.name.clone(), setting.value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn settings_are_json_or_text() {
        let value = |text: &str| setting(text).map(|setting| setting.value);
        assert_eq!(value("chunk_size=200"), Ok(json!(200)));
        assert_eq!(value("url=https://a/?b=c"), Ok(json!("https://a/?b=c")));
        assert_eq!(value(r#"paths=["a"]"#), Ok(json!(["a"])));
        value("=1").unwrap_err();
        value("chunk_size").unwrap_err();
    }
}
