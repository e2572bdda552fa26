/* Cost of normal forms (beside libunistring over the whole text), readings, containment and patterns. */
#include <stdlib.h>

#include <unicase.h>
#include <uninorm.h>

#include "text/text.h"

enum { ROUNDS = 7 };

static const char english[] = "To stop a process, list the running ones with `ps aux`, note the "
                              "number in the second column and send it "
                              "a signal: kill -15 lets it clean up, kill -9 ends it at once. "
                              "Don\u2019t do that to a database. ";
static const char russian[] = "Чтобы остановить процесс, посмотрите список командой ps, найдите "
                              "номер во втором столбце и отправьте "
                              "сигнал. Не делайте этого с базой данных. ";
static const char chinese[] = "要停止一个进程，先用命令列出正在运行的进程，记下第二列的编号，然后发"
                              "送信号。不要对数据库这样做。";

static struct btz_buf sample(const char *text, size_t bytes)
{
    struct btz_buf out = BTZ_BUF(bytes + 1024);

    while (out.len < bytes)
        if (btz_buf_add_str(&out, text) != BTZ_OK)
            exit(70);
    return out;
}

static double normalise_ns(struct btz_slice in)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 24);
    uint64_t best = UINT64_MAX;

    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = btz_clock_ns(), took;

        btz_buf_clear(&out);
        if (btz_text_normalise(in, BTZ_NORM_MATCH, &out) != BTZ_OK)
            exit(70);
        took = btz_clock_ns() - start;
        best = took < best ? took : best;
    }
    return (double)best;
}

/* The same work without our short cuts, and without look-alikes, quotes and spaces. */
static double peer_ns(struct btz_slice in)
{
    uint64_t best = UINT64_MAX;

    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = btz_clock_ns(), took;
        size_t n, m;
        uint8_t *form = u8_normalize(UNINORM_NFKC, in.ptr, in.len, NULL, &n);
        uint8_t *folded = form ? u8_casefold(form, n, NULL, UNINORM_NFKC, NULL, &m) : NULL;

        if (!folded)
            exit(70);
        free(form);
        free(folded);
        took = btz_clock_ns() - start;
        best = took < best ? took : best;
    }
    return (double)best;
}

static void normalise(const char *name, const char *text)
{
    BTZ_BUF_RELEASE struct btz_buf in = sample(text, 1 << 20);
    double ours = normalise_ns(btz_buf_slice(&in)), theirs = peer_ns(btz_buf_slice(&in));

    printf("{\"name\":\"normalise.%s\",\"value\":%.0f,\"unit\":\"MB/"
           "s\",\"peer\":\"libunistring\",\"ratio\":%.1f}\n",
           name, (double)in.len / ours * 1000, theirs / ours);
}

static void readings(unsigned depth)
{
    BTZ_BUF_RELEASE struct btz_buf in = sample(english, 2000);
    uint64_t best = UINT64_MAX;
    size_t count = 0;

    for (int round = 0; round < 50; round++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        const struct btz_reading *r;
        uint64_t start = btz_clock_ns(), took;

        btz_arena_init(&arena, 1 << 20);
        if (btz_text_readings(btz_buf_slice(&in), depth, &arena, &r) != BTZ_OK)
            exit(70);
        took = btz_clock_ns() - start;
        best = took < best ? took : best;
        for (count = 0; r; r = r->next)
            count++;
    }
    printf("{\"name\":\"readings.2kB.depth%u\",\"value\":%.1f,\"unit\":\"us\",\"readings\":%zu}\n",
           depth, (double)best / 1000, count);
}

static void shares(void)
{
    BTZ_BUF_RELEASE struct btz_buf secret = sample(english, 2000), output = sample(russian, 2000);
    uint64_t best[2] = { UINT64_MAX, UINT64_MAX };
    double sum = 0;

    for (int round = 0; round < 50; round++) {
        uint64_t start = btz_clock_ns(), middle, end;

        sum += btz_text_containment(btz_buf_slice(&secret), btz_buf_slice(&output), 4);
        middle = btz_clock_ns();
        sum += (double)btz_text_longest_copy(btz_buf_slice(&secret), btz_buf_slice(&output));
        end = btz_clock_ns();
        best[0] = middle - start < best[0] ? middle - start : best[0];
        best[1] = end - middle < best[1] ? end - middle : best[1];
    }
    printf("{\"name\":\"containment.2kB-in-2kB\",\"value\":%.1f,\"unit\":\"us\"}\n",
           (double)best[0] / 1000);
    printf("{\"name\":\"longest-copy.2kB-in-2kB\",\"value\":%.1f,\"unit\":\"us\"}\n",
           (double)best[1] / 1000);
    if (sum < 0)
        exit(70);
}

int main(void)
{
    normalise("english", english);
    normalise("russian", russian);
    normalise("chinese", chinese);
    readings(1);
    readings(2);
    readings(3);
    shares();
    return 0;
}
