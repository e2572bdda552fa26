#!/bin/sh
# The account and administration pages in a real browser: tests/browser. BTZ_SHOTS=FOLDER keeps pictures of every page.
. "$BTZ_SOURCE/tests/cli/tap.sh"
for tool in chromium chromedriver node nginx; do
    if ! command -v $tool >/dev/null 2>&1 && [ ! -x /usr/sbin/$tool ]; then
        skip "pages in a browser" "$tool is not installed"
        done_testing
        exit 0
    fi
done
node "$BTZ_SOURCE/tests/browser/main.js" "$work"
