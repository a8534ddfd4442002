//! Who calls, and what that must lead to: computed from the route's declaration and the role alone.

use domain::AccessLevel;

/// What a caller sends with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// Nothing.
    Nothing,
    /// An access token of the user of the role's name.
    Person,
    /// An API key of this user.
    Key { of: &'static str, scope: AccessLevel, is_limited: bool },
    /// Something that held once: an access token or a key of a user.
    Void,
}

/// One way to stand towards a collection and the installation.
#[derive(Debug, Clone, Copy)]
pub struct Role {
    pub name: &'static str,
    pub credential: Credential,
    /// What it may do with the collection of the path.
    pub collection: Option<AccessLevel>,
}

impl Role {
    const fn new(name: &'static str, credential: Credential, collection: Option<AccessLevel>) -> Self {
        Self { name, credential, collection }
    }

    const fn key(name: &'static str, scope: AccessLevel, collection: AccessLevel) -> Self {
        Self::new(name, Credential::Key { of: "owner", scope, is_limited: false }, Some(collection))
    }

    /// Whether the collection of the path is one that every signed-in user may read.
    pub fn meets_public_collection(&self) -> bool {
        self.name == PUBLIC_READER
    }
}

const PUBLIC_READER: &str = "public reader";
/// Asked for the operation of the path when it could still write there.
const ASKER: &str = "asker";
const SUPERUSER: &str = "superuser";

pub const ROLES: [Role; 19] = [
    Role::new("anonymous", Credential::Nothing, None),
    Role::new("stranger", Credential::Person, None),
    Role::new(PUBLIC_READER, Credential::Person, Some(AccessLevel::Read)),
    Role::new("reader", Credential::Person, Some(AccessLevel::Read)),
    Role::new("writer", Credential::Person, Some(AccessLevel::Write)),
    Role::new("admin", Credential::Person, Some(AccessLevel::Admin)),
    Role::new("owner", Credential::Person, Some(AccessLevel::Owner)),
    Role::new(ASKER, Credential::Person, None),
    // Administers accounts, and reads nobody's documents by that.
    Role::new(SUPERUSER, Credential::Person, None),
    Role::key("key with read scope", AccessLevel::Read, AccessLevel::Read),
    Role::key("key with write scope", AccessLevel::Write, AccessLevel::Write),
    Role::key("key with admin scope", AccessLevel::Admin, AccessLevel::Owner),
    Role::new(
        "key limited to another collection",
        Credential::Key { of: "owner", scope: AccessLevel::Admin, is_limited: true },
        None,
    ),
    Role::new(
        "key with a read grant",
        Credential::Key { of: "stranger", scope: AccessLevel::Admin, is_limited: false },
        Some(AccessLevel::Read),
    ),
    Role::new("revoked key", Credential::Void, Some(AccessLevel::Owner)),
    Role::new("expired key", Credential::Void, Some(AccessLevel::Owner)),
    Role::new("deactivated user", Credential::Void, Some(AccessLevel::Admin)),
    // The access token would work for minutes more.
    Role::new("signed-out user", Credential::Void, None),
    Role::new("key of a deactivated user", Credential::Void, Some(AccessLevel::Admin)),
];

/// What a call must lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Whatever the handler says: not 401, 403 or 404.
    Allowed,
    Unauthorized,
    Forbidden,
    NotFound,
}

impl Expected {
    /// The table. An unknown need is a mistake in the walk, not in the route.
    pub fn of(need: &str, role: &Role) -> Self {
        let (what, level) = need.split_once(':').unwrap_or((need, ""));
        if what == "nobody" {
            return Self::Allowed;
        }
        if matches!(role.credential, Credential::Nothing | Credential::Void) {
            return Self::Unauthorized;
        }
        let (scope, is_limited, is_person) = match role.credential {
            Credential::Key { scope, is_limited, .. } => (scope, is_limited, false),
            _ => (AccessLevel::Owner, false, true),
        };
        let asked = if role.name == ASKER { Some(AccessLevel::Write) } else { None };
        match what {
            "caller" => Self::forbidden_unless(scope >= access(level)),
            "everywhere" => Self::forbidden_unless(scope >= access(level) && !is_limited),
            "person" => Self::forbidden_unless(is_person),
            "superuser" => Self::forbidden_unless(role.name == SUPERUSER),
            "collection" | "collections" => Self::reaching(role.collection, access(level)),
            "collection-in-person" if !is_person && role.collection.is_some() => Self::Forbidden,
            "collection-in-person" => Self::reaching(role.collection, access(level)),
            "operation" => Self::reaching(role.collection.max(asked), access(level)),
            _ => panic!("the walk does not know the need {need:?}: say in Expected::of what it means"),
        }
    }

    fn forbidden_unless(is_enough: bool) -> Self {
        if is_enough { Self::Allowed } else { Self::Forbidden }
    }

    fn reaching(has: Option<AccessLevel>, needed: AccessLevel) -> Self {
        // Who may not read must not learn that it exists.
        has.map_or(Self::NotFound, |has| Self::forbidden_unless(has >= needed))
    }

    /// Whether a status is what was expected.
    pub fn is_met_by(self, status: u16) -> bool {
        match self {
            // 409: the resource is not in the state that the route needs. 503: the test has no S3, SQS or Qdrant.
            Self::Allowed => (200..300).contains(&status) || [409, 503].contains(&status),
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
        _ => panic!("{word:?} is no access"),
    }
}
