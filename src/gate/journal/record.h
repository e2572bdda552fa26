/* The members of a record: one list for who writes them and who reads them. */
#ifndef BTZ_JOURNAL_RECORD_H
#define BTZ_JOURNAL_RECORD_H

#include "gate/journal/journal.h"

enum btz_member_kind {
    BTZ_MEMBER_TEXT,
    BTZ_MEMBER_COUNT,  /* uint64_t */
    BTZ_MEMBER_STATUS, /* unsigned */
    BTZ_MEMBER_TOKENS, /* uint64_t, when they are known */
    BTZ_MEMBER_MONEY,
    BTZ_MEMBER_DIGEST,
    BTZ_MEMBER_FLAG,
    BTZ_MEMBER_HITS,
    BTZ_MEMBER_RANGES,
    BTZ_MEMBER_BODY, /* how many bytes of it follow the object; it has NAME_of too when it was cut */
    BTZ_MEMBER_SIZE  /* written with a list or a body */
};
struct btz_member {
    const char *name;
    unsigned char name_len;
    enum btz_member_kind kind;
    size_t offset;
    unsigned max; /* of a text: bytes between the quotes, as written */
};
extern const struct btz_member btz_members[];
extern const size_t btz_member_count;

#define BTZ_RECORD_HITS   64 /* written; the others are counted */
#define BTZ_RECORD_RANGES 64

#endif
