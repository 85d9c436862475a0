"""What connectors are made of: declaration, protocols, HTTP client, limits, discovery, conformance suite, sandbox base."""
