"""The API for programs, under /api/v1."""
