#!/bin/sh
# The reference page is what the tables say.
. "$BTZ_SOURCE/tests/cli/tap.sh"
run 0 help --configuration
diff -u "$BTZ_SOURCE/docs/configuration.md" "$work/.out" >"$work/.err"
ok $? "docs/configuration.md is current; if not: build/bartizan help --configuration > docs/configuration.md"
done_testing
