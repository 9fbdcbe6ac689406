"""Collect, compose, render, approve: what goes into an issue and what it looks like."""
