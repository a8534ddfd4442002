//! The commands of the protocol that reading needs.

use std::time::Duration;

use domain::{Classify, ErrorKind};

use super::answer::{Answer, AnswerLimits};
use super::connection::Connection;
use super::object::{ObjectId, ObjectKind};
use super::pack::{PackError, PackLimits};
use super::pkt_line::{Packet, Request};
use super::spool::Spool;
use super::tree::Trees;
use super::unpack::{Object, Objects, Unpacker};
use crate::ConnectorError;

/// For the refs that one name can mean.
const REFS: AnswerLimits = AnswerLimits { bytes: 1024 * 1024, time: Duration::from_secs(20) };
/// The longest time for the trees of a commit, or for the files of a message.
const PACK_TIME: Duration = Duration::from_secs(50);
/// What the trees of a commit may take: half a million files with names of 60 bytes.
const TREES: PackLimits = PackLimits { objects: 500_000, object_bytes: 32 << 20, total_bytes: 64 << 20 };
/// The most bytes of a pack with trees. A server without filters sends all files with them.
const MAX_TREE_PACK_BYTES: u64 = 64 << 20;

/// Returns the commit that a branch, tag or full ref is; that of `HEAD` if the name is empty.
pub(crate) async fn resolve(connection: &mut Connection, name: &str) -> Result<ObjectId, ConnectorError> {
    let candidates = match name {
        "" => vec!["HEAD".to_owned()],
        full if full.starts_with("refs/") => vec![full.to_owned()],
        name => vec![format!("refs/heads/{name}"), format!("refs/tags/{name}")],
    };
    match list_refs(connection, &candidates).await {
        // It may have moved, or be too old to understand the command: then its introduction tells.
        Err(error) if may_be_elsewhere(&error) && !connection.is_introduced() => {
            connection.capabilities().await?;
            list_refs(connection, &candidates).await
        }
        found => found,
    }
}

fn may_be_elsewhere(error: &ConnectorError) -> bool {
    match error {
        ConnectorError::SignIn { .. } => false,
        // The answer ended early, as those of old servers do.
        ConnectorError::Unavailable { .. } => true,
        other => matches!(other.kind(), ErrorKind::NotFound | ErrorKind::Forbidden | ErrorKind::Invalid),
    }
}

async fn list_refs(connection: &mut Connection, candidates: &[String]) -> Result<ObjectId, ConnectorError> {
    let mut request = Request::new("ls-refs").argument("peel");
    for candidate in candidates {
        request = request.argument(&format!("ref-prefix {candidate}"));
    }
    let mut answer = connection.send(request.finish(), REFS).await?;
    let mut found = vec![None; candidates.len()];
    loop {
        let line = match answer.next().await? {
            Packet::Data(line) => line,
            Packet::Flush => break,
            Packet::Delimiter | Packet::ResponseEnd => return Err(answer.unexpected()),
        };
        let line = String::from_utf8_lossy(&line);
        let mut words = line.trim_end_matches('\n').split(' ');
        let (Some(id), Some(name)) = (words.next(), words.next()) else { return Err(answer.unexpected()) };
        // A prefix also finds longer names.
        let Some(index) = candidates.iter().position(|candidate| candidate == name) else { continue };
        // An annotated tag is an object of its own.
        let id = words.find_map(|word| word.strip_prefix("peeled:")).unwrap_or(id);
        found[index] = Some(id.parse().map_err(|error| damaged(answer.host(), error))?);
    }
    answer.finish().await?;
    found.into_iter().flatten().next().ok_or_else(|| {
        let what = format!("the ref {} of the repository on {}", candidates.join(" or "), answer.host());
        ConnectorError::NotFound { what }
    })
}

/// Fetches the trees of a commit, without its files and its history.
pub(crate) async fn fetch_trees(
    connection: &mut Connection,
    commit: ObjectId,
) -> Result<Trees, ConnectorError> {
    let capabilities = connection.capabilities().await?;
    let has_filter = capabilities.fetch_has("filter");
    let mut request = fetch(&[commit]).argument("deepen 1");
    if has_filter {
        request = request.argument("filter blob:none");
    }
    let limits = AnswerLimits { bytes: MAX_TREE_PACK_BYTES, time: PACK_TIME };
    let mut answer = connection.send(request.argument("done").finish(), limits).await?;
    // A server without filters sends the files, too: they are passed over, and not bounded one by one.
    let total_bytes = if has_filter { TREES.total_bytes } else { 16 * MAX_TREE_PACK_BYTES };
    let limits = PackLimits { total_bytes, ..TREES };
    let spool = Spool::new(TREES.total_bytes, TREES.total_bytes);
    let mut unpacker = Unpacker::new(limits, Some(ObjectKind::Blob), spool);
    match receive(&mut answer, &mut unpacker).await {
        Err(error) if !has_filter && error.kind() == ErrorKind::TooLarge => {
            let reason = format!(
                "it sends whole repositories only, and this one is larger than {} MB; ask its administrator to allow partial clones (uploadpack.allowFilter)",
                MAX_TREE_PACK_BYTES >> 20
            );
            return Err(ConnectorError::Forbidden { what: answer.host().to_owned(), reason });
        }
        received => received?,
    }
    let objects = unpacker.finish().map_err(|error| damaged(answer.host(), error))?;
    trees_of(commit, &objects).map_err(|error| {
        let what = format!("the commit {commit} of the repository on {}", answer.host());
        ConnectorError::Forbidden { what, reason: error.to_string() }
    })
}

fn trees_of(commit: ObjectId, objects: &Objects) -> Result<Trees, Box<dyn std::error::Error + Send + Sync>> {
    let Some(Object { kind: ObjectKind::Commit, content }) = objects.get(&commit) else {
        return Err("the ref is not a commit".into());
    };
    let content = content.read_all()?;
    let root = content.strip_prefix(b"tree ").and_then(|rest| rest.get(..2 * ObjectId::LENGTH));
    let root = root.and_then(|root| str::from_utf8(root).ok()).ok_or("the commit has no tree")?.parse()?;
    let mut trees = Trees { root, trees: std::collections::HashMap::new() };
    for (id, object) in objects.iter().filter(|(_, object)| object.kind == ObjectKind::Tree) {
        trees.trees.insert(*id, object.content.read_all()?);
    }
    trees.check()?;
    Ok(trees)
}

/// What arrived of the objects that were wanted.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) objects: Objects,
    /// Why the rest did not, if something is too large.
    pub(crate) too_large: Option<ConnectorError>,
}

/// Fetches objects by their ids.
///
/// # Errors
/// Returns `NotFound` if the server does not have one of them.
pub(crate) async fn fetch_objects(
    connection: &mut Connection,
    wanted: &[ObjectId],
    object_bytes: u64,
    spool: Spool,
    total_bytes: u64,
) -> Result<Fetched, ConnectorError> {
    let objects = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
    let limits = PackLimits { objects, object_bytes, total_bytes };
    // What cannot be compressed takes a little more in a pack, and packets have headers.
    let bytes = total_bytes.saturating_add(total_bytes / 64 + (1 << 20));
    let request = fetch(wanted).argument("done").finish();
    let mut answer = connection.send(request, AnswerLimits { bytes, time: PACK_TIME }).await?;
    let mut unpacker = Unpacker::new(limits, None, spool);
    match receive(&mut answer, &mut unpacker).await {
        Err(error) if error.kind() == ErrorKind::TooLarge => {
            Ok(Fetched { objects: unpacker.into_objects(), too_large: Some(error) })
        }
        received => {
            received?;
            let objects = unpacker.finish().map_err(|error| damaged(answer.host(), error))?;
            Ok(Fetched { objects, too_large: None })
        }
    }
}

fn fetch(wanted: &[ObjectId]) -> Request {
    let mut request = Request::new("fetch").argument("no-progress").argument("ofs-delta");
    for id in wanted {
        request = request.argument(&format!("want {id}"));
    }
    request
}

/// Receives the pack of an answer to `fetch`.
async fn receive(answer: &mut Answer<'_>, unpacker: &mut Unpacker) -> Result<(), ConnectorError> {
    // Sections before it say what is known already.
    loop {
        match answer.next().await? {
            Packet::Data(line) if &*line == b"packfile\n" => break,
            Packet::Data(_) | Packet::Delimiter => {}
            Packet::Flush | Packet::ResponseEnd => return Err(answer.unexpected()),
        }
    }
    loop {
        let packet = match answer.next().await? {
            Packet::Data(packet) => packet,
            Packet::Flush => return answer.finish().await,
            Packet::Delimiter | Packet::ResponseEnd => return Err(answer.unexpected()),
        };
        match packet.split_first() {
            Some((1, piece)) => unpacker.push(piece).map_err(|error| pack_error(answer.host(), error))?,
            // Progress, for people.
            Some((2, _)) => {}
            Some((3, message)) => return Err(answer.refusal(message)),
            _ => return Err(answer.unexpected()),
        }
    }
}

fn pack_error(host: &str, error: PackError) -> ConnectorError {
    match error {
        PackError::TooLarge { limit, .. } => {
            egress::EgressError::TooLarge { target: host.to_owned(), limit }.into()
        }
        PackError::Storage(error) => ConnectorError::unavailable("the temporary directory", error),
        PackError::Invalid(_) => damaged(host, error),
    }
}

/// Retrying may help: damage on the way is rare, but happens.
fn damaged(host: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnectorError {
    ConnectorError::unavailable(format!("the repository on {host}"), error)
}
