#include "watch/api/exchange.h"
enum btz_err btz_api_once_migrate(struct btz_store *s)
{
    (void)s;
    return BTZ_OK;
}
enum btz_err btz_api_once_begin(struct btz_api_exchange *x, struct btz_api_once *once)
{
    (void)x;
    once->on = false;
    return BTZ_OK;
}
enum btz_err btz_api_once_end(struct btz_api_exchange *x, const struct btz_api_once *once)
{
    (void)x;
    (void)once;
    return BTZ_OK;
}
enum btz_err btz_api_once_tidy(struct btz_store *s, uint64_t now_ms)
{
    (void)s;
    (void)now_ms;
    return BTZ_OK;
}
