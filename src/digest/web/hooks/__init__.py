"""Where providers tell us what became of our copies: POST /hooks/<provider>."""
