"""Official clients of the Model Context Protocol, against the deployed API."""
