"""The week by itself: what is done when, what ran and what was missed."""
