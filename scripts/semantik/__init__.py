"""Commands that use a running stack, and what they share: an API client, progress, measures."""
