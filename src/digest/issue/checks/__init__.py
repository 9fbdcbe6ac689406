"""The checks: what is looked at before an issue may go out."""
