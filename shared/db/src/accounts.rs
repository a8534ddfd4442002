//! User accounts and how they sign in: users, sessions, API keys, preferences, limits, MCP profiles.

mod administration;
mod api_keys;
mod limits;
mod login_attempts;
mod mcp_profiles;
mod preferences;
mod refresh_tokens;
mod sessions;
mod users;

pub use administration::{LockedUsers, UserQuery};
pub use api_keys::{ApiKey, ApiKeys, NewApiKey, PresentedKey};
pub use limits::{UserLimits, UserResourceLimits, UserUsage};
pub use login_attempts::{LoginAttempts, LoginDecision, Subject};
pub use mcp_profiles::{McpProfile, McpProfileSettings, McpProfiles};
pub use preferences::{StoredPreferences, UserPreferences};
pub use refresh_tokens::{NewRefreshToken, RefreshTokens, Spend};
pub use sessions::Session;
pub use users::{NewUser, SessionUser, User, Users};
