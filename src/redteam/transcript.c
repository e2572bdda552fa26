#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "redteam/campaign.h"

/* The largest reply a target may be allowed, every byte written as \u0000, with room for what was sent. */
#define LINE_MAX_BYTES ((size_t)2 << 30)

static const char *const kind_names[] = { [BTZ_REPLY_TEXT] = "text",
                                          [BTZ_REPLY_EMPTY] = "empty",
                                          [BTZ_REPLY_BLOCKED] = "blocked",
                                          [BTZ_REPLY_ERROR] = "error" };

#define TURNS_MAX 1000

/* A line of the earlier run, found again by slot. */
struct saved_line {
    struct btz_slice line;
    unsigned turn;
    struct saved_line *next;
};

struct btz_transcript {
    int fd; /* locked: one process writes a transcript */
    char *path;
    struct btz_buf line;
    struct saved_line **slots;
    bool *judged; /* a verdict of the earlier run stands for this slot */
    size_t slot_count, resumed;
    struct btz_arena arena;
    void *map;
    size_t map_len;
};

static enum btz_err write_line(struct btz_transcript *t, json_t *object)
{
    btz_buf_clear(&t->line);
    BTZ_TRY(btz_json_write(object, false, &t->line));
    BTZ_TRY(btz_buf_add_byte(&t->line, '\n'));
    return btz_fd_write_all(t->fd, btz_buf_slice(&t->line), t->path);
}

static enum btz_err write_header(struct btz_transcript *t, const uint8_t digest[BTZ_SHA256_LEN])
{
    char hex[2 * BTZ_SHA256_LEN + 1];
    BTZ_JSON json_t *object = NULL;

    btz_hex(digest, BTZ_SHA256_LEN, hex);
    object = json_pack("{s:s, s:i, s:s, s:s}", "type", "run", "format", 1, "version", btz_version(),
                       "plan", hex);
    return write_line(t, object);
}

static enum btz_err check_header(struct btz_transcript *t, struct btz_slice line,
                                 const uint8_t digest[BTZ_SHA256_LEN])
{
    char hex[2 * BTZ_SHA256_LEN + 1];
    BTZ_JSON json_t *object = NULL;
    struct btz_slice plan;

    btz_hex(digest, BTZ_SHA256_LEN, hex);
    BTZ_TRY(btz_json_parse(line, LINE_MAX_BYTES, t->path, &object));
    if (!btz_json_get_text(object, "plan", &plan) || !btz_slice_is(plan, hex))
        return btz_fail(BTZ_CONFLICT,
                        "%s: belongs to another plan (configuration, seed or version changed "
                        "since); start a new run "
                        "without --resume",
                        t->path);
    return BTZ_OK;
}

static enum btz_err number_of(const json_t *object, const char *key, json_int_t max,
                              const char *path, json_int_t *out)
{
    const json_t *value = json_object_get(object, key);

    *out = json_integer_value(value);
    if (!json_is_integer(value) || *out < 0 || *out > max)
        return btz_fail(BTZ_INPUT, "%s: expected \"%s\" to be a number from 0 to %lld", path, key,
                        (long long)max);
    return BTZ_OK;
}

static enum btz_err kind_of(const json_t *object, const char *path, enum btz_reply_kind *out)
{
    struct btz_slice kind;

    (void)btz_json_get_text(object, "kind", &kind);
    for (size_t i = 0; i < BTZ_COUNT(kind_names); i++) {
        if (btz_slice_is(kind, kind_names[i])) {
            *out = (enum btz_reply_kind)i;
            return BTZ_OK;
        }
    }
    return btz_fail(BTZ_INPUT, "%s: a reply of the unknown kind \"%.*s\"", path,
                    BTZ_SLICE_ARG(btz_slice_sub(kind, 0, 40)));
}

/* Replies are found again by slot and turn. What ended in an error is asked and judged again. */
static enum btz_err index_line(struct btz_transcript *t, struct btz_slice line)
{
    BTZ_JSON json_t *object = NULL;
    struct saved_line *saved;
    struct btz_slice type, outcome;
    enum btz_reply_kind kind;
    json_int_t slot, turn;

    BTZ_TRY(btz_json_parse(line, LINE_MAX_BYTES, t->path, &object));
    (void)btz_json_get_text(object, "type", &type);
    if (!btz_slice_is(type, "reply") && !btz_slice_is(type, "verdict"))
        return BTZ_OK;
    BTZ_TRY(number_of(object, "slot", (json_int_t)t->slot_count - 1, t->path, &slot));
    if (btz_slice_is(type, "verdict")) {
        t->judged[slot] = btz_json_get_text(object, "outcome", &outcome) &&
                          !btz_slice_is(outcome, BTZ_OUTCOME_OF_ERROR);
        return BTZ_OK;
    }
    BTZ_TRY(number_of(object, "turn", TURNS_MAX - 1, t->path, &turn));
    BTZ_TRY(kind_of(object, t->path, &kind));
    if (kind == BTZ_REPLY_ERROR)
        return BTZ_OK;
    saved = btz_arena_alloc(&t->arena, sizeof *saved);
    if (!saved)
        return BTZ_LIMIT;
    *saved = (struct saved_line){ .line = line, .turn = (unsigned)turn, .next = t->slots[slot] };
    t->slots[slot] = saved;
    t->resumed++;
    return BTZ_OK;
}

/* Reads what an earlier run left. A last line without its newline was being written when the run was killed. */
static enum btz_err take_over(struct btz_transcript *t, const uint8_t digest[BTZ_SHA256_LEN],
                              bool *fresh)
{
    struct btz_reader reader = { .what = t->path };
    struct btz_slice line;
    const uint8_t *end;
    struct stat st;
    size_t whole;

    if (fstat(t->fd, &st) < 0)
        return btz_fail_errno(BTZ_IO, "stat %s", t->path);
    *fresh = st.st_size == 0;
    if (*fresh)
        return BTZ_OK;
    t->map_len = (size_t)st.st_size;
    t->map = mmap(NULL, t->map_len, PROT_READ, MAP_PRIVATE, t->fd, 0);
    if (t->map == MAP_FAILED) {
        t->map = NULL;
        return btz_fail_errno(BTZ_IO, "map %s", t->path);
    }
    end = memrchr(t->map, '\n', t->map_len);
    whole = end ? (size_t)(end - (const uint8_t *)t->map) + 1 : 0;
    if (whole < t->map_len && ftruncate(t->fd, (off_t)whole) < 0)
        return btz_fail_errno(BTZ_IO, "cut the torn last line of %s", t->path);
    *fresh = whole == 0;
    reader.in = btz_slice_of(t->map, whole);
    for (size_t i = 1; btz_read_line(&reader, &line); i++) {
        enum btz_err err = i == 1 ? check_header(t, line, digest) : index_line(t, line);

        if (err != BTZ_OK)
            return btz_fail_context(err, "line %zu", i);
    }
    return BTZ_OK;
}

enum btz_err btz_transcript_open(const char *dir, const char *name,
                                 const uint8_t digest[BTZ_SHA256_LEN], size_t slots, bool resume,
                                 struct btz_transcript **out)
{
    struct btz_transcript *t = calloc(1, sizeof *t);
    size_t size = strlen(dir) + strlen(name) + sizeof "/.jsonl";
    enum btz_err err = BTZ_OK;
    bool fresh = true;

    if (!t)
        return btz_fail(BTZ_LIMIT, "out of memory");
    t->fd = -1;
    t->line = BTZ_BUF(LINE_MAX_BYTES);
    btz_arena_init(&t->arena, (size_t)1 << 30);
    t->slot_count = slots;
    t->path = malloc(size);
    t->slots = calloc(slots ? slots : 1, sizeof(struct saved_line *));
    t->judged = calloc(slots ? slots : 1, sizeof *t->judged);
    if (!t->path || !t->slots || !t->judged) {
        err = btz_fail(BTZ_LIMIT, "out of memory");
        goto fail;
    }
    snprintf(t->path, size, "%s/%s.jsonl", dir, name);
    err = btz_file_mkdirs(dir, 0700);
    if (err != BTZ_OK)
        goto fail;
    t->fd =
        open(t->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | (resume ? 0 : O_EXCL),
             0600);
    if (t->fd < 0) {
        err = errno == EEXIST ? btz_fail(BTZ_CONFLICT,
                                         "%s: is there already; --resume continues that run, "
                                         "--run names another",
                                         t->path)
                              : btz_fail_errno(BTZ_IO, "create %s", t->path);
        goto fail;
    }
    if (flock(t->fd, LOCK_EX | LOCK_NB) < 0) {
        err = errno == EWOULDBLOCK
                  ? btz_fail(BTZ_CONFLICT, "%s: another process is writing it; that run goes on",
                             t->path)
                  : btz_fail_errno(BTZ_IO, "lock %s", t->path);
        goto fail;
    }
    if (resume)
        err = take_over(t, digest, &fresh);
    if (err == BTZ_OK && fresh)
        err = write_header(t, digest);
    if (err != BTZ_OK)
        goto fail;
    *out = t;
    return BTZ_OK;
fail:
    btz_transcript_close(t);
    return err;
}

void btz_transcript_close(struct btz_transcript *t)
{
    if (!t)
        return;
    if (t->map)
        munmap(t->map, t->map_len);
    if (t->fd >= 0)
        close(t->fd);
    btz_arena_release(&t->arena);
    btz_buf_release(&t->line);
    free(t->slots);
    free(t->judged);
    free(t->path);
    free(t);
}

size_t btz_transcript_resumed(const struct btz_transcript *t)
{
    return t->resumed;
}

static const struct saved_line *find_line(const struct btz_transcript *t, size_t slot,
                                          unsigned turn)
{
    const struct saved_line *saved = t->slots[slot];

    while (saved && saved->turn != turn)
        saved = saved->next;
    return saved;
}

bool btz_transcript_has(const struct btz_transcript *t, size_t slot, unsigned turn)
{
    return find_line(t, slot, turn) != NULL;
}

enum btz_err btz_transcript_sync(struct btz_transcript *t)
{
    if (fsync(t->fd) < 0)
        return btz_fail_errno(BTZ_IO, "sync %s", t->path);
    return BTZ_OK;
}

enum btz_err btz_transcript_find(const struct btz_transcript *t, size_t slot, unsigned turn,
                                 struct btz_arena *arena, struct btz_reply *out)
{
    BTZ_JSON json_t *object = NULL;
    const struct saved_line *saved = find_line(t, slot, turn);
    struct btz_reply reply = { .tries = 0 };
    struct btz_slice text;

    if (!saved)
        return btz_fail(BTZ_INTERNAL, "%s: no reply is saved for attack %zu", t->path, slot);
    BTZ_TRY(btz_json_parse(saved->line, LINE_MAX_BYTES, t->path, &object));
    BTZ_TRY(kind_of(object, t->path, &reply.kind));
    (void)btz_json_get_text(object, "text", &text);
    BTZ_TRY(btz_arena_copy(arena, text, &reply.text));
    (void)btz_json_get_text(object, "reasoning", &text);
    BTZ_TRY(btz_arena_copy(arena, text, &reply.reasoning));
    if (btz_json_get_text(object, "detail", &text)) {
        reply.detail = btz_arena_str(arena, text);
        if (!reply.detail)
            return BTZ_LIMIT;
    }
    reply.http_status = (unsigned)json_integer_value(json_object_get(object, "http_status"));
    reply.tries = (unsigned)json_integer_value(json_object_get(object, "tries"));
    reply.seconds = json_number_value(json_object_get(object, "seconds"));
    reply.tokens_in = (uint64_t)json_integer_value(json_object_get(object, "tokens_in"));
    reply.tokens_out = (uint64_t)json_integer_value(json_object_get(object, "tokens_out"));
    *out = reply;
    return BTZ_OK;
}

enum btz_err btz_transcript_reply(struct btz_transcript *t, size_t slot, unsigned turn,
                                  const char *unit, struct btz_slice sent,
                                  const struct btz_reply *reply)
{
    BTZ_JSON json_t *object = json_pack(
        "{s:s, s:I, s:i, s:s, s:o, s:s, s:o, s:i, s:i, s:f, s:I, s:I}", "type", "reply", "slot",
        (json_int_t)slot, "turn", (int)turn, "unit", unit, "sent", btz_json_text(sent), "kind",
        kind_names[reply->kind], "text", btz_json_text(reply->text), "http_status",
        (int)reply->http_status, "tries", (int)reply->tries, "seconds", reply->seconds, "tokens_in",
        (json_int_t)reply->tokens_in, "tokens_out", (json_int_t)reply->tokens_out);

    if (object && reply->detail &&
        json_object_set_new(object, "detail", btz_json_text(btz_str(reply->detail))) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory");
    if (object && reply->reasoning.len > 0 &&
        json_object_set_new(object, "reasoning", btz_json_text(reply->reasoning)) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory");
    return write_line(t, object);
}

enum btz_err btz_transcript_verdict(struct btz_transcript *t, size_t slot, const char *unit,
                                    const char *outcome, bool hit, const char *detector,
                                    const char *reason)
{
    BTZ_JSON json_t *object = NULL;

    if (t->judged[slot])
        return BTZ_OK;
    object = json_pack("{s:s, s:I, s:s, s:s, s:b, s:s?, s:o}", "type", "verdict", "slot",
                       (json_int_t)slot, "unit", unit, "outcome", outcome, "success", (int)hit,
                       "detector", detector, "reason", btz_json_text(btz_str(reason)));

    return write_line(t, object);
}
