/*
 * Models that only answer: files without gradients, and addresses. Each worker asks with an oracle of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "robust/oracles.h"
#include "robust/practice.h"

const char *const btz_asked_protocols[] = { "none", "kserve", "instances", NULL };

enum btz_err btz_asked_check(const struct btz_model_conf *m)
{
    const struct btz_address_conf *a = &m->address;

    if (!btz_is_address(m->url))
        return btz_fail(BTZ_USAGE, "model \"%s\": `url` begins with http:// or https://", m->name);
    if (!m->protocol && !(a->request && (a->scores_at || a->labels_at)))
        return btz_fail(BTZ_USAGE,
                        "model \"%s\": say how the address is asked: `protocol` (kserve, "
                        "instances), or `request` with `scores_at` or `labels_at`",
                        m->name);
    if (a->scores_at && a->labels_at)
        return btz_fail(BTZ_USAGE, "model \"%s\": `scores_at` or `labels_at`, not both", m->name);
    return BTZ_OK;
}

static enum btz_err of_address(const struct btz_asked *a, struct btz_oracle **out)
{
    const struct btz_model_conf *m = a->conf;
    const struct btz_http_opts http = btz_address_http(&m->address, 1, a->seed);
    BTZ_FREE struct btz_http_header *headers = NULL;

    BTZ_TRY(btz_address_headers(&m->address, &headers));
    return btz_oracle_of_http(
        &(struct btz_oracle_http){
            .url = m->url,
            .headers = headers,
            .header_count = m->address.headers.count,
            .request = m->address.request,
            .scores = m->address.scores_at,
            .labels = m->address.labels_at,
            .protocol = m->protocol ? btz_asked_protocols[m->protocol] : NULL,
            .input = m->input,
            .sample = a->shape,
            .classes = a->classes,
            .rows = (uint32_t)m->address.rows,
            .http = &http,
            .stop = a->stop,
        },
        out);
}

enum btz_err btz_asked_open(void *user, struct btz_oracle **out)
{
    const struct btz_asked *a = user;
    bool declared;

    if (!a->model)
        return of_address(a, out);
    /* What the file declares goes before what the data look like: a sample of it may have another shape of as many values. */
    declared = btz_oracle_of_model(a->model, NULL, a->classes, 0, out) == BTZ_OK;
    return declared ? BTZ_OK : btz_oracle_of_model(a->model, &a->shape, a->classes, 0, out);
}

static void add(struct btz_sha256 *h, const char *text)
{
    btz_sha256_add(h, text ? btz_slice_of(text, strlen(text) + 1) : btz_str("-"));
}

/* No header: a new key asks the same model. */
enum btz_err btz_asked_identify(struct btz_asked *a)
{
    static const char hex[] = "0123456789abcdef";
    const struct btz_model_conf *m = a->conf;
    BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF((size_t)4 << 30);
    uint8_t digest[BTZ_SHA256_LEN];
    struct btz_sha256 h;

    btz_sha256_init(&h);
    if (a->model) {
        BTZ_TRY(btz_file_read(m->path, file.max, &file));
        btz_sha256_add(&h, btz_buf_slice(&file));
        btz_evaluate_digest(a->model, &h); /* weights may stand in files of their own */
    } else {
        add(&h, m->url);
        add(&h, m->address.request);
        add(&h, m->address.scores_at);
        add(&h, m->address.labels_at);
        add(&h, m->input);
        add(&h, btz_asked_protocols[m->protocol]);
    }
    btz_sha256_end(&h, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        a->identity[2 * i] = hex[digest[i] >> 4];
        a->identity[2 * i + 1] = hex[digest[i] & 15];
    }
    a->identity[2 * sizeof digest] = '\0';
    return BTZ_OK;
}
