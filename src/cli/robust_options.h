/* What commands of `robust` share: rows of their option tables, and options as a section of bartizan.yaml, so that there is one
 * way into a practice. */
#ifndef BTZ_CLI_ROBUST_OPTIONS_H
#define BTZ_CLI_ROBUST_OPTIONS_H

#include "cli/samples.h"
#include "cli/scanning.h"

/* Parts of a row; the table's `struct args` has the member. */
#define BTZ_TEXT_ROW(name_, member_, metavar_, help_)                                              \
    .name = (name_), .kind = BTZ_OPTION_STRING, .offset = offsetof(struct args, member_),          \
    .metavar = (metavar_), .help = (help_)
#define BTZ_LIST_ROW(name_, member_, metavar_, help_)                                              \
    .name = (name_), .kind = BTZ_OPTION_STRINGS, .offset = offsetof(struct args, member_),         \
    .metavar = (metavar_), .help = (help_)
#define BTZ_COUNT_ROW(name_, member_, min_, max_, fallback_, help_)                                \
    .name = (name_), .kind = BTZ_OPTION_INT, .offset = offsetof(struct args, member_),             \
    .metavar = "N", .min = (min_), .max = (max_), .fallback = (fallback_), .help = (help_)
#define BTZ_REAL_ROW(name_, member_, metavar_, min_, max_, fallback_, help_)                       \
    .name = (name_), .kind = BTZ_OPTION_REAL, .offset = offsetof(struct args, member_),            \
    .metavar = (metavar_), .min = (min_), .max = (max_), .fallback = (fallback_), .help = (help_)
#define BTZ_FLAG_ROW(name_, member_, help_)                                                        \
    .name = (name_), .kind = BTZ_OPTION_FLAG, .offset = offsetof(struct args, member_),            \
    .help = (help_)

/* `struct args` has `double low, high`. */
#define BTZ_RANGE_OPTIONS(when)                                                                    \
    { BTZ_REAL_ROW("low", low, "VALUE", -1e9, 1e9, "0",                                            \
                   "Least value an input may have" when ".") },                                    \
    {                                                                                              \
        BTZ_REAL_ROW("high", high, "VALUE", -1e9, 1e9, "1",                                        \
                     "Largest value an input may have" when ".")                                   \
    }

/* `struct args` has a `struct btz_attacking_args attacking`. Texts: attacks there are, a parameter of one, what is attacked and how
 * many at most, what accuracy is called, and whose name NAME is. */
struct btz_attacking_args {
    const char *name;
    struct btz_option_list attacks, set;
    int64_t samples;
    double robust_min;
};
#define BTZ_ATTACKING_OPTIONS(attacks_help, example, things, most, accuracy, name_help)            \
    { BTZ_LIST_ROW("attack", attacking.attacks, "ID", attacks_help), .letter = 'a' },              \
        { BTZ_LIST_ROW("set", attacking.set, "ATTACK.PARAMETER=NUMBER",                            \
                       "Parameter of an attack, such as " example                                  \
                       "; may be given several times.") },                                         \
        { BTZ_COUNT_ROW("samples", attacking.samples, 0, most, "1000",                             \
                        "How many " things " are attacked, spread evenly over the data; 0: all."), \
          .letter = 'n' },                                                                         \
        { BTZ_REAL_ROW("robust-min", attacking.robust_min, "SHARE", -1, 1, "-1",                   \
                       "Fail only when " accuracy " is below SHARE, 0 to 1.") },                   \
    {                                                                                              \
        BTZ_TEXT_ROW("name", attacking.name, "NAME", "How reports call " name_help ".")            \
    }

/* `struct args` has a `struct btz_address_args address`; what is sent and where labels stand the command says itself. */
struct btz_address_args {
    const char *request, *scores_at, *labels_at, *ca_file;
    struct btz_option_list headers;
    int64_t rows, concurrency;
    double rate;
};
#define BTZ_ADDRESS_OPTIONS(request_help, labels_help)                                             \
    { BTZ_TEXT_ROW("request", address.request, "JSON", request_help) },                            \
        { BTZ_TEXT_ROW("scores-at", address.scores_at, "PATH",                                     \
                       "JSONPath to the scores in the reply of an address.") },                    \
        { BTZ_TEXT_ROW("labels-at", address.labels_at, "PATH",                                     \
                       "JSONPath to the labels, where it says no scores" labels_help) },           \
        { BTZ_LIST_ROW("header", address.headers, "NAME: VALUE",                                   \
                       "Request header; ${NAME} in single quotes is taken from the environment, "  \
                       "so that a key is in no list of processes. May be given several times.") }, \
        { BTZ_TEXT_ROW("ca-file", address.ca_file, "FILE",                                         \
                       "PEM file of the authority that signed its certificate.") },                \
        { BTZ_COUNT_ROW("rows", address.rows, 1, 65536, "32", "Samples in one request.") },        \
        { BTZ_COUNT_ROW("concurrency", address.concurrency, 1, 1000, "8",                          \
                        "Requests under way at the same time.") },                                 \
    {                                                                                              \
        BTZ_REAL_ROW("rate", address.rate, "NUMBER", 0, 1e6, "0",                                  \
                     "Requests per second at most; 0: no limit.")                                  \
    }

/* Lines of a section, `indent` deep. A text that is NULL and a list without items write nothing. */
BTZ_CHECKED enum btz_err btz_section_text(struct btz_buf *out, int indent, const char *key,
                                          const char *value);
BTZ_CHECKED enum btz_err btz_section_list(struct btz_buf *out, int indent, const char *key,
                                          const struct btz_option_list *list);
/* --set ATTACK.PARAMETER=NUMBER. Errors: USAGE. */
BTZ_CHECKED enum btz_err btz_section_set(struct btz_buf *out, int indent,
                                         const struct btz_option_list *set);
/* Errors: USAGE for a header that is no NAME: VALUE, and for a credential that is written out. */
BTZ_CHECKED enum btz_err btz_section_address(struct btz_buf *out, int indent,
                                             const struct btz_address_args *a);
/* Runs what `write` puts into the section, and returns the exit status. */
int btz_section_scan(struct btz_cli *cli, const struct btz_scan_args *scan,
                     enum btz_err (*write)(struct btz_buf *out, const void *args,
                                           const char *operand),
                     const void *args, const char *operand);

#endif
