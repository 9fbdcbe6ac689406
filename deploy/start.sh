#!/bin/sh
# Brings the store back from its replica where there is none, then serves it and keeps the replica up to date.
#
#   start            what a machine with one container runs (Fly, Render)
#   start restore    only the first half: compose.yaml has containers of their own for the rest
#
# LITESTREAM_URL says where the replica is, such as s3://bucket/digest or file:///replica; without it there is none.
set -eu

config=${LITESTREAM_CONFIG:-/etc/digest/litestream.yml}

# A file of no bytes is what a full disk leaves: no store either.
if [ -n "${LITESTREAM_URL:-}" ] && [ ! -s "$DIGEST_DB" ]; then
  found=$(dirname "$DIGEST_DB")/from-replica.db
  # What a restore that was broken off has left: of a half there is nothing to be had.
  rm -f "$found" "$found-wal" "$found-shm"
  litestream restore -config "$config" -if-replica-exists -o "$found" "$DIGEST_DB"
  if [ -e "$found" ]; then
    # Not just moved into place: the replica may be some seconds old, and what was being mailed in them is in doubt.
    digest db restore "$found" --yes
    rm -f "$found"
  else
    echo "start: there is no replica at $LITESTREAM_URL yet; beginning with an empty store" >&2
  fi
fi

[ "${1:-}" = restore ] && exit 0

if [ -n "${LITESTREAM_URL:-}" ]; then
  # Litestream hands the signal to stop on, waits, and replicates the last of it.
  exec litestream replicate -config "$config" -exec "digest serve --host 0.0.0.0 --migrate"
fi
exec digest serve --host 0.0.0.0 --migrate
