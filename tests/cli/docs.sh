#!/bin/sh
# The reference pages are what the tables say.
. "$BTZ_SOURCE/tests/cli/tap.sh"
run 0 help --configuration
diff -u "$BTZ_SOURCE/docs/configuration.md" "$work/.out" >"$work/.err"
ok $? "docs/configuration.md is current; if not: build/bartizan help --configuration > docs/configuration.md"
run 0 help --roles
diff -u "$BTZ_SOURCE/docs/access-roles.md" "$work/.out" >"$work/.err"
ok $? "docs/access-roles.md is current; if not: build/bartizan help --roles > docs/access-roles.md"
done_testing
