/*
 * Sessions of MCP servers. A server gives an id to whoever initializes; it knows one caller, the gateway, so that anybody
 * with the id would be in that session. Clients get the id with a seal of who they are and which server it is:
 * "SEAL.ID". What is not so sealed is an unknown session, as the specification has it (2025-06-18, Transports, Session
 * Management): 404, and the client begins a new one. Nothing is kept: any worker can tell, and any gateway of a fleet
 * that has the same key.
 */
#include "gate/exchange.h"

#include <sodium.h>

#define SEAL_BYTES 16
#define ID_MAX     1024

/* Of the specification: visible ASCII. */
static bool is_id(struct btz_slice id)
{
    for (size_t i = 0; i < id.len; i++)
        if (id.ptr[i] < 0x21 || id.ptr[i] > 0x7e)
            return false;
    return id.len > 0 && id.len <= ID_MAX;
}

/* Servers of MCP, and whatever stands behind declared routes. */
static bool has_sessions(const struct btz_exchange *x)
{
    return x->route->mcp || x->route->declared;
}

static void seal(const struct btz_exchange *x, struct btz_slice id, char out[2 * SEAL_BYTES + 1])
{
    /* The zero at the end of each parts it from the next. */
    const struct btz_slice parts[] = {
        btz_slice_of("mcp-session", sizeof "mcp-session"), btz_slice_of(x->id, strlen(x->id) + 1),
        btz_slice_of(x->route->resource, strlen(x->route->resource) + 1), id
    };
    crypto_auth_hmacsha256_state mac;
    uint8_t digest[crypto_auth_hmacsha256_BYTES];

    crypto_auth_hmacsha256_init(&mac, x->gate->pepper, sizeof x->gate->pepper);
    for (size_t i = 0; i < BTZ_COUNT(parts); i++)
        crypto_auth_hmacsha256_update(&mac, parts[i].ptr, parts[i].len);
    crypto_auth_hmacsha256_final(&mac, digest);
    btz_wipe(&mac, sizeof mac);
    btz_hex(digest, SEAL_BYTES, out);
}

enum btz_step btz_exchange_check_session(struct btz_exchange *x)
{
    struct btz_slice given = x->in->mcp_session, id;
    char sealed[2 * SEAL_BYTES + 1];

    if (given.len == 0 || !has_sessions(x))
        return BTZ_STEP_GO;
    id = btz_slice_sub(given, 2 * SEAL_BYTES + 1, given.len);
    if (given.len > 2 * SEAL_BYTES + 1 && given.ptr[2 * SEAL_BYTES] == '.' && is_id(id)) {
        seal(x, id, sealed);
        if (btz_equal_ct(given.ptr, sealed, 2 * SEAL_BYTES)) {
            x->session_in = id;
            return BTZ_STEP_GO;
        }
    }
    return btz_exchange_refuse(x, 404, "unknown_session",
                               "there is no such session; initialize a new one");
}

enum btz_step btz_exchange_take_session(struct btz_exchange *x, struct btz_slice id)
{
    char sealed[2 * SEAL_BYTES + 1];

    if (id.len == 0 || !has_sessions(x))
        return BTZ_STEP_GO;
    if (!is_id(id))
        return btz_exchange_refuse(x, 502, "upstream_answer",
                                   "the server's Mcp-Session-Id is none that clients can send");
    seal(x, id, sealed);
    x->session_out = btz_arena_printf(&x->arena, "%s.%.*s", sealed, BTZ_SLICE_ARG(id));
    return x->session_out ? BTZ_STEP_GO : btz_exchange_refuse(x, 503, "out_of_memory", "no memory");
}

const char *btz_exchange_session(const struct btz_exchange *x)
{
    return x->session_out;
}
