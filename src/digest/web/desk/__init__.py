"""The desk, where editors make the issue: a file a subject, each with its routes, found by itself."""
