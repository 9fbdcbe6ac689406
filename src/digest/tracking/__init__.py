"""What became of copies after they were handed over: opens, clicks, what providers say; and the reports made of it."""
