/* fetch: what an installation may ask of its issuers, over src/http. */
#ifndef BTZ_WATCH_FETCH_H
#define BTZ_WATCH_FETCH_H

#include "access/access.h"

/*
 * https only, no redirects, at most 1 MiB, 10 s. Addresses of private networks are dialled only for hosts that the
 * settings name as issuers: what an issuer's document points to must not reach the inside of the network.
 */
struct btz_fetcher;
BTZ_CHECKED enum btz_err btz_fetcher_new(const struct btz_access_conf *conf, const char *ca_file,
                                         struct btz_fetcher **out);
void btz_fetcher_free(struct btz_fetcher *f);
const struct btz_fetch *btz_fetcher_fetch(const struct btz_fetcher *f);

/* Host of an https URL, lower case, without port; USAGE when it is none. */
#define BTZ_HOST_TEXT 256
BTZ_CHECKED enum btz_err btz_fetch_host(const char *url, char out[BTZ_HOST_TEXT]);

#endif
