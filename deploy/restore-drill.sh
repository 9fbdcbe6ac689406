#!/bin/sh
# Tries whether a backup could be brought back, without touching the store: run it every month, and after every change.
#
#   restore-drill.sh --backup FILE           a backup file
#   restore-drill.sh --newest                the newest one in backup_to
#   restore-drill.sh --replica URL           a replica of Litestream, such as s3://bucket/digest or file:///mnt/replica
#   restore-drill.sh --litestream CONFIG     the same, as Litestream's own file names it
#
#   --db STORE         the store, where the settings of this folder do not name it
#   --within SECONDS   how much older than the store it may be: 93600 (26 h) for a backup, 60 for a replica
#   --exact            every table must have the same rows: for a store that nobody writes to meanwhile
#
# It prints the proof, and exits with 0 only where everything holds. What it brings back lies in a folder of its own, and
# is removed at the end. DRILL_DIGEST and DRILL_LITESTREAM say where the programs are that are not on the PATH.
set -eu

digest=${DRILL_DIGEST:-digest}
litestream=${DRILL_LITESTREAM:-litestream}
kind='' from='' store='' within='' exact=''

usage() {
  sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case $1 in
    --backup | --replica | --litestream | --within | --db)
      [ $# -gt 1 ] || usage
      case $1 in
        --within) within=$2 ;;
        --db) store=$2 ;;
        *) kind=${1#--} from=$2 ;;
      esac
      shift 2
      ;;
    --newest) kind=newest && shift ;;
    --exact) exact=--exact && shift ;;
    *) usage ;;
  esac
done
[ -n "$kind" ] || usage

folder=$(mktemp -d "${TMPDIR:-/tmp}/digest-drill.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
copy=$folder/digest.db
failed=0

step() { printf '\n== %s\n' "$1"; }
expect() { "$@" || { failed=1 && echo "FAILED: $*" >&2; }; }

[ -n "$store" ] || store=$("$digest" db path)
step "Bringing back from the $kind of $store"
case $kind in
  backup) copy=$from ;;
  newest)
    copy=$("$digest" --db "$store" db backups --newest)
    echo "$copy"
    ;;
  replica) "$litestream" restore -integrity-check full -o "$copy" "$from" ;;
  litestream) "$litestream" restore -config "$from" -integrity-check full -o "$copy" "$store" ;;
esac
case $kind in
  backup | newest) within=${within:-93600} ;;
  *) within=${within:-60} ;;
esac

step "Held against the store"
# shellcheck disable=SC2086
expect "$digest" --db "$store" db compare --within "$within" $exact "$copy"

step "What bringing it back would do"
expect "$digest" --db "$store" db restore --dry-run "$copy"

step "Brought back into a folder of its own, and looked at"
mkdir "$folder/drill"
expect "$digest" --db "$folder/drill/digest.db" db restore "$copy"
expect "$digest" --db "$folder/drill/digest.db" db check
expect "$digest" --db "$folder/drill/digest.db" doctor store --offline --quick

if [ "$failed" -ne 0 ]; then
  printf '\nTHE DRILL FAILED: do not rely on this %s.\n' "$kind" >&2
  exit 1
fi
printf '\nThe drill went well: this %s can be brought back.\n' "$kind"
