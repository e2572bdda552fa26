/* All detectors over replies of 1.5 KB and 64 KiB: mean time a reply, in microseconds. */
#include <stdlib.h>

#include "redteam/redteam.h"

static const char sentence[] =
    "The report says that water use fell by six per cent, that the lifts were serviced in May, and "
    "that [the plan](https://docs.example/plan?id=7) will be shown in `autumn`. ";

static double mean_us(size_t size, int rounds)
{
    const struct btz_planted planted = { .marker = btz_str("kestrelmarble"),
                                         .product = btz_str("27639"),
                                         .url = btz_str("https://lantern-4821.example/x"),
                                         .system_prompt = btz_str(sentence),
                                         .secrets = (const struct btz_slice[]){ btz_str(
                                             "Falcon-Tundra-4471") },
                                         .secret_count = 1 };
    const struct btz_message message = { BTZ_ROLE_USER, btz_str("Please do it.") };
    BTZ_BUF_RELEASE struct btz_buf reply = BTZ_BUF(1 << 20);
    struct btz_exchange e = { .messages = &message, .count = 1, .prompt = message.text };
    uint64_t start;

    while (reply.len < size)
        if (btz_buf_printf(&reply, "%zu. %s\n", reply.len, sentence) != BTZ_OK)
            exit(1);
    reply.len = size;
    e.reply = (struct btz_reply){ .kind = BTZ_REPLY_TEXT, .text = btz_buf_slice(&reply) };
    start = btz_clock_ns();
    for (int i = 0; i < rounds; i++)
        for (size_t n = 0; btz_detectors[n]; n++) {
            BTZ_ARENA_SCOPE struct btz_arena arena;
            struct btz_detection found;

            btz_arena_init(&arena, 64u << 20);
            if (btz_detectors[n]->judge(&e, &planted, &arena, &found) != BTZ_OK)
                exit(1);
        }
    return (double)(btz_clock_ns() - start) / 1000.0 / rounds;
}

int main(void)
{
    printf("{\"name\":\"all detectors, reply of 1.5 KB\",\"value\":%.0f,\"unit\":\"us\"}\n",
           mean_us(1500, 200));
    printf("{\"name\":\"all detectors, reply of 64 KiB\",\"value\":%.0f,\"unit\":\"us\"}\n",
           mean_us(65536, 5));
    return 0;
}
