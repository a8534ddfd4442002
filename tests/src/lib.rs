//! User journeys over the running stack, one module each.
