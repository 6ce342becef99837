#!/bin/sh
# curl: client.sh URL COUNT (what is asked: see ../clients.rs)
#
# One curl asks for everything, eight at a time, from a list that awk writes. Then the heads and the
# bodies that came are compared with those that are due.
set -eu
export LC_ALL=C
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir due got heads
awk -v url="$1" -v count="$2" 'BEGIN {
    split("0 1 1000 16384 102400", sizes)
    split("GET HEAD POST POST PUT DELETE GET GET POST GET", kinds)
    for (number = 0; number < count; number++) {
        kind = number % 10
        method = kinds[kind + 1]
        bytes = sizes[int(number / 10) % 5 + 1]
        known = kind == 6
        status = known ? 304 : method == "DELETE" ? 204 : 200
        bodiless = status != 200 || method == "HEAD"
        item = number "\n"
        while (length(item) < bytes) item = item item
        printf "%s", bodiless ? "" : substr(item, 1, bytes) > ("due/" number)
        close("due/" number)
        print number, status, method, "\"" number "\"", method == "HEAD" ? bytes : "any" > "heads-due"

        if (number > 0) print "next" > "list"
        print "url = " url "/" number "/" bytes > "list"
        print "output = " (method == "HEAD" ? "/dev/null" : "got/" number) > "list"
        print "dump-header = heads/" number > "list"
        print "max-time = 60" > "list"
        print method == "HEAD" ? "head" : "request = " method > "list"
        if (method ~ /^P/) print "data-binary = @due/" number > "list"
        if (kind == 3 || kind == 8) print "header = \"Transfer-Encoding: chunked\"" > "list"
        if (kind == 7 || kind == 8) print "header = \"Connection: close\"" > "list"
        if (known) print "header = \"If-None-Match: \\\"" number "\\\"\"" > "list"
    }
}'
curl --no-progress-meter --parallel --parallel-max 8 --config list 2>errors || true
find heads -type f | xargs cat | tr -d '\r' | awk '
    /^HTTP/ { status = $2; delete field }
    /: / { field[tolower($1)] = $2 }
    /^$/ && status >= 200 {
        bytes = field["x-method:"] == "HEAD" ? field["content-length:"] : "any"
        print field["x-number:"], status, field["x-method:"], field["etag:"], bytes
    }' | sort >heads-came
sort heads-due | comm -23 - heads-came >>errors
diff -rqN due got >>errors || true
errors=$(wc -l <errors)
echo "$2 requests, $((errors)) errors"
head -n 10 errors >&2
[ "$errors" -eq 0 ]
