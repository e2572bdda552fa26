/*
 * In place of cmocka's own function, for every unit test: cmocka 1.1.5 reports a skipped test as "not ok N # SKIP NAME", which
 * TAP and meson count as a failure. Versions that report it as "ok" pass through unchanged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* Seen by the library, which calls it through its symbol. */
__attribute__((visibility("default"))) void print_message(const char *const format, ...)
{
    va_list args;

    va_start(args, format);
    if (strcmp(format, "not ok %u # SKIP %s\n") == 0)
        vprint_message("ok %u - %s # SKIP\n", args);
    else
        vprint_message(format, args);
    va_end(args);
}
