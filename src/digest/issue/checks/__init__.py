"""The checks: what is looked at before an issue may go out. `run` has them all, `model` what they are given and say."""
