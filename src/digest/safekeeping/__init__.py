"""What keeps the store: backups, bringing one back, and migrating with one taken first."""
