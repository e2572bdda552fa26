/*
 * export: entries of the trail in forms that other programs read, and what forwarding them needs that is no socket:
 * frames and a position. Pure functions; sockets are in src/watch/forward.c.
 */
#ifndef BTZ_ACCESS_EXPORT_H
#define BTZ_ACCESS_EXPORT_H

#include "access/trail.h"
#include "base/conf.h"

/* ---- formats (trail/export.c): one entry, one line without its end --------------------------------------------------- */

struct btz_export_source {
    const char *host;   /* HOSTNAME of syslog, device of OCSF */
    const char *origin; /* name of the ledger */
};
struct btz_export_format {
    const char *name; /* "jsonl", "ocsf", "syslog" */
    const char *media_type;
    enum btz_err (*write)(const struct btz_trail_record *r, const struct btz_export_source *source,
                          struct btz_buf *out);
};
extern const struct btz_export_format btz_export_formats[];
extern const size_t btz_export_format_count;
const struct btz_export_format *btz_export_format_find(const char *name);
#define BTZ_EXPORT_LINE_MAX (BTZ_TRAIL_OBJECT_MAX + (1u << 20))

/* The entry as one JSON object with its ledger index in "index". NULL without memory. */
json_t *btz_export_object(const struct btz_trail_record *r);

/* OCSF (trail/ocsf.c). Version of the schema that the events follow. */
#define BTZ_OCSF_VERSION "1.3.0"
BTZ_CHECKED enum btz_err btz_ocsf_event(const struct btz_trail_record *r,
                                        const struct btz_export_source *source, json_t **out);

/* ---- syslog (trail/syslog.c): RFC 5424 -------------------------------------------------------------------------------- */

/* One message; `body` empty: one sentence about the entry, else the MSG part. Facility 13 (log audit). The structured
 * data is of the enterprise number for documentation (RFC 5612): we have none of our own. */
#define BTZ_SYSLOG_SD_ID "bartizan@32473"
BTZ_CHECKED enum btz_err btz_syslog_write(const struct btz_trail_record *r,
                                          const struct btz_export_source *source,
                                          struct btz_slice body, struct btz_buf *out);
/* RFC 6587 section 3.4.1 and RFC 5425 section 4.3: "MSG-LEN SP SYSLOG-MSG". */
BTZ_CHECKED enum btz_err btz_syslog_frame(struct btz_slice message, struct btz_buf *out);

/* Where a receiver stands: every entry below `next` of that ledger was handed over. */
struct btz_syslog_position {
    char origin[BTZ_KEY_NAME_MAX + 1];
    uint64_t next;
};
#define BTZ_SYSLOG_POSITION_MAX 512
BTZ_CHECKED enum btz_err btz_syslog_position_parse(struct btz_slice text,
                                                   struct btz_syslog_position *out);
BTZ_CHECKED enum btz_err btz_syslog_position_write(const struct btz_syslog_position *p,
                                                   struct btz_buf *out);

/* ---- settings: `access.forward` of bartizan.yaml ----------------------------------------------------------------------- */

enum btz_forward_format { BTZ_FORWARD_SYSLOG, BTZ_FORWARD_OCSF, BTZ_FORWARD_JSONL };
struct btz_forward_conf {
    const char *address; /* "host:port", "[::1]:6514" */
    int format;          /* enum btz_forward_format: what the message says */
    bool tls;
    const char *ca_file; /* PEM; empty: the system's */
    const char *host;    /* name the receiver's certificate must have; empty: that of the address */
};
extern const struct btz_conf_struct btz_forward_conf_struct;

#endif
