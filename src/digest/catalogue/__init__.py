"""Tools, the panel, reviews, comparisons and votes: import them, find them."""
