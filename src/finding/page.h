/*
 * Pages of docs/rules/: front matter and the sections every rule must have. libc alone, because the build's
 * generator (tools/pages.c) is made from the same source as the tests and the fuzzer.
 */
#ifndef BTZ_FINDING_PAGE_H
#define BTZ_FINDING_PAGE_H

#include "finding/finding.h"

#define BTZ_PAGE_MAX        65536 /* bytes */
#define BTZ_PAGE_LINE_MAX   160
#define BTZ_PAGE_REFERENCES 16
#define BTZ_PAGE_WHY        160

struct btz_page {
    struct btz_slice id, title; /* into the text */
    enum btz_practice practice;
    enum btz_severity severity;
    struct btz_slice references[BTZ_PAGE_REFERENCES];
    size_t reference_count;
    struct btz_slice body; /* Markdown after the front matter */
};

/*
 * Reads a page: printable ASCII lines; front matter with exactly the keys id, title, practice, severity and
 * references, once each; then the sections "What it proves", "Why it matters", "How bartizan decides", "False
 * positives", "Remedy" and "References" in this order, none empty, every reference known to btz_reference_find and
 * named in the last section. On failure `*line` (from 1) and `why` say what is wrong. The result borrows `text`.
 */
bool btz_page_parse(struct btz_slice text, struct btz_page *out, unsigned *line,
                    char why[BTZ_PAGE_WHY]);

#endif
