"""Subscribers: who they are, how they come and go, who must not be mailed."""
