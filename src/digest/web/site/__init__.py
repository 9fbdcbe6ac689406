"""The readers' pages: a file a subject, each with its routes."""
