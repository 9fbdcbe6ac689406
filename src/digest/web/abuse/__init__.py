"""Guards against those who sign other people up: each in a file, and `sign_ups` which asks them in their order."""
