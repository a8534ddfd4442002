DROP TABLE mcp_profile_collections;
DROP TABLE mcp_profiles;
