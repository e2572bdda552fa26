/*
 * The vault: what a manifest proves, who may do what with an artifact in which state, and that no change of a file goes
 * unnoticed. Digests are compared with sha256sum(1), another implementation.
 */
#include "access_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/time.h>

#include "access/vault.h"

#define MIB ((size_t)1 << 20)

/* ---- files ---- */

static void put_file(const char *path, size_t size, uint64_t seed)
{
    uint8_t *bytes = malloc(size + 4);
    struct btz_rng rng;

    assert_non_null(bytes);
    btz_rng_init(&rng, seed, 0);
    for (size_t i = 0; i < size; i += 4) {
        uint32_t word = btz_rng_u32(&rng);

        memcpy(bytes + i, &word, 4);
    }
    access_must(btz_file_write(path, btz_slice_of(bytes, size), 0600));
    free(bytes);
}

/* One byte becomes another. */
static void change_byte(const char *path, long at)
{
    FILE *f;
    int c;

    assert_int_equal(chmod(path, 0600), 0);
    f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    c = fgetc(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    fputc(c ^ 1, f);
    assert_int_equal(fclose(f), 0);
}

static void sum_of(const char *path, char out[65])
{
    char command[400];
    FILE *p;

    snprintf(command, sizeof command, "sha256sum %s", path);
    p = popen(command, "r");
    assert_non_null(p);
    assert_int_equal(fread(out, 1, 64, p), 64);
    out[64] = '\0';
    pclose(p);
}

static const char *in_vault(struct access_fixture *f, const json_t *artifact)
{
    const char *digest = access_text(f, artifact, "digest");

    assert_non_null(digest);
    assert_memory_equal(digest, "sha256:", 7);
    return btz_arena_printf(&f->arena, "%s/vault/%s", f->dir, digest + 7);
}

static json_t *upload(struct access_fixture *f, const char *name, size_t size, uint64_t seed)
{
    char path[128];

    snprintf(path, sizeof path, "%s/upload", f->dir);
    put_file(path, size, seed);
    return access_ok(f, &f->local, "artifact.import",
                     json_pack("{s:s, s:s, s:s}", "artifact", name, "file", path, "kind", "model"));
}

static json_t *one(const char *name, const char *version)
{
    return json_pack("{s:s, s:s}", "artifact", name, "version", version);
}

static void has_state(struct access_fixture *f, const char *name, const char *version,
                      const char *state)
{
    json_t *a = access_ok(f, &f->local, "artifact.get", one(name, version));

    assert_string_equal(json_string_value(json_object_get(a, "state")), state);
    json_decref(a);
}

/* ---- the trail ---- */

struct seen {
    const char *event, *operation;
    size_t count;
    char reason[512];
};

static enum btz_err see(void *user, const struct btz_trail_record *r)
{
    struct seen *s = user;
    const char *reason = json_string_value(json_object_get(r->entry, "reason"));

    s->count++;
    snprintf(s->reason, sizeof s->reason, "%s", reason ? reason : "");
    return BTZ_OK;
}

static struct seen entries(struct access_fixture *f, const char *event, const char *operation)
{
    struct btz_trail_filter filter = { .event = event,
                                       .operation = operation,
                                       .verdict = strcmp(event, "alarm") == 0 ? NULL : "allow" };
    struct seen s = { .count = 0 };
    struct btz_store *store;

    access_must(btz_access_store(f->access, &store));
    access_must(btz_trail_read(btz_access_trail(f->access), store, &filter, see, &s, NULL));
    btz_access_store_back(f->access, store);
    return s;
}

/* ---- manifests ---- */

static void test_chunk_sizes(void **state)
{
    static const struct {
        uint64_t size, chunk;
    } cases[] = { { 0, 1u << 20 },
                  { 1, 1u << 20 },
                  { UINT64_C(8192) << 20, 1u << 20 },
                  { (UINT64_C(8192) << 20) + 1, 2u << 20 },
                  { UINT64_C(1) << 40, UINT64_C(1) << 27 } };
    uint64_t chunk;

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        access_must(btz_chunk_size(cases[i].size, &chunk));
        assert_int_equal(chunk, cases[i].chunk);
    }
    assert_int_equal(btz_chunk_size(UINT64_MAX, &chunk), BTZ_LIMIT);
}

/* Reads the manifest of an artifact with the vault's public key. */
static struct btz_manifest manifest_of(struct access_fixture *f, const char *name,
                                       const char *version, char *text, size_t size)
{
    json_t *out = access_ok(f, &f->local, "artifact.manifest", one(name, version));
    BTZ_BUF_RELEASE struct btz_buf vkey = BTZ_BUF(8192);
    struct btz_manifest m;
    struct btz_vkey key;
    char path[128];

    snprintf(text, size, "%s", json_string_value(json_object_get(out, "manifest")));
    json_decref(out);
    snprintf(path, sizeof path, "%s/vault/vkey", f->dir);
    access_must(btz_file_read(path, 4096, &vkey));
    access_must(btz_vkey_parse(btz_buf_slice(&vkey), &key));
    access_must(btz_manifest_open(btz_str(text), &key, &f->arena, &m));
    return m;
}

static void test_manifest_proves_bytes(void **state)
{
    const size_t size = 3 * MIB + 12345;
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(8 * MIB);
    struct access_fixture f;
    struct btz_manifest m;
    char text[8192], sum[65], hex[65];
    const char *file;
    json_t *a;
    int fd;

    (void)state;
    access_start(&f);
    a = upload(&f, "small.model", size, 7);
    file = in_vault(&f, a);
    sum_of(file, sum);
    m = manifest_of(&f, "small.model", "1", text, sizeof text);
    btz_hex(m.digest, sizeof m.digest, hex);
    assert_string_equal(hex, sum);
    assert_int_equal(m.chunk_count, 4);
    assert_int_equal(m.size, size);
    access_must(btz_file_read(file, 8 * MIB, &bytes));
    /* Every chunk alone, and all together; not with a byte changed, missing or in another place. */
    for (size_t i = 0; i < 4; i++) {
        struct btz_slice chunk = btz_slice_sub(btz_buf_slice(&bytes), i * MIB, MIB);

        access_must(btz_manifest_check_chunks(&m, i, chunk));
        bytes.ptr[i * MIB + 17] ^= 0x80;
        assert_int_equal(btz_manifest_check_chunks(&m, i, chunk), BTZ_INPUT);
        bytes.ptr[i * MIB + 17] ^= 0x80;
        assert_int_equal(btz_manifest_check_chunks(&m, (i + 1) % 4, chunk), BTZ_INPUT);
        assert_int_equal(btz_manifest_check_chunks(&m, i, btz_slice_sub(chunk, 0, chunk.len - 1)),
                         BTZ_INPUT);
    }
    access_must(btz_manifest_check_chunks(&m, 0, btz_buf_slice(&bytes)));
    assert_int_equal(btz_manifest_check_chunks(&m, 4, btz_str("x")), BTZ_INPUT);
    fd = open(file, O_RDONLY);
    access_must(btz_manifest_check_file(&m, fd, file));
    close(fd);
    change_byte(file, (long)(2 * MIB));
    fd = open(file, O_RDONLY);
    assert_int_equal(btz_manifest_check_file(&m, fd, file), BTZ_INPUT);
    assert_non_null(strstr(btz_error_detail(), "bytes 2097152 to 3145727 (chunk 2)"));
    close(fd);
    json_decref(a);
    access_stop(&f);
}

static void test_manifest_has_one_spelling(void **state)
{
    static const char *const wrong[][2] = {
        { "{\"chunk_size\"", "{ \"chunk_size\"" },
        { "\"version\":1", "\"version\":1.0" },
        { "\"version\":1", "\"version\":1,\"x\":1" },
        { "\"kind\":\"model\",", "" },
        { "\"size\":1048577", "\"size\":1048576" },
        { "\"size\":1048577", "\"size\":-1" },
        { "\"chunk_size\":1048576", "\"chunk_size\":2097152" },
        { "sha256:", "sha512:" },
        { "bartizan.artifact.v1", "bartizan.artifact.v2" },
        { "\"name\":\"a\"", "\"name\":\"\"" },
    };
    struct access_fixture f;
    struct btz_manifest m;
    char text[8192], other[9000];
    json_t *a;

    (void)state;
    access_start(&f);
    a = upload(&f, "a", MIB + 1, 1);
    json_decref(a);
    m = manifest_of(&f, "a", "1", text, sizeof text);
    assert_int_equal(m.version, 1);
    for (size_t i = 0; i < BTZ_COUNT(wrong); i++) {
        const char *at = strstr(text, wrong[i][0]);

        assert_non_null(at);
        snprintf(other, sizeof other, "%.*s%s%s", (int)(at - text), text, wrong[i][1],
                 at + strlen(wrong[i][0]));
        assert_int_not_equal(btz_manifest_parse(btz_str(other), &f.arena, &m, NULL), BTZ_OK);
    }
    /* A changed text that is well formed is not signed. */
    {
        const char *at = strstr(text, "\"kind\":\"model\"");
        BTZ_BUF_RELEASE struct btz_buf vkey = BTZ_BUF(8192);
        struct btz_vkey key;
        char path[128];

        snprintf(other, sizeof other, "%.*s\"kind\":\"other\"%s", (int)(at - text), text,
                 at + strlen("\"kind\":\"model\""));
        access_must(btz_manifest_parse(btz_str(other), &f.arena, &m, NULL));
        snprintf(path, sizeof path, "%s/vault/vkey", f.dir);
        access_must(btz_file_read(path, 4096, &vkey));
        access_must(btz_vkey_parse(btz_buf_slice(&vkey), &key));
        assert_int_equal(btz_manifest_open(btz_str(other), &key, &f.arena, &m), BTZ_DENIED);
    }
    access_stop(&f);
}

/* ---- states ---- */

static void test_life(void **state)
{
    struct access_fixture f;
    json_t *a, *b;

    (void)state;
    access_start(&f);
    a = upload(&f, "net", 1000, 1);
    assert_int_equal(json_integer_value(json_object_get(a, "version")), 1);
    assert_string_equal(access_text(&f, a, "state"), "quarantined");
    json_decref(a);
    access_refused(&f, &f.local, "artifact.get", one("net", "latest"), BTZ_INPUT);
    assert_true(f.not_found);
    access_do(&f, &f.local, "artifact.release", one("net", "1"));
    access_refused(&f, &f.local, "artifact.release", one("net", "1"), BTZ_CONFLICT);
    b = upload(&f, "net", 1000, 2);
    assert_int_equal(json_integer_value(json_object_get(b, "version")), 2);
    json_decref(b);
    /* The newest that is released, not the newest. */
    a = access_ok(&f, &f.local, "artifact.get", one("net", "latest"));
    assert_int_equal(json_integer_value(json_object_get(a, "version")), 1);
    json_decref(a);
    access_do(&f, &f.local, "artifact.release", one("net", "2"));
    access_do(&f, &f.local, "artifact.withdraw", one("net", "2"));
    access_refused(&f, &f.local, "artifact.fetch", one("net", "2"), BTZ_CONFLICT);
    a = access_ok(&f, &f.local, "artifact.get", one("net", "latest"));
    assert_int_equal(json_integer_value(json_object_get(a, "version")), 1);
    json_decref(a);
    /* A number is not given twice. */
    access_do(&f, &f.local, "artifact.delete", one("net", "2"));
    a = upload(&f, "net", 1000, 3);
    assert_int_equal(json_integer_value(json_object_get(a, "version")), 3);
    json_decref(a);
    a = access_ok(&f, &f.local, "artifact.list", json_pack("{s:s}", "status", "quarantined"));
    assert_int_equal(json_array_size(json_object_get(a, "items")), 1);
    json_decref(a);
    access_stop(&f);
}

static void test_upload_is_checked(void **state)
{
    static const char *const bad[] = { "",    "-a", ".a",        "a/b", "a@1",
                                       "a b", "a*", "../escape", "ä",   "a%2e" };
    struct access_fixture f;
    char path[128], missing[128], sum[65];

    (void)state;
    access_start(&f);
    json_decref(upload(&f, "Upper.Case", 10, 1));
    has_state(&f, "upper.case", "1", "quarantined");
    snprintf(path, sizeof path, "%s/upload", f.dir);
    snprintf(missing, sizeof missing, "%s/missing", f.dir);
    for (size_t i = 0; i < BTZ_COUNT(bad); i++)
        access_refused(&f, &f.local, "artifact.import",
                       json_pack("{s:s, s:s}", "artifact", bad[i], "file", path), BTZ_USAGE);
    access_refused(&f, &f.local, "artifact.import",
                   json_pack("{s:s, s:s}", "artifact", "a", "file", missing), BTZ_INPUT);
    access_refused(&f, &f.local, "artifact.import",
                   json_pack("{s:s, s:s}", "artifact", "a", "file", f.dir), BTZ_INPUT);
    access_refused(&f, &f.local, "artifact.import",
                   json_pack("{s:s, s:s, s:s}", "artifact", "a", "file", path, "media_type",
                             "text/html; charset=x"),
                   BTZ_USAGE);
    /* The very bytes again are no new version. */
    access_refused(&f, &f.local, "artifact.import",
                   json_pack("{s:s, s:s}", "artifact", "upper.case", "file", path), BTZ_CONFLICT);
    sum_of(path, sum);
    access_do(&f, &f.local, "artifact.import",
              json_pack("{s:s, s:s, s:s}", "artifact", "said", "file", path, "digest", sum));
    sum[0] = sum[0] == '0' ? '1' : '0';
    access_refused(&f, &f.local, "artifact.import",
                   json_pack("{s:s, s:s, s:s}", "artifact", "lied", "file", path, "digest", sum),
                   BTZ_INPUT);
    f.conf.artifact_max = 9;
    access_refused(&f, &f.local, "artifact.import",
                   json_pack("{s:s, s:s}", "artifact", "large", "file", path), BTZ_LIMIT);
    access_stop(&f);
}

/* ---- who may ---- */

static void test_permissions(void **state)
{
    struct access_fixture f;
    struct btz_caller viewer, engineer, user, key;
    const char *service;

    (void)state;
    access_start(&f);
    viewer = access_person(&f, "vera", "viewer");
    engineer = access_person(&f, "ed", "ml-engineer");
    user = access_person(&f, "uli", NULL);
    json_decref(upload(&f, "net", 1000, 1));
    access_do(&f, &viewer, "artifact.list", json_object());
    access_do(&f, &viewer, "artifact.get", one("net", "1"));
    access_refused(&f, &viewer, "artifact.fetch", one("net", "1"), BTZ_DENIED);
    access_refused(&f, &viewer, "artifact.manifest", one("net", "1"), BTZ_DENIED);
    access_refused(&f, &user, "artifact.list", json_object(), BTZ_DENIED);
    access_refused(&f, &viewer, "artifact.release", one("net", "1"), BTZ_DENIED);
    access_refused(&f, &viewer, "artifact.upload.check", json_pack("{s:s}", "artifact", "net"),
                   BTZ_DENIED);
    /* In quarantine it is for those who may release it, with a fresh factor. */
    access_do(&f, &engineer, "artifact.fetch", one("net", "1"));
    access_do(&f, &engineer, "artifact.upload.check", json_pack("{s:s}", "artifact", "net"));
    engineer.second_factor_ms = f.now_ms - 3600000;
    access_refused(&f, &engineer, "artifact.fetch", one("net", "1"), BTZ_DENIED);
    access_refused(&f, &engineer, "artifact.upload.check", json_pack("{s:s}", "artifact", "net"),
                   BTZ_DENIED);
    assert_true(f.needs_step_up);
    access_refused(&f, &engineer, "artifact.release", one("net", "1"), BTZ_DENIED);
    assert_true(f.needs_step_up);
    engineer.second_factor_ms = f.now_ms;
    access_do(&f, &engineer, "artifact.release", one("net", "1"));
    engineer.second_factor_ms = 0;
    access_do(&f, &engineer, "artifact.fetch", one("net", "1"));
    assert_string_equal(f.etag + 7, strrchr(f.etag, ':') + 1);
    /* A key uploads only where a scope says so; and never the owner's file import. */
    service = access_service(&f, "ci", "ml-engineer");
    key = access_key(&f, service, NULL, NULL);
    access_refused(&f, &key, "artifact.upload.check", json_pack("{s:s}", "artifact", "net"),
                   BTZ_DENIED);
    key = access_key(&f, service, "artifact.write artifact/net", NULL);
    access_do(&f, &key, "artifact.upload.check", json_pack("{s:s}", "artifact", "net"));
    access_refused(&f, &key, "artifact.upload.check", json_pack("{s:s}", "artifact", "other"),
                   BTZ_DENIED);
    access_refused(&f, &key, "artifact.fetch", one("net", "1"), BTZ_DENIED);
    access_refused(&f, &engineer, "artifact.import",
                   json_pack("{s:s, s:s}", "artifact", "net", "file", "/etc/passwd"), BTZ_DENIED);
    assert_int_equal(entries(&f, "export", "artifact.fetch").count, 2);
    access_stop(&f);
}

static void test_four_eyes(void **state)
{
    static const char *actions[] = { "artifact.release" };
    struct access_fixture f;
    struct btz_caller ed, eva, boss;
    char approval[BTZ_ID_TEXT];

    (void)state;
    access_prepare(&f);
    f.conf.four_eyes = (struct btz_conf_list){ .items = actions, .count = 1 };
    access_open(&f);
    ed = access_person(&f, "ed", "ml-engineer");
    eva = access_person(&f, "eva", "ml-engineer");
    boss = access_person(&f, "boss", "admin");
    json_decref(upload(&f, "net", 1000, 1));
    access_do(&f, &ed, "artifact.release", one("net", "1"));
    assert_true(f.approval[0]);
    memcpy(approval, f.approval, sizeof approval);
    has_state(&f, "net", "1", "quarantined");
    access_refused(&f, &ed, "approval.approve", json_pack("{s:s}", "approval", approval),
                   BTZ_DENIED);
    access_refused(&f, &eva, "approval.approve", json_pack("{s:s}", "approval", approval),
                   BTZ_DENIED);
    access_do(&f, &boss, "approval.approve", json_pack("{s:s}", "approval", approval));
    has_state(&f, "net", "1", "released");
    access_stop(&f);
}

/* ---- changes of files ---- */

static void turn(struct access_fixture *f, struct btz_vault_watch *w, uint64_t bytes)
{
    (void)f;
    access_must(btz_vault_watch_turn(w, bytes));
}

/* Content, size, times, presence, kind: each is found, once, by the verifier. */
static void test_changes_are_found(void **state)
{
    struct btz_vault_watch *w;
    struct access_fixture f;
    const char *file[4];
    unsigned errors;

    (void)state;
    access_start(&f);
    for (int i = 0; i < 4; i++) {
        char name[8];
        json_t *a;

        snprintf(name, sizeof name, "n%d", i);
        a = upload(&f, name, 3 * MIB + 5, (uint64_t)i + 1);
        file[i] = in_vault(&f, a);
        json_decref(a);
        access_do(&f, &f.local, "artifact.release", one(name, "1"));
    }
    access_must(btz_vault_watch_new(f.access, &w));
    turn(&f, w, 64 * MIB);
    assert_int_equal(entries(&f, "alarm", NULL).count, 0);
    errors = f.errors;
    change_byte(file[0], 5000);
    assert_int_equal(chmod(file[1], 0600), 0);
    assert_int_equal(truncate(file[1], 100), 0);
    assert_int_equal(unlink(file[2]), 0);
    turn(&f, w, MIB);
    /* Size and presence at once; content after it was read, in slices. */
    has_state(&f, "n1", "1", "damaged");
    has_state(&f, "n2", "1", "damaged");
    has_state(&f, "n0", "1", "released");
    turn(&f, w, MIB);
    turn(&f, w, MIB);
    turn(&f, w, MIB);
    has_state(&f, "n0", "1", "damaged");
    has_state(&f, "n3", "1", "released");
    turn(&f, w, 64 * MIB);
    assert_int_equal(entries(&f, "alarm", "artifact.verify").count, 3);
    assert_int_equal(f.errors - errors, 3);
    assert_non_null(strstr(f.last_error, "ALARM"));
    access_refused(&f, &f.local, "artifact.fetch", one("n0", "1"), BTZ_CONFLICT);
    /* Touched, but the same: proven, and served on. */
    assert_int_equal(utimes(file[3], NULL), 0);
    access_refused(&f, &f.local, "artifact.fetch", one("n3", "1"), BTZ_CONFLICT);
    turn(&f, w, 64 * MIB);
    access_do(&f, &f.local, "artifact.fetch", one("n3", "1"));
    assert_int_equal(entries(&f, "alarm", NULL).count, 3);
    btz_vault_watch_free(w);
    access_stop(&f);
}

/* Bytes that are there already leave the file alone: what was released of it is served on, with no reading between. */
static void test_same_bytes_again(void **state)
{
    struct access_fixture f;
    char path[128];
    const char *file;
    json_t *a;

    (void)state;
    access_start(&f);
    a = upload(&f, "net", 2 * MIB, 1);
    file = in_vault(&f, a);
    json_decref(a);
    access_do(&f, &f.local, "artifact.release", one("net", "1"));
    snprintf(path, sizeof path, "%s/upload", f.dir);
    access_refused(&f, &f.local, "artifact.import",
                   json_pack("{s:s, s:s, s:s}", "artifact", "net", "file", path, "kind", "model"),
                   BTZ_CONFLICT);
    access_do(&f, &f.local, "artifact.fetch", one("net", "1"));
    json_decref(upload(&f, "other", 2 * MIB, 1));
    access_do(&f, &f.local, "artifact.fetch", one("net", "1"));
    /* A damaged one is replaced. */
    change_byte(file, 5);
    json_decref(upload(&f, "third", 2 * MIB, 1));
    access_do(&f, &f.local, "artifact.fetch", one("net", "1"));
    access_stop(&f);
}

/* One that is touched again and again keeps no other from being read, and is an alarm at last. */
static void test_touched_for_ever(void **state)
{
    struct btz_vault_watch *w;
    struct access_fixture f;
    const char *file[2];

    (void)state;
    access_start(&f);
    for (int i = 0; i < 2; i++) {
        char name[8];
        json_t *a;

        snprintf(name, sizeof name, "n%d", i);
        a = upload(&f, name, 2 * MIB, (uint64_t)i + 1);
        file[i] = in_vault(&f, a);
        json_decref(a);
        access_do(&f, &f.local, "artifact.release", one(name, "1"));
    }
    access_must(btz_vault_watch_new(f.access, &w));
    for (int busy = 0; busy < 2; busy++) {
        struct timeval t[2] = { { 1000, 0 }, { 1000, 0 } };

        assert_int_equal(utimes(file[1 - busy], t), 0);
        for (int i = 0; i < 12; i++) {
            t[1].tv_sec++;
            assert_int_equal(utimes(file[busy], t), 0);
            turn(&f, w, MIB);
        }
        access_do(&f, &f.local, "artifact.fetch", one(busy ? "n0" : "n1", "1"));
        assert_int_equal(entries(&f, "alarm", NULL).count, 0);
        assert_int_equal(utimes(file[busy], NULL), 0);
        turn(&f, w, 64 * MIB);
        turn(&f, w, 64 * MIB);
    }
    for (int i = 0; i < 24; i++) {
        struct timeval t[2] = { { 2000 + i, 0 }, { 2000 + i, 0 } };

        assert_int_equal(utimes(file[0], t), 0);
        turn(&f, w, MIB);
    }
    assert_int_equal(entries(&f, "alarm", "artifact.verify").count, 1);
    has_state(&f, "n0", "1", "damaged");
    has_state(&f, "n1", "1", "released");
    btz_vault_watch_free(w);
    access_stop(&f);
}

/* A change that leaves size, times and inode as they were is found by reading, which is done once a day. */
static void test_silent_change(void **state)
{
    struct btz_vault_watch *w;
    struct access_fixture f;
    struct btz_store *s;
    const char *file;
    struct stat st;
    json_t *a;

    (void)state;
    access_start(&f);
    a = upload(&f, "net", 2 * MIB, 1);
    file = in_vault(&f, a);
    json_decref(a);
    access_do(&f, &f.local, "artifact.release", one("net", "1"));
    change_byte(file, 77);
    assert_int_equal(stat(file, &st), 0);
    access_must(btz_access_store(f.access, &s));
    {
        const struct btz_value v[] = {
            btz_value_int((int64_t)st.st_ino),
            btz_value_int((int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec),
            btz_value_int((int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec)
        };

        access_must(btz_store_run(s, "UPDATE vault_files SET inode = ?, mtime_ns = ?, ctime_ns = ?",
                                  v, 3, NULL));
    }
    btz_access_store_back(f.access, s);
    access_must(btz_vault_watch_new(f.access, &w));
    turn(&f, w, 64 * MIB);
    has_state(&f, "net", "1", "released");
    f.now_ms += UINT64_C(90000000);
    turn(&f, w, MIB);
    has_state(&f, "net", "1", "released");
    turn(&f, w, MIB);
    turn(&f, w, MIB);
    has_state(&f, "net", "1", "damaged");
    btz_vault_watch_free(w);
    access_stop(&f);
}

/* A damaged newest one is refused; the one before it does not come back in its place. */
static void test_damage_is_no_way_back(void **state)
{
    struct access_fixture f;
    json_t *old, *new;

    (void)state;
    access_start(&f);
    old = upload(&f, "net", 4096, 1);
    access_do(&f, &f.local, "artifact.release", one("net", "1"));
    new = upload(&f, "net", 4096, 2);
    access_do(&f, &f.local, "artifact.release", one("net", "2"));
    change_byte(in_vault(&f, new), 100);
    access_refused(&f, &f.local, "artifact.fetch", one("net", "latest"), BTZ_CONFLICT);
    has_state(&f, "net", "2", "damaged");
    access_refused(&f, &f.local, "artifact.fetch", one("net", "latest"), BTZ_CONFLICT);
    access_do(&f, &f.local, "artifact.fetch", one("net", "1"));
    /* Somebody says so: then it does. */
    access_do(&f, &f.local, "artifact.withdraw", one("net", "2"));
    access_do(&f, &f.local, "artifact.fetch", one("net", "latest"));
    json_decref(old);
    json_decref(new);
    access_stop(&f);
}

/* Small files are read before each serving: no turn of the verifier is needed. */
static void test_serving_is_checked(void **state)
{
    struct access_fixture f;
    const char *file;
    json_t *a, *again;
    char path[128];

    (void)state;
    access_start(&f);
    a = upload(&f, "net", 4096, 1);
    file = in_vault(&f, a);
    access_do(&f, &f.local, "artifact.release", one("net", "1"));
    access_do(&f, &f.local, "artifact.fetch", one("net", "1"));
    change_byte(file, 100);
    access_refused(&f, &f.local, "artifact.fetch", one("net", "1"), BTZ_CONFLICT);
    has_state(&f, "net", "1", "damaged");
    assert_int_equal(entries(&f, "alarm", "artifact.verify").count, 1);
    access_refused(&f, &f.local, "artifact.verify", one("net", "1"), BTZ_CONFLICT);
    assert_int_equal(entries(&f, "alarm", "artifact.verify").count, 1);
    access_refused(&f, &f.local, "artifact.release", one("net", "1"), BTZ_CONFLICT);
    access_refused(&f, &f.local, "artifact.fetch", one("net", "latest"), BTZ_CONFLICT);
    /* Put right: it goes through quarantine again. */
    change_byte(file, 100);
    access_do(&f, &f.local, "artifact.verify", one("net", "1"));
    has_state(&f, "net", "1", "quarantined");
    access_refused(&f, &f.local, "artifact.fetch", one("net", "latest"), BTZ_INPUT);
    assert_true(f.not_found);
    access_do(&f, &f.local, "artifact.release", one("net", "1"));
    access_do(&f, &f.local, "artifact.fetch", one("net", "1"));
    /* Another name for the same bytes shares the file, and its damage. */
    snprintf(path, sizeof path, "%s/upload", f.dir);
    again = access_ok(&f, &f.local, "artifact.import",
                      json_pack("{s:s, s:s}", "artifact", "twin", "file", path));
    assert_string_equal(in_vault(&f, again), file);
    change_byte(file, 200);
    access_refused(&f, &f.local, "artifact.release", one("twin", "1"), BTZ_CONFLICT);
    has_state(&f, "net", "1", "damaged");
    has_state(&f, "twin", "1", "damaged");
    json_decref(again);
    json_decref(a);
    access_stop(&f);
}

static int locked(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    return fd;
}

/* A body in the spool that was last written to so many seconds ago. */
static void spooled(const struct access_fixture *f, const char *name, int64_t age_s)
{
    struct timespec times[2] = { { .tv_sec = (time_t)((int64_t)f->now_ms / 1000 - age_s) } };
    char path[200];

    times[1] = times[0];
    snprintf(path, sizeof path, "%s/gate/temp/client_body/%s", f->dir, name);
    put_file(path, 10, 1);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool is_spooled(const struct access_fixture *f, const char *name)
{
    char path[200];

    snprintf(path, sizeof path, "%s/gate/temp/client_body/%s", f->dir, name);
    return access(path, F_OK) == 0;
}

/* What workers that died left in the spool goes; what may be on its way stays. */
static void test_spool(void **state)
{
    struct btz_vault_watch *w;
    struct access_fixture f;
    char folder[200];

    (void)state;
    access_start(&f);
    f.now_ms = btz_clock_unix_ms();
    snprintf(folder, sizeof folder, "%s/gate/temp/client_body", f.dir);
    access_must(btz_file_mkdirs(folder, 0700));
    spooled(&f, "0000000001", 7300);
    spooled(&f, "0000000002", 7000);
    access_must(btz_vault_watch_new(f.access, &w));
    turn(&f, w, 0);
    assert_false(is_spooled(&f, "0000000001"));
    assert_true(is_spooled(&f, "0000000002"));
    btz_vault_watch_free(w);
    access_stop(&f);
}

/* What nobody registered goes, after an hour; halves at once when nobody writes them; what is registered stays. */
static void test_orphans(void **state)
{
    char stray[200], cut_off[200], coming[200], key[128], foreign[128];
    int writer;
    struct btz_vault_watch *w;
    struct access_fixture f;
    const char *file, *deleted;
    json_t *a;

    (void)state;
    access_start(&f);
    a = upload(&f, "net", 100, 1);
    file = in_vault(&f, a);
    json_decref(a);
    a = upload(&f, "old", 100, 2);
    deleted = in_vault(&f, a);
    json_decref(a);
    access_do(&f, &f.local, "artifact.delete", one("old", "1"));
    snprintf(stray, sizeof stray, "%s/vault/%064d", f.dir, 7);
    snprintf(cut_off, sizeof cut_off, "%s/vault/.new-0123456789abcdef", f.dir);
    snprintf(foreign, sizeof foreign, "%s/vault/notes.txt", f.dir);
    snprintf(key, sizeof key, "%s/vault/key", f.dir);
    put_file(stray, 10, 1);
    snprintf(coming, sizeof coming, "%s/vault/.new-0123456789abcde0", f.dir);
    put_file(cut_off, 10, 1);
    put_file(coming, 10, 1);
    put_file(foreign, 10, 1);
    writer = locked(coming);
    access_must(btz_vault_watch_new(f.access, &w));
    f.now_ms = btz_clock_unix_ms();
    turn(&f, w, 0);
    /* They may be on their way in. */
    assert_int_equal(access(stray, F_OK), 0);
    assert_int_equal(access(deleted, F_OK), 0);
    assert_int_equal(access(coming, F_OK), 0);
    assert_int_not_equal(access(cut_off, F_OK), 0);
    f.now_ms += 3700000;
    turn(&f, w, 0);
    assert_int_equal(access(coming, F_OK), 0);
    close(writer);
    f.now_ms += 3700000;
    turn(&f, w, 0);
    assert_int_not_equal(access(coming, F_OK), 0);
    assert_int_not_equal(access(stray, F_OK), 0);
    assert_int_not_equal(access(deleted, F_OK), 0);
    assert_int_equal(access(file, F_OK), 0);
    assert_int_equal(access(key, F_OK), 0);
    assert_int_equal(access(foreign, F_OK), 0);
    assert_int_equal(entries(&f, "alarm", NULL).count, 0);
    btz_vault_watch_free(w);
    access_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunk_sizes),
        cmocka_unit_test(test_manifest_proves_bytes),
        cmocka_unit_test(test_manifest_has_one_spelling),
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_upload_is_checked),
        cmocka_unit_test(test_permissions),
        cmocka_unit_test(test_four_eyes),
        cmocka_unit_test(test_changes_are_found),
        cmocka_unit_test(test_same_bytes_again),
        cmocka_unit_test(test_touched_for_ever),
        cmocka_unit_test(test_silent_change),
        cmocka_unit_test(test_damage_is_no_way_back),
        cmocka_unit_test(test_serving_is_checked),
        cmocka_unit_test(test_orphans),
        cmocka_unit_test(test_spool),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
