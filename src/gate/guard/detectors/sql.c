/* SQL that destroys, or that is made to get past a condition. Assistants write SQL: only written down unless a rule says so. */
#include "gate/guard/detectors/phrases.h"

static const struct btz_phrase phrases[] = {
    { "drop table|database|schema|user|index|view", "sql-drop", 0.7 },
    { "truncate table", "sql-truncate", 0.7 },
    { "union *1 select", "sql-union", 0.8 },
    { "=or '1'='1", "sql-tautology", 1 },
    { "=or 1=1", "sql-tautology", 1 },
    { "=or \"1\"=\"1", "sql-tautology", 1 },
    { "=xp_cmdshell", "sql-shell", 1 },
    { "=into outfile", "sql-file", 0.9 },
    { "=into dumpfile", "sql-file", 0.9 },
    { "=load_file(", "sql-file", 0.9 },
    { "=pg_sleep(", "sql-delay", 0.9 },
    { "=waitfor delay", "sql-delay", 0.9 },
    { "=benchmark(", "sql-delay", 0.5 },
    { "=information_schema.", "sql-catalogue", 0.5 },
    { "=;--", "sql-comment", 0.5 },
    { "=; --", "sql-comment", 0.5 },
    { "grant all", "sql-grant", 0.6 },
    { "copy *3 from program", "sql-program", 0.9 },
};

BTZ_PHRASES(compile, phrases)

const struct btz_guard_detector btz_guard_detector_sql = {
    .id = "sql",
    .summary = "SQL that destroys, reads the catalogue or gets past conditions.",
    .mask = "sql",
    .channels = 1u << BTZ_CHANNEL_OUTPUT | 1u << BTZ_CHANNEL_TOOL_ARGUMENTS,
    .user = BTZ_GUARD_OBSERVE,
    .untrusted = BTZ_GUARD_OBSERVE,
    .output = BTZ_GUARD_OBSERVE,
    .decoded = true,
    .triggers = btz_phrases_wake,
    .scan = btz_phrases_detect,
    .compile = compile,
    .release = btz_phrases_release,
};
