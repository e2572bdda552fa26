#include <stdlib.h>

#include "finding/finding.h"

void btz_evidence_set(struct btz_evidence *e, const char *label, const char *media_type,
                      struct btz_slice bytes)
{
    *e = (struct btz_evidence){ .label = label, .media_type = media_type, .bytes = bytes };
    btz_sha256(bytes, e->sha256);
}

/* One part of the identity: its length in bytes, then its text, both as well-formed UTF-8. */
static void add_part(struct btz_sha256 *hash, const char *text)
{
    struct btz_slice in = btz_str(text);
    uint8_t storage[4], length[8];
    struct btz_buf one = { .ptr = storage, .cap = sizeof storage, .max = sizeof storage };
    uint64_t total = 0;
    size_t at = 0;
    uint32_t c;

    while (btz_utf8_next(in, &at, &c))
        total += c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)(total >> (56 - 8 * i));
    btz_sha256_add(hash, btz_slice_of(length, sizeof length));
    for (at = 0; btz_utf8_next(in, &at, &c);) {
        one.len = 0;
        /* Four bytes hold any code point: this cannot fail. */
        if (btz_buf_add_utf8(&one, c) != BTZ_OK)
            abort();
        btz_sha256_add(hash, btz_buf_slice(&one));
    }
}

void btz_finding_fingerprint(const struct btz_finding *f, char out[BTZ_FINGERPRINT_TEXT])
{
    struct btz_sha256 hash;
    uint8_t digest[BTZ_SHA256_LEN];

    btz_sha256_init(&hash);
    add_part(&hash, f->rule->id);
    add_part(&hash, f->asset.kind);
    add_part(&hash, f->asset.name);
    add_part(&hash, f->location);
    btz_sha256_end(&hash, digest);
    btz_hex(digest, (BTZ_FINGERPRINT_TEXT - 1) / 2, out);
}

static enum btz_err tee_finding(struct btz_sink *sink, const struct btz_finding *f)
{
    struct btz_tee *t = (struct btz_tee *)sink;

    for (size_t i = 0; i < t->count; i++)
        BTZ_TRY(t->to[i]->finding(t->to[i], f));
    return BTZ_OK;
}

static enum btz_err tee_coverage(struct btz_sink *sink, const struct btz_coverage *c)
{
    struct btz_tee *t = (struct btz_tee *)sink;

    for (size_t i = 0; i < t->count; i++)
        BTZ_TRY(t->to[i]->coverage(t->to[i], c));
    return BTZ_OK;
}

static void tee_progress(struct btz_sink *sink, const struct btz_progress *p)
{
    struct btz_tee *t = (struct btz_tee *)sink;

    for (size_t i = 0; i < t->count; i++)
        if (t->to[i]->progress)
            t->to[i]->progress(t->to[i], p);
}

void btz_tee_init(struct btz_tee *t, struct btz_sink *const *to, size_t count)
{
    *t = (struct btz_tee){
        .sink = { .finding = tee_finding, .coverage = tee_coverage, .progress = tee_progress },
        .to = to,
        .count = count,
    };
}
