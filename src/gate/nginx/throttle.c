/* Strangers are counted by the address that their connection comes from (gate/throttle.h). */
#include "gate/nginx/module.h"

static struct btz_slice address_of(const struct btz_nginx_ctx *c)
{
    const struct sockaddr *a = c->r->connection->sockaddr;

    if (a->sa_family == AF_INET)
        return btz_slice_of(&((const struct sockaddr_in *)a)->sin_addr, 4);
    return a->sa_family == AF_INET6 ? btz_slice_of(&((const struct sockaddr_in6 *)a)->sin6_addr, 16)
                                    : btz_str("");
}

bool btz_nginx_throttled(struct btz_nginx_ctx *c)
{
    return btz_strangers_add(c->main->strangers, address_of(c), (uint64_t)ngx_time()) >=
           BTZ_STRANGERS_MOST;
}

void btz_nginx_throttle_undo(struct btz_nginx_ctx *c)
{
    btz_strangers_undo(c->main->strangers, address_of(c), (uint64_t)ngx_time());
}
