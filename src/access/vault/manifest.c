/* Manifests: written in one spelling, and read in no other. */
#include "access/vault.h"

#include <sys/stat.h>

#define TYPE       "bartizan.artifact.v1"
#define READ_BLOCK ((size_t)1 << 20)

enum btz_err btz_chunk_size(uint64_t size, uint64_t *out)
{
    uint64_t chunk = BTZ_CHUNK_MIN;

    while (chunk < UINT64_C(1) << 40 && size / chunk + (size % chunk != 0) > BTZ_CHUNKS_MAX)
        chunk *= 2;
    if (size / chunk + (size % chunk != 0) > BTZ_CHUNKS_MAX)
        return btz_fail(BTZ_LIMIT, "an artifact of %" PRIu64 " bytes is too large", size);
    *out = chunk;
    return BTZ_OK;
}

/* ---- writing ---- */

static json_t *chunk_list(const struct btz_manifest *m)
{
    json_t *list = json_array();
    char hex[2 * BTZ_SHA256_LEN + 1];

    for (size_t i = 0; list && i < m->chunk_count; i++) {
        btz_hex(m->chunks[i], BTZ_SHA256_LEN, hex);
        if (json_array_append_new(list, json_string(hex)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static enum btz_err write_text(const struct btz_manifest *m, struct btz_buf *out)
{
    char digest[7 + 2 * BTZ_SHA256_LEN + 1] = "sha256:";
    json_t *chunks = chunk_list(m);
    BTZ_JSON json_t *value = NULL;

    btz_hex(m->digest, BTZ_SHA256_LEN, digest + 7);
    value = chunks ? json_pack("{s:I, s:o, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:I}", "chunk_size",
                               (json_int_t)m->chunk_size, "chunks", chunks, "created", m->created,
                               "digest", digest, "kind", m->kind, "media_type", m->media_type,
                               "name", m->name, "size", (json_int_t)m->size, "type", TYPE,
                               "version", (json_int_t)m->version)
                   : NULL;
    if (!value)
        return btz_fail(BTZ_LIMIT, "no memory for a manifest");
    BTZ_TRY(btz_json_write(value, false, out));
    return btz_buf_add_byte(out, '\n');
}

enum btz_err btz_manifest_write(const struct btz_manifest *m, const struct btz_skey *key,
                                struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_MANIFEST_MAX);

    BTZ_TRY(write_text(m, &text));
    BTZ_TRY(btz_buf_add_slice(out, btz_buf_slice(&text)));
    BTZ_TRY(btz_buf_add_byte(out, '\n'));
    return btz_note_sign(btz_buf_slice(&text), key, 0, out);
}

/* ---- reading ---- */

static enum btz_err take_text(const json_t *value, const char *key, size_t max,
                              struct btz_arena *arena, const char **out)
{
    struct btz_slice text;
    char *copy;

    if (!btz_json_get_text(value, key, &text) || text.len == 0 || text.len > max)
        return btz_fail(BTZ_INPUT, "manifest: `%s` is missing, empty or too long", key);
    copy = btz_arena_str(arena, text);
    *out = copy;
    return copy ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err take_number(const json_t *value, const char *key, uint64_t *out)
{
    json_t *number = json_object_get(value, key);

    if (!json_is_integer(number) || json_integer_value(number) < 0)
        return btz_fail(BTZ_INPUT, "manifest: `%s` is no number from 0", key);
    *out = (uint64_t)json_integer_value(number);
    return BTZ_OK;
}

static enum btz_err take_digest(const json_t *value, uint8_t out[BTZ_SHA256_LEN])
{
    struct btz_slice text;

    if (!btz_json_get_text(value, "digest", &text) ||
        !btz_slice_has_prefix(text, btz_str("sha256:")))
        return btz_fail(BTZ_INPUT, "manifest: expected `digest` \"sha256:...\"");
    return btz_unhex(btz_slice_sub(text, 7, text.len), out, BTZ_SHA256_LEN);
}

static enum btz_err take_chunks(const json_t *value, struct btz_arena *arena,
                                struct btz_manifest *out)
{
    json_t *list = json_object_get(value, "chunks");
    uint8_t(*chunks)[BTZ_SHA256_LEN];
    uint64_t chunk_size, count;

    BTZ_TRY(btz_chunk_size(out->size, &chunk_size));
    count = out->size / chunk_size + (out->size % chunk_size != 0);
    if (out->chunk_size != chunk_size)
        return btz_fail(BTZ_INPUT, "manifest: a file of %" PRIu64 " bytes has chunks of %" PRIu64,
                        out->size, chunk_size);
    if (!json_is_array(list) || json_array_size(list) != count)
        return btz_fail(BTZ_INPUT, "manifest: expected %" PRIu64 " chunks", count);
    chunks = btz_arena_array(arena, (size_t)count + 1, sizeof *chunks);
    if (!chunks)
        return BTZ_LIMIT;
    for (size_t i = 0; i < count; i++) {
        const char *hex = json_string_value(json_array_get(list, i));

        if (!hex)
            return btz_fail(BTZ_INPUT, "manifest: chunk %zu is no text", i);
        BTZ_TRY(btz_unhex(btz_str(hex), chunks[i], BTZ_SHA256_LEN));
    }
    out->chunks = (const uint8_t(*)[BTZ_SHA256_LEN])chunks;
    out->chunk_count = (size_t)count;
    return BTZ_OK;
}

static enum btz_err take_all(const json_t *value, struct btz_arena *arena, struct btz_manifest *m)
{
    const char *type;

    if (!json_is_object(value))
        return btz_fail(BTZ_INPUT, "manifest: expected an object");
    BTZ_TRY(take_text(value, "type", 64, arena, &type));
    if (strcmp(type, TYPE) != 0)
        return btz_fail(BTZ_UNSUPPORTED, "manifest: of the type \"%s\"; this program knows " TYPE,
                        type);
    BTZ_TRY(take_text(value, "name", BTZ_ARTIFACT_NAME_MAX, arena, &m->name));
    BTZ_TRY(take_text(value, "kind", 32, arena, &m->kind));
    BTZ_TRY(take_text(value, "media_type", 128, arena, &m->media_type));
    BTZ_TRY(take_text(value, "created", BTZ_TIME_TEXT, arena, &m->created));
    BTZ_TRY(take_number(value, "version", &m->version));
    BTZ_TRY(take_number(value, "size", &m->size));
    BTZ_TRY(take_number(value, "chunk_size", &m->chunk_size));
    BTZ_TRY(take_digest(value, m->digest));
    return take_chunks(value, arena, m);
}

enum btz_err btz_manifest_parse(struct btz_slice bytes, struct btz_arena *arena,
                                struct btz_manifest *out, struct btz_note *note)
{
    BTZ_BUF_RELEASE struct btz_buf again = BTZ_BUF(BTZ_MANIFEST_MAX);
    BTZ_JSON json_t *value = NULL;
    struct btz_manifest m = { 0 };
    struct btz_note own;

    if (bytes.len > BTZ_MANIFEST_MAX)
        return btz_fail(BTZ_LIMIT, "manifest: more than %zu bytes", BTZ_MANIFEST_MAX);
    BTZ_TRY(btz_note_parse(bytes, &own));
    BTZ_TRY(btz_json_parse(own.text, BTZ_MANIFEST_MAX, "manifest", &value));
    BTZ_TRY(take_all(value, arena, &m));
    BTZ_TRY(write_text(&m, &again));
    if (!btz_slice_equal(btz_buf_slice(&again), own.text))
        return btz_fail(BTZ_INPUT, "manifest: not in the canonical form");
    if (note)
        *note = own;
    *out = m;
    return BTZ_OK;
}

enum btz_err btz_manifest_open(struct btz_slice bytes, const struct btz_vkey *key,
                               struct btz_arena *arena, struct btz_manifest *out)
{
    struct btz_manifest m;
    struct btz_note note;

    BTZ_TRY(btz_manifest_parse(bytes, arena, &m, &note));
    BTZ_TRY(btz_note_verify(&note, key, NULL));
    *out = m;
    return BTZ_OK;
}

/* ---- files ---- */

static uint64_t chunk_length(const struct btz_manifest *m, size_t index)
{
    uint64_t at = index * m->chunk_size;

    return m->size - at < m->chunk_size ? m->size - at : m->chunk_size;
}

static enum btz_err differs(const struct btz_manifest *m, size_t index)
{
    uint64_t at = index * m->chunk_size;

    return btz_fail(BTZ_INPUT,
                    "bytes %" PRIu64 " to %" PRIu64 " (chunk %zu) are not what was registered", at,
                    at + chunk_length(m, index) - 1, index);
}

enum btz_err btz_manifest_check_chunks(const struct btz_manifest *m, size_t index,
                                       struct btz_slice bytes)
{
    uint8_t digest[BTZ_SHA256_LEN];

    for (size_t at = 0; at < bytes.len; index++) {
        uint64_t n;

        if (index >= m->chunk_count)
            return btz_fail(BTZ_INPUT, "there is no chunk %zu", index);
        n = chunk_length(m, index);
        if (n > bytes.len - at)
            return btz_fail(BTZ_INPUT, "%zu bytes of chunk %zu, which has %" PRIu64, bytes.len - at,
                            index, n);
        btz_sha256(btz_slice_sub(bytes, at, (size_t)n), digest);
        if (!btz_equal_ct(digest, m->chunks[index], sizeof digest))
            return differs(m, index);
        at += (size_t)n;
    }
    return BTZ_OK;
}

/* One chunk, which may be larger than memory should be. */
static enum btz_err check_chunk(const struct btz_manifest *m, size_t index, int fd,
                                const char *what, uint8_t *block, struct btz_sha256 *whole)
{
    uint64_t at = index * m->chunk_size, left = chunk_length(m, index);
    struct btz_sha256 one;
    uint8_t digest[BTZ_SHA256_LEN];
    enum btz_err err = BTZ_OK;

    btz_sha256_init(&one);
    while (left > 0 && err == BTZ_OK) {
        size_t n = left < READ_BLOCK ? (size_t)left : READ_BLOCK;

        err = btz_fd_pread_all(fd, block, n, at, what);
        if (err == BTZ_OK) {
            btz_sha256_add(&one, btz_slice_of(block, n));
            btz_sha256_add(whole, btz_slice_of(block, n));
        }
        at += n;
        left -= n;
    }
    btz_sha256_end(&one, digest);
    BTZ_TRY(err);
    return btz_equal_ct(digest, m->chunks[index], sizeof digest) ? BTZ_OK : differs(m, index);
}

enum btz_err btz_manifest_check_file(const struct btz_manifest *m, int fd, const char *what)
{
    BTZ_BUF_RELEASE struct btz_buf block = BTZ_BUF(READ_BLOCK);
    uint8_t digest[BTZ_SHA256_LEN];
    enum btz_err err = BTZ_OK;
    struct btz_sha256 whole;
    struct stat st;

    if (fstat(fd, &st) != 0)
        return btz_fail_errno(BTZ_IO, "stat %s", what);
    if ((uint64_t)st.st_size != m->size)
        return btz_fail(BTZ_INPUT, "%s has %" PRIu64 " bytes, registered are %" PRIu64, what,
                        (uint64_t)st.st_size, m->size);
    BTZ_TRY(btz_buf_reserve(&block, READ_BLOCK));
    btz_sha256_init(&whole);
    for (size_t i = 0; i < m->chunk_count && err == BTZ_OK; i++)
        err = check_chunk(m, i, fd, what, block.ptr, &whole);
    btz_sha256_end(&whole, digest);
    if (err != BTZ_OK)
        return btz_fail_context(err, "%s", what);
    if (!btz_equal_ct(digest, m->digest, sizeof digest))
        return btz_fail(BTZ_INPUT, "%s: every chunk is right, the digest is not", what);
    return BTZ_OK;
}
