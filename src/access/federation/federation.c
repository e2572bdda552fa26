/* The issuers of an installation. */
#include <stdlib.h>

#include "access/oidc.h"

#define ISSUERS_MAX 64

struct btz_federation {
    struct btz_oidc *issuers[ISSUERS_MAX];
    size_t count;
};

enum btz_err btz_federation_open(const struct btz_access_conf *conf, const struct btz_fetch *fetch,
                                 struct btz_federation **out)
{
    const struct btz_issuer_conf *issuers = conf->issuers.items;
    struct btz_federation *f;

    if (conf->issuers.count > ISSUERS_MAX)
        return btz_fail(BTZ_USAGE, "access.issuers: at most %d", ISSUERS_MAX);
    f = calloc(1, sizeof *f);
    if (!f)
        return btz_fail(BTZ_LIMIT, "out of memory for issuers");
    for (size_t i = 0; i < conf->issuers.count; i++) {
        enum btz_err err =
            btz_federation_issuer_of(f, issuers[i].url)
                ? btz_fail(BTZ_USAGE, "access.issuers: %s is given twice", issuers[i].url)
                : btz_oidc_new(&issuers[i], fetch, &f->issuers[i]);

        if (err != BTZ_OK) {
            btz_federation_close(f);
            return err;
        }
        f->count++;
    }
    *out = f;
    return BTZ_OK;
}

void btz_federation_close(struct btz_federation *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++)
        btz_oidc_free(f->issuers[i]);
    free(f);
}

struct btz_oidc *btz_federation_issuer(struct btz_federation *f, const char *name)
{
    for (size_t i = 0; f && i < f->count; i++)
        if (strcmp(btz_oidc_conf(f->issuers[i])->name, name) == 0)
            return f->issuers[i];
    return NULL;
}

struct btz_oidc *btz_federation_issuer_of(struct btz_federation *f, const char *url)
{
    for (size_t i = 0; f && i < f->count; i++)
        if (strcmp(btz_oidc_conf(f->issuers[i])->url, url) == 0)
            return f->issuers[i];
    return NULL;
}

struct btz_oidc *btz_federation_at(struct btz_federation *f, size_t i)
{
    return f && i < f->count ? f->issuers[i] : NULL;
}
