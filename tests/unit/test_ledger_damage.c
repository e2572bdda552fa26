/* Whatever is changed, removed, cut, moved or put back is noticed, and the report names the file and the entry. */
#include "ledger_fixture.h"

static char *base; /* a ledger nobody touches, and its copy that is */
static char *copy;
static struct files *all;
static char vkey[600];

static void build(uint64_t size, uint64_t group)
{
    char hex[65], entry[200], *path;
    uint8_t digest[32], commitment[32];
    struct btz_ledger *l;
    struct btz_buf key;
    struct btz_slice e;
    uint64_t first;

    base = make_folder();
    copy = make_folder();
    all = calloc(1, sizeof *all);
    assert_ok(btz_ledger_create(base, ORIGIN));
    assert_ok(btz_ledger_open(base, BTZ_LEDGER_WRITE, &l));
    assert_ok(btz_ledger_put_evidence(l, btz_str("a transcript"), digest, commitment));
    btz_hex(commitment, 32, hex);
    for (uint64_t i = 0; i < size - 1; i += group)
        append_range(l, i, i + group < size - 1 ? i + group : size - 1);
    snprintf(entry, sizeof entry, "{\"commitment\":\"%s\"}", hex);
    e = btz_str(entry);
    assert_ok(btz_ledger_append(l, &e, 1, &first));
    btz_ledger_close(l);
    copy_tree(base, copy);
    list_files(base, all);
    path = join(base, "vkey");
    read_whole(path, &key);
    snprintf(vkey, sizeof vkey, "%.*s", (int)key.len, (const char *)key.ptr);
    btz_buf_release(&key);
    free(path);
    assert_intact(copy, size);
}

static void demolish(void)
{
    remove_tree(base);
    remove_tree(copy);
    free_files(all);
    free(all);
    free(base);
    free(copy);
}

/* Which entry of a bundle's bytes holds that byte; the length counts to its entry. */
static uint64_t entry_at(const struct btz_buf *bundle, size_t byte)
{
    uint64_t i = 0;
    size_t at = 0;

    while ((at += 2u + (size_t)(bundle->ptr[at] << 8 | bundle->ptr[at + 1])) <= byte)
        i++;
    return i;
}

static bool is_bundle(const char *name)
{
    return strncmp(name, "tile/entries/", 13) == 0;
}

/* Older partial tiles of the last bundle are there for readers, not needed. */
static bool is_old_partial(const char *name, uint64_t size)
{
    const char *p = strstr(name, ".p/");

    if (!p || strncmp(name, "tile/", 5) != 0)
        return false;
    return (unsigned)strtoul(p + 3, NULL, 10) !=
           btz_tile_partial(is_bundle(name) ? BTZ_TILE_ENTRIES : name[5] - '0', size);
}

static void expect_file(const struct btz_ledger_check *c, const char *name, const char *how)
{
    if (c->intact)
        fail_msg("%s: %s: not noticed", name, how);
    if (strncmp(c->what, name, strlen(name)) != 0)
        fail_msg("%s: %s: reported as \"%s\"", name, how, c->what);
    assert_true(c->problems > 0);
}

/* One changed bit of one file of the copy. */
static void try_bit(const char *name, const struct btz_buf *good, const char *path, size_t bit,
                    bool with_key)
{
    struct btz_ledger_check c;
    char how[100];
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    uint8_t byte = good->ptr[bit / 8] ^ (uint8_t)(1u << bit % 8);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
    assert_ok(btz_ledger_verify(copy, btz_str(with_key ? vkey : NULL), btz_str(NULL), &c));
    snprintf(how, sizeof how, "bit %zu", bit);
    expect_file(&c, name, how);
    if (strcmp(name, "checkpoint") == 0)
        assert_int_equal(c.first_bad, 0);
    else if (strcmp(name, "vkey") == 0)
        assert_int_equal(c.first_bad, with_key ? c.size : 0);
    else if (is_bundle(name) && !is_old_partial(name, c.size)) {
        uint64_t n = strtoul(name + 13, NULL, 10) * 256 + entry_at(good, bit / 8);

        if (c.first_bad != n)
            fail_msg("%s, bit %zu: entry %" PRIu64 ", reported %" PRIu64 ": %s", name, bit, n,
                     c.first_bad, c.what);
    } else
        assert_int_equal(c.first_bad, c.size);
    assert_int_equal(pwrite(fd, &good->ptr[bit / 8], 1, (off_t)(bit / 8)), 1);
    close(fd);
}

static void flip_bits(size_t per_file)
{
    struct btz_rng r;
    size_t flips = 0;

    btz_rng_init(&r, 7, 0);
    for (size_t i = 0; i < all->count; i++) {
        char *path = join(copy, all->name[i]);
        struct btz_buf good;

        read_whole(path, &good);
        if (good.len * 8 <= per_file)
            for (size_t bit = 0; bit < good.len * 8; bit++, flips++)
                try_bit(all->name[i], &good, path, bit, bit % 2);
        else
            for (size_t k = 0; k < per_file; k++, flips++)
                try_bit(all->name[i], &good, path, btz_rng_below(&r, (uint32_t)good.len * 8),
                        k % 2);
        btz_buf_release(&good);
        free(path);
    }
    print_message("# %zu single-bit changes in %zu files, all located\n", flips, all->count);
}

static void test_every_bit_small(void **state)
{
    (void)state;
    build(6, 2);
    flip_bits(SIZE_MAX);
    assert_intact(copy, 6);
    demolish();
}

static void test_bits_large(void **state)
{
    (void)state;
    build(800, 90);
    flip_bits(80);
    assert_intact(copy, 800);
    demolish();
}

static void test_remove_and_cut(void **state)
{
    size_t removed = 0, cut = 0;
    (void)state;
    build(600, 70);
    for (size_t i = 0; i < all->count; i++) {
        const char *name = all->name[i];
        char *path = join(copy, name);
        struct btz_ledger_check c;
        struct btz_buf good;
        size_t lengths[4];

        read_whole(path, &good);
        assert_int_equal(unlink(path), 0);
        verify_folder(copy, btz_str(NULL), &c);
        if (strcmp(name, "lock") == 0 || strcmp(name, "key") == 0 || is_old_partial(name, 600)) {
            if (!c.intact)
                fail_msg("without %s: %s", name, c.what);
        } else {
            removed++;
            if (strncmp(name, "evidence/", 9) == 0)
                expect_file(&c, "evidence/", name);
            else
                expect_file(&c, name, "removed");
        }
        lengths[0] = good.len ? good.len - 1 : 0;
        lengths[1] = good.len / 2;
        lengths[2] = 0;
        lengths[3] = good.len + 1;
        for (size_t k = 0; k < 4; k++, cut++) {
            char how[64];

            if (strcmp(name, "lock") == 0)
                continue; /* always empty, never read */
            write_whole(path, btz_buf_slice(&good));
            assert_int_equal(truncate(path, (off_t)lengths[k]), 0);
            verify_folder(copy, btz_str(NULL), &c);
            snprintf(how, sizeof how, "cut from %zu to %zu", good.len, lengths[k]);
            expect_file(&c, name, how);
        }
        write_whole(path, btz_buf_slice(&good));
        if (strcmp(name, "key") == 0)
            assert_int_equal(chmod(path, 0600), 0);
        btz_buf_release(&good);
        free(path);
    }
    print_message("# %zu files removed, %zu times cut or extended, all located\n", removed, cut);
    assert_intact(copy, 600);
    demolish();
}

/* ---- whole entries ---- */

static struct btz_slice *read_bundle(const char *name, struct btz_buf *bytes, unsigned width)
{
    static struct btz_bundle b;
    char *path = join(copy, name);

    read_whole(path, bytes);
    assert_ok(btz_bundle_parse(btz_buf_slice(bytes), width, false, name, &b));
    free(path);
    return b.entry;
}

static void write_bundle(const char *name, const struct btz_slice *entry, unsigned count)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(BTZ_BUNDLE_MAX);
    char *path = join(copy, name);

    for (unsigned i = 0; i < count; i++)
        assert_ok(btz_bundle_add(&out, entry[i]));
    write_whole(path, btz_buf_slice(&out));
    free(path);
}

static void expect_entry(const char *file, uint64_t index, const char *words)
{
    struct btz_ledger_check c;
    struct btz_ledger *l;
    struct btz_buf got = BTZ_BUF(70000);

    verify_folder(copy, btz_str(NULL), &c);
    expect_file(&c, file, words);
    if (c.first_bad != index || !strstr(c.what, words))
        fail_msg("expected entry %" PRIu64 " \"%s\", got %" PRIu64 ": %s", index, words,
                 c.first_bad, c.what);
    /* Reading it is refused as well; what is before it reads. */
    if (btz_ledger_open(copy, BTZ_LEDGER_READ, &l) == BTZ_OK) {
        assert_int_equal(btz_ledger_entry(l, index, &got), BTZ_INPUT);
        if (index > 0)
            assert_ok(btz_ledger_entry(l, index - 1, &got));
        btz_ledger_close(l);
    }
    btz_buf_release(&got);
}

static void test_entries_moved(void **state)
{
    static const char first[] = "tile/entries/000", second[] = "tile/entries/001";
    static const char last[] = "tile/entries/002.p/88";
    struct btz_buf bytes, other;
    struct btz_slice *e, swap, copy_of[257], two[256];
    (void)state;
    build(600, 600);

    e = read_bundle(first, &bytes, 256);
    memcpy(copy_of, e, 256 * sizeof *e);
    swap = copy_of[17];
    copy_of[17] = copy_of[40];
    copy_of[40] = swap;
    write_bundle(first, copy_of, 256);
    expect_entry(first, 17, "changed places with entry 40");
    memcpy(copy_of, e, 256 * sizeof *e);
    memmove(&copy_of[100], &copy_of[101], 155 * sizeof *copy_of);
    write_bundle(first, copy_of, 255);
    expect_entry(first, 100, "was deleted");
    memcpy(copy_of, e, 256 * sizeof *e);
    memmove(&copy_of[101], &copy_of[100], 156 * sizeof *copy_of);
    copy_of[100] = btz_str("never logged");
    write_bundle(first, copy_of, 257);
    expect_entry(first, 100, "never logged");
    memcpy(copy_of, e, 256 * sizeof *e);
    copy_of[255] = btz_str("another text");
    write_bundle(first, copy_of, 256);
    expect_entry(first, 255, "was changed");
    write_bundle(first, e, 256);

    /* Between files: the first of the two is named. */
    memcpy(copy_of, e, 256 * sizeof *e);
    memcpy(two, read_bundle(second, &other, 256), sizeof two);
    swap = copy_of[200];
    copy_of[200] = two[3];
    two[3] = swap;
    write_bundle(first, copy_of, 256);
    write_bundle(second, two, 256);
    expect_entry(first, 200, "was changed");
    {
        char *a = join(copy, first), *b = join(copy, second);

        write_whole(a, btz_buf_slice(&bytes));
        write_whole(b, btz_buf_slice(&other));
        assert_intact(copy, 600);
        /* Whole bundles exchanged. */
        write_whole(a, btz_buf_slice(&other));
        write_whole(b, btz_buf_slice(&bytes));
        expect_entry(first, 0, "was changed");
        write_whole(a, btz_buf_slice(&bytes));
        write_whole(b, btz_buf_slice(&other));
        free(a);
        free(b);
    }
    btz_buf_release(&bytes);
    btz_buf_release(&other);

    e = read_bundle(last, &bytes, 88);
    memcpy(copy_of, e, 88 * sizeof *e);
    swap = copy_of[86];
    copy_of[86] = copy_of[87];
    copy_of[87] = swap;
    write_bundle(last, copy_of, 88);
    expect_entry(last, 512 + 86, "changed places");
    write_bundle(last, e, 87);
    expect_entry(last, 512 + 87, "cut off");
    btz_buf_release(&bytes);
    demolish();
}

/* An entry and all that is computed from it rewritten; only the signature cannot be. */
static void test_rewritten(void **state)
{
    char *dir = make_folder();
    struct btz_ledger *l;
    struct btz_ledger_check c;
    BTZ_BUF_RELEASE struct btz_buf witness = BTZ_BUF(10000);
    struct btz_slice e = btz_str("rewritten");
    uint64_t first;
    (void)state;
    build(300, 300);
    /* The same entries up to 280, then others, written with a key of the forger's own. */
    assert_ok(btz_ledger_create(dir, ORIGIN));
    assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l));
    append_range(l, 0, 280);
    assert_ok(btz_ledger_append(l, &e, 1, &first));
    append_range(l, 281, 300);
    btz_ledger_close(l);
    {
        char *from = join(dir, "tile"), *to = join(copy, "tile");

        remove_tree(to);
        copy_tree(from, to);
        free(from);
        free(to);
    }
    verify_folder(copy, btz_str(NULL), &c);
    assert_false(c.intact);
    assert_int_equal(c.first_bad, 0);
    assert_non_null(strstr(c.what, "rewritten"));
    assert_int_equal(btz_ledger_open(copy, BTZ_LEDGER_WRITE, &l), BTZ_INPUT);
    /* With an older checkpoint of the true ledger, what it covers is proven all the same. */
    {
        struct btz_hash root;
        struct btz_skey key;
        struct btz_buf text;
        char *path = join(base, "key");

        read_whole(path, &text);
        assert_ok(btz_skey_parse(btz_buf_slice(&text), &key));
        assert_ok(btz_ledger_open(base, BTZ_LEDGER_READ, &l));
        assert_ok(btz_ledger_root_at(l, 270, &root));
        btz_ledger_close(l);
        assert_ok(btz_checkpoint_write(ORIGIN, 270, &root, &witness));
        first = witness.len;
        assert_ok(btz_buf_add_byte(&witness, '\n'));
        assert_ok(btz_buf_reserve(&witness, 1000));
        assert_ok(btz_note_sign(btz_slice_of(witness.ptr, first), &key, 0, &witness));
        btz_buf_release(&text);
        free(path);
    }
    verify_folder(copy, btz_buf_slice(&witness), &c);
    assert_false(c.intact);
    assert_int_equal(c.first_bad, 270);
    /* The forger's whole ledger is intact in itself, but not under the true key. */
    verify_folder(dir, btz_str(NULL), &c);
    assert_true(c.intact);
    assert_ok(btz_ledger_verify(dir, btz_str(vkey), btz_str(NULL), &c));
    assert_false(c.intact);
    assert_int_equal(c.first_bad, 0);
    verify_folder(dir, btz_buf_slice(&witness), &c);
    assert_false(c.intact);
    remove_tree(dir);
    free(dir);
    demolish();
}

/* The whole folder put back to an older state: intact in itself, found out by a checkpoint kept outside. */
static void test_put_back(void **state)
{
    char *old = make_folder(), *fork_dir = make_folder();
    BTZ_BUF_RELEASE struct btz_buf witness = BTZ_BUF(10000);
    struct btz_ledger_check c;
    struct btz_ledger *l;
    (void)state;
    build(20, 20);
    assert_ok(btz_ledger_open(copy, BTZ_LEDGER_WRITE, &l));
    copy_tree(copy, old);
    copy_tree(copy, fork_dir);
    append_range(l, 20, 30);
    assert_ok(btz_ledger_checkpoint(l, &witness));
    btz_ledger_close(l);
    assert_ok(btz_ledger_verify(copy, btz_str(vkey), btz_buf_slice(&witness), &c));
    assert_true(c.intact);
    assert_ok(btz_ledger_verify(old, btz_str(vkey), btz_str(NULL), &c));
    assert_true(c.intact);
    assert_ok(btz_ledger_verify(old, btz_str(vkey), btz_buf_slice(&witness), &c));
    expect_file(&c, "checkpoint", "put back");
    assert_int_equal(c.first_bad, 20);
    assert_non_null(strstr(c.what, "30"));
    /* Put back and continued with other entries under the same key: two histories. */
    {
        char *key = join(fork_dir, "key");

        assert_int_equal(chmod(key, 0600), 0);
        free(key);
    }
    assert_ok(btz_ledger_open(fork_dir, BTZ_LEDGER_WRITE, &l));
    {
        struct btz_slice e[15];
        uint64_t first;

        for (size_t i = 0; i < 15; i++)
            e[i] = btz_str("another history");
        assert_ok(btz_ledger_append(l, e, 15, &first));
    }
    btz_ledger_close(l);
    assert_ok(btz_ledger_verify(fork_dir, btz_str(vkey), btz_str(NULL), &c));
    assert_true(c.intact);
    assert_ok(btz_ledger_verify(fork_dir, btz_str(vkey), btz_buf_slice(&witness), &c));
    assert_false(c.intact);
    assert_non_null(strstr(c.what, "rewritten"));
    /* A checkpoint of somebody else's ledger is no witness. */
    assert_ok(btz_ledger_verify(old, btz_str(vkey),
                                btz_str("a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
                                        "\xE2\x80\x94 a AAAAAAA=\n"),
                                &c));
    expect_file(&c, "checkpoint kept outside", "foreign");
    remove_tree(old);
    remove_tree(fork_dir);
    free(old);
    free(fork_dir);
    demolish();
}

/* Parts of the state put back, the others not. */
static void test_parts_put_back(void **state)
{
    static const char *const parts[] = { "checkpoint", "pending" };
    struct btz_ledger_check c;
    struct btz_ledger *l;
    (void)state;
    build(300, 300);
    copy_tree(base, copy);
    assert_int_equal(chmod(copy, 0700), 0);
    assert_ok(btz_ledger_open(copy, BTZ_LEDGER_WRITE, &l));
    append_range(l, 300, 310);
    btz_ledger_close(l);
    for (size_t i = 0; i < 2; i++) {
        char *from = join(base, parts[i]), *to = join(copy, parts[i]);
        struct btz_buf old, now;

        read_whole(from, &old);
        read_whole(to, &now);
        write_whole(to, btz_buf_slice(&old));
        verify_folder(copy, btz_str(NULL), &c);
        expect_file(&c, parts[i], "put back");
        assert_int_equal(c.first_bad, c.size);
        write_whole(to, btz_buf_slice(&now));
        btz_buf_release(&old);
        btz_buf_release(&now);
        free(from);
        free(to);
    }
    assert_intact(copy, 310);
    /* Both of them put back, so that they agree: the files of the later entries give it away. */
    for (size_t i = 0; i < 2; i++) {
        char *from = join(base, parts[i]), *to = join(copy, parts[i]);
        struct btz_buf old;

        read_whole(from, &old);
        write_whole(to, btz_buf_slice(&old));
        btz_buf_release(&old);
        free(from);
        free(to);
    }
    verify_folder(copy, btz_str(NULL), &c);
    expect_file(&c, "checkpoint", "put back");
    assert_int_equal(c.size, 300);
    demolish();
}

static void test_two_at_once(void **state)
{
    char *entries = NULL, *tile = NULL;
    struct btz_ledger_check c;
    struct btz_buf e, t;
    (void)state;
    build(1100, 1100);
    entries = join(copy, "tile/entries/002");
    tile = join(copy, "tile/0/002");
    read_whole(entries, &e);
    read_whole(tile, &t);
    e.ptr[e.len - 1] ^= 1;
    write_whole(entries, btz_buf_slice(&e));
    t.ptr[40] ^= 1;
    write_whole(tile, btz_buf_slice(&t));
    verify_folder(copy, btz_str(NULL), &c);
    expect_file(&c, "tile/entries/002", "with its tile");
    assert_int_equal(c.first_bad, 512); /* nothing says which of its entries are good */
    free(entries);
    free(tile);
    /* And another one later in the log: the first stays the first. */
    entries = join(copy, "tile/entries/003");
    btz_buf_release(&t);
    read_whole(entries, &t);
    t.ptr[100] ^= 1;
    write_whole(entries, btz_buf_slice(&t));
    verify_folder(copy, btz_str(NULL), &c);
    assert_int_equal(c.first_bad, 512);
    assert_true(c.problems >= 2);
    assert_non_null(strstr(c.what, "more)"));
    btz_buf_release(&e);
    btz_buf_release(&t);
    free(entries);
    demolish();
}

static void test_not_a_ledger(void **state)
{
    char *dir = make_folder();
    struct btz_ledger_check c;
    (void)state;
    assert_int_equal(btz_ledger_verify(dir, btz_str(NULL), btz_str(NULL), &c), BTZ_INPUT);
    remove_tree(dir);
    assert_int_equal(btz_ledger_verify(dir, btz_str(NULL), btz_str(NULL), &c), BTZ_IO);
    assert_ok(btz_ledger_create(dir, ORIGIN));
    assert_intact(dir, 0);
    assert_int_equal(btz_ledger_verify(dir, btz_str("nonsense"), btz_str(NULL), &c), BTZ_INPUT);
    remove_tree(dir);
    free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_bit_small), cmocka_unit_test(test_bits_large),
        cmocka_unit_test(test_remove_and_cut),  cmocka_unit_test(test_entries_moved),
        cmocka_unit_test(test_rewritten),       cmocka_unit_test(test_put_back),
        cmocka_unit_test(test_parts_put_back),  cmocka_unit_test(test_two_at_once),
        cmocka_unit_test(test_not_a_ledger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
