#!/usr/bin/env bash
# Assembles the root file system of the sidecar's image: the binary, the shared libraries that it is
# linked with, the certificate authorities, and the user it runs as. The Dockerfile copies the
# result into an empty image; a test runs it without a container engine. There is no shell in it,
# and nothing in it has to be writable.
set -euo pipefail

[ $# -eq 2 ] || { echo "usage: rootfs.sh BINARY FOLDER   (FOLDER must not exist)" >&2; exit 2; }
binary=$1 root=$2
[ -x "$binary" ] || { echo "rootfs.sh: $binary is not a program" >&2; exit 1; }
mkdir "$root"

libraries() { # prints the files that the loader needs to start the binary, itself included
    local listing
    listing=$(ldd "$1") || { echo "rootfs.sh: $1 is not a dynamic program" >&2; return 1; }
    if grep -q 'not found' <<<"$listing"; then
        echo "rootfs.sh: libraries are missing here:" >&2
        grep 'not found' <<<"$listing" >&2
        return 1
    fi
    grep -o '/[^ ]*' <<<"$listing" | sort -u
}

files=$(libraries "$binary")
for file in $files; do install -D -m 755 "$file" "$root$file"; done
install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
install -D -m 755 "$binary" "$root/usr/local/bin/lanekeeper"

# Where the runtime mounts the configuration and its own file systems.
mkdir -p "$root/etc/lanekeeper" "$root/proc" "$root/sys" "$root/dev"
install -d -m 1777 "$root/tmp"

cat >"$root/etc/passwd" <<'TEXT'
root:x:0:0:root:/:/sbin/nologin
lanekeeper:x:1337:1337:lanekeeper:/:/sbin/nologin
TEXT
cat >"$root/etc/group" <<'TEXT'
root:x:0:
lanekeeper:x:1337:
TEXT
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
