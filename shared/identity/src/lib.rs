//! Who is calling: an Authorization header becomes a principal.
