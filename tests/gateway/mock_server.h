/* What the two files of the mock's server share. */
#ifndef BTZ_TESTS_MOCK_SERVER_H
#define BTZ_TESTS_MOCK_SERVER_H

#include "mock.h"

struct conn {
    int fd;
    struct out in, body;
    struct reply reply;
    size_t sent, pause, cut;
    uint64_t wake;
    bool close, pending, websocket, continued;
};
struct request {
    struct ask ask;
    uint64_t length;
    bool chunked, close, expect, upgrade;
    struct span key;
};

/* mock_websocket.c */
void websocket_accept(struct span key, struct reply *r);
int websocket_turn(struct conn *c);

#endif
