"""Programs that talk to the API: their tokens, and the answers they got."""
