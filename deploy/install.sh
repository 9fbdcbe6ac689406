#!/bin/sh
# Puts the digest of this checkout on the machine, as a service of a user of its own: sudo deploy/install.sh
#
# Run again it upgrades. Every version is in a folder of its own, and /opt/digest leads to the one that is used: back to
# an earlier one is `ln -sfn /opt/digest-VERSION /opt/digest` (docs/deploy.md says what else belongs to it). Nothing is
# started or stopped, no setting is touched.
set -eu
umask 022

[ "$(id -u)" = 0 ] || { echo "install.sh: it writes to /opt and /etc: call it with sudo" >&2; exit 1; }
here=$(cd "$(dirname "$0")" && pwd)
checkout=$(dirname "$here")
python=${PYTHON:-python3}
"$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' || {
  echo "install.sh: it needs Python 3.11 or newer, with its module venv (Debian: apt-get install python3-venv)" >&2
  exit 1
}

version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$checkout/src/digest/__init__.py")
commit=$(git -c safe.directory='*' -C "$checkout" rev-parse --short HEAD 2>/dev/null || true)
target=/opt/digest-$version${commit:+-$commit}

systemd-sysusers "$here/systemd/digest.sysusers"
install -d -m 0750 -o digest -g digest /var/lib/digest
install -d -m 0755 /etc/digest
install -d -m 0750 -g digest /etc/digest/secrets
[ -e /etc/digest/digest.toml ] || {
  sed 's|/run/secrets/|/etc/digest/secrets/|' "$here/example.toml" >/etc/digest/digest.toml
  chgrp digest /etc/digest/digest.toml
  chmod 0640 /etc/digest/digest.toml
}
[ -e /etc/digest/litestream.yml ] || install -m 0644 "$here/litestream.yml" /etc/digest/litestream.yml

# What was broken off is begun anew.
if [ ! -e "$target/.whole" ]; then
  rm -rf "$target"
  "$python" -m venv "$target"
  "$target/bin/python" -m pip install --quiet --disable-pip-version-check -c "$checkout/constraints.txt" \
    "$checkout${EXTRAS:-}"
  touch "$target/.whole"
fi
before=$(readlink /opt/digest || true)
ln -sfn "$target" /opt/digest

install -m 0755 "$here/systemd/digest" /usr/local/bin/digest
for unit in "$here"/systemd/*.service "$here"/systemd/*.timer; do
  install -m 0644 "$unit" /etc/systemd/system/
done
[ ! -d /run/systemd/system ] || systemctl daemon-reload

echo "digest $version is in $target${before:+, before it there was $before}"
echo "Settings are in /etc/digest/digest.toml. Next: systemctl enable digest; systemctl restart digest"
