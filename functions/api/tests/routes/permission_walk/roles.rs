//! Roles of callers, and the expected result of a call, derived from the declared rule and the role alone.

use domain::AccessLevel;

/// The credentials of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// No credentials.
    Nothing,
    /// An access token of the user with the role's name.
    Session,
    /// An API key of this user.
    Key { of: &'static str, scope: AccessLevel, limit: Limit },
    /// An access token or an API key that is no longer valid.
    Invalid,
}

/// The collections that an API key is limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// All of its user's.
    None,
    /// The collection of the path.
    This,
    /// Another collection.
    Another,
}

/// A caller's relation to the collection and the installation.
#[derive(Debug, Clone, Copy)]
pub struct Role {
    pub name: &'static str,
    pub credential: Credential,
    /// Access level on the collection of the path.
    pub collection: Option<AccessLevel>,
}

impl Role {
    const fn new(name: &'static str, credential: Credential, collection: Option<AccessLevel>) -> Self {
        Self { name, credential, collection }
    }

    const fn key(name: &'static str, scope: AccessLevel, collection: AccessLevel) -> Self {
        Self::new(name, Credential::Key { of: "owner", scope, limit: Limit::None }, Some(collection))
    }

    /// Returns whether the collection of the path is public.
    pub fn meets_public_collection(&self) -> bool {
        self.name == PUBLIC_READER
    }
}

const PUBLIC_READER: &str = "public reader";
const SUPERUSER: &str = "superuser";

pub const ROLES: [Role; 24] = [
    Role::new("anonymous", Credential::Nothing, None),
    Role::new("stranger", Credential::Session, None),
    Role::new(PUBLIC_READER, Credential::Session, Some(AccessLevel::Read)),
    Role::new("reader", Credential::Session, Some(AccessLevel::Read)),
    Role::new("writer", Credential::Session, Some(AccessLevel::Write)),
    Role::new("admin", Credential::Session, Some(AccessLevel::Admin)),
    Role::new("owner", Credential::Session, Some(AccessLevel::Owner)),
    // Started the operation and announced the upload of the path; the permission was revoked since.
    Role::new("revoked writer", Credential::Session, None),
    // Owned the collection, handed it over and left it.
    Role::new("former owner", Credential::Session, None),
    // Had a permission by an API key of their own, which was revoked.
    Role::new("former member", Credential::Session, None),
    // Superusers administer accounts; that gives no access to collections.
    Role::new(SUPERUSER, Credential::Session, None),
    Role::key("key with read scope", AccessLevel::Read, AccessLevel::Read),
    Role::key("key with write scope", AccessLevel::Write, AccessLevel::Write),
    Role::key("key with admin scope", AccessLevel::Admin, AccessLevel::Owner),
    Role::new(
        "key limited to another collection",
        Credential::Key { of: "owner", scope: AccessLevel::Admin, limit: Limit::Another },
        None,
    ),
    Role::new(
        "key limited to the collection",
        Credential::Key { of: "owner", scope: AccessLevel::Admin, limit: Limit::This },
        Some(AccessLevel::Owner),
    ),
    Role::new(
        "key of the revoked writer, limited to the collection",
        Credential::Key { of: "revoked writer", scope: AccessLevel::Admin, limit: Limit::This },
        None,
    ),
    Role::new(
        "key of the former owner",
        Credential::Key { of: "former owner", scope: AccessLevel::Admin, limit: Limit::None },
        None,
    ),
    Role::new(
        "key with a read permission",
        Credential::Key { of: "stranger", scope: AccessLevel::Admin, limit: Limit::None },
        Some(AccessLevel::Read),
    ),
    Role::new("revoked key", Credential::Invalid, Some(AccessLevel::Owner)),
    Role::new("expired key", Credential::Invalid, Some(AccessLevel::Owner)),
    Role::new("deactivated user", Credential::Invalid, Some(AccessLevel::Admin)),
    // The access token has not expired yet.
    Role::new("signed-out user", Credential::Invalid, None),
    Role::new("key of a deactivated user", Credential::Invalid, Some(AccessLevel::Admin)),
];

/// The expected result of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Any status of the handler, except 401, 403 and 404.
    Allowed,
    Unauthorized,
    Forbidden,
    NotFound,
}

impl Expected {
    /// Returns the expected result for a declared rule and a role.
    pub fn of(need: &str, role: &Role) -> Self {
        let (what, level) = need.split_once(':').unwrap_or((need, ""));
        if what == "public" {
            return Self::Allowed;
        }
        if matches!(role.credential, Credential::Nothing | Credential::Invalid) {
            return Self::Unauthorized;
        }
        let (scope, is_limited, is_session) = match role.credential {
            Credential::Key { scope, limit, .. } => (scope, limit != Limit::None, false),
            _ => (AccessLevel::Owner, false, true),
        };
        match what {
            "caller" => Self::forbidden_unless(scope >= access(level)),
            "unrestricted-key" => Self::forbidden_unless(scope >= access(level) && !is_limited),
            "user-session" => Self::forbidden_unless(is_session),
            "superuser" => Self::forbidden_unless(role.name == SUPERUSER),
            "collection" | "collections" | "operation" => Self::reaching(role.collection, access(level)),
            "collection-user-session" if !is_session && role.collection.is_some() => Self::Forbidden,
            "collection-user-session" => Self::reaching(role.collection, access(level)),
            _ => panic!("unknown access rule {need:?}: add it to Expected::of"),
        }
    }

    fn forbidden_unless(is_enough: bool) -> Self {
        if is_enough { Self::Allowed } else { Self::Forbidden }
    }

    fn reaching(has: Option<AccessLevel>, needed: AccessLevel) -> Self {
        // Callers without read access must not learn that the collection exists.
        has.map_or(Self::NotFound, |has| Self::forbidden_unless(has >= needed))
    }

    /// Returns whether a status meets the expectation.
    pub fn is_met_by(self, status: u16) -> bool {
        match self {
            // 307: a download by presigned URL. 409: the resource is not in the state that the route needs. 503: the
            // test has no S3, SQS or Qdrant.
            Self::Allowed => (200..300).contains(&status) || [307, 409, 503].contains(&status),
            Self::Unauthorized => status == 401,
            Self::Forbidden => status == 403,
            Self::NotFound => status == 404,
        }
    }
}

fn access(word: &str) -> AccessLevel {
    match word {
        "read" => AccessLevel::Read,
        "write" => AccessLevel::Write,
        "admin" => AccessLevel::Admin,
        "owner" => AccessLevel::Owner,
        _ => panic!("{word:?} is not an access level"),
    }
}
