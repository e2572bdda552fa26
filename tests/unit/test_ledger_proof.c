/* Portable proofs and witnesses: made from a ledger, checked without it, and refused when anything is changed. */
#include "ledger_fixture.h"

static char *make_ledger(uint64_t size, struct btz_ledger **l)
{
    char *dir = make_folder();

    assert_ok(btz_ledger_create(dir, ORIGIN));
    assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, l));
    if (size > 0)
        append_range(*l, 0, size);
    return dir;
}

static void test_format(void **state)
{
    static const char text[] = "c2sp.org/tlog-proof@v1\n"
                               "extra YWdl\n"
                               "index 73894\n"
                               "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n"
                               "B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n"
                               "\n"
                               "example.com/fancylog\n109482\n"
                               "sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=\n\n"
                               "\xE2\x80\x94 example.com/fancylog AAAAAAA=\n";
    static const char old[] = "old 20852014\n"
                              "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
                              "\nnote\n";
    static const char *const bad[] = {
        "",
        "c2sp.org/tlog-proof@v1",
        "c2sp.org/tlog-proof@v2\nindex 0\n\nx\n",
        "c2sp.org/tlog-proof@v1\nextra \nindex 0\n\nx\n",
        "c2sp.org/tlog-proof@v1\nindex 00\n\nx\n",
        "c2sp.org/tlog-proof@v1\nindex -1\n\nx\n",
        "c2sp.org/tlog-proof@v1\nextra YWdl\nextra YWdl\nindex 0\n\nx\n",
        "c2sp.org/tlog-proof@v1\nindex 0\nnot a hash\n\nx\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n",
        "old 1",
        "old x\n\n",
        "old 1\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpka==\n\n",
    };
    BTZ_BUF_RELEASE struct btz_buf again = BTZ_BUF(10000);
    struct btz_proof_file p;
    (void)state;
    assert_ok(btz_proof_parse(btz_str(text), &p));
    assert_true(p.is_inclusion);
    assert_int_equal(p.index, 73894);
    assert_int_equal(p.proof.count, 2);
    assert_true(btz_slice_is(p.extra, "YWdl"));
    assert_int_equal(p.proof.hash[0].b[0], 0x81);
    assert_ok(btz_proof_write(&p, &again));
    assert_true(btz_slice_is(btz_buf_slice(&again), text));
    btz_buf_clear(&again);
    assert_ok(btz_proof_parse(btz_str(old), &p));
    assert_false(p.is_inclusion);
    assert_int_equal(p.index, 20852014);
    assert_ok(btz_proof_write(&p, &again));
    assert_true(btz_slice_is(btz_buf_slice(&again), old));
    for (size_t i = 0; i < BTZ_COUNT(bad); i++)
        if (btz_proof_parse(btz_str(bad[i]), &p) != BTZ_INPUT)
            fail_msg("accepted malformed proof %zu", i);
    btz_buf_clear(&again);
    assert_ok(btz_buf_add_str(&again, "c2sp.org/tlog-proof@v1\nindex 0\n"));
    for (int i = 0; i < BTZ_PROOF_MAX + 1; i++)
        assert_ok(btz_buf_add_str(&again, "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"));
    assert_ok(btz_buf_add_str(&again, "\nx\n"));
    assert_int_equal(btz_proof_parse(btz_buf_slice(&again), &p), BTZ_INPUT);
}

/* Every entry of a ledger over three levels' borders; then every bit of one proof file. */
static void test_entries(void **state)
{
    struct btz_ledger *l;
    char *dir = make_ledger(777, &l), text[600];
    struct btz_vkey log;
    struct btz_skey other;
    struct btz_proof_file p;
    struct btz_checkpoint c;
    BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF(100000);
    (void)state;
    btz_ledger_vkey(l, &log);
    assert_ok(btz_skey_new(ORIGIN, BTZ_KEY_ED25519, &other));
    for (uint64_t i = 0; i < 777; i++) {
        BTZ_BUF_RELEASE struct btz_buf extra = BTZ_BUF(1000);
        struct btz_slice e = entry_text(i, text);

        btz_buf_clear(&file);
        assert_ok(btz_ledger_prove_entry(l, i, &file));
        assert_ok(btz_proof_parse(btz_buf_slice(&file), &p));
        assert_int_equal(p.index, i);
        if (e.len > 0) {
            assert_ok(btz_base64_decode(p.extra, &extra));
            assert_true(btz_slice_equal(btz_buf_slice(&extra), e));
        }
        assert_ok(btz_proof_check_entry(&p, e, &log, NULL, &c));
        assert_int_equal(c.size, 777);
        assert_int_equal(btz_proof_check_entry(&p, btz_str("x"), &log, NULL, &c), BTZ_DENIED);
        assert_int_equal(btz_proof_check_entry(&p, e, &other.vkey, NULL, &c), BTZ_DENIED);
        p.index ^= 1;
        if (e.len > 0) /* empty entries are each other's equals */
            assert_int_equal(btz_proof_check_entry(&p, e, &log, NULL, &c), BTZ_DENIED);
    }
    {
        struct btz_slice e;
        size_t head;

        btz_buf_clear(&file);
        assert_ok(btz_ledger_prove_entry(l, 300, &file));
        e = entry_text(300, text);
        head = btz_slice_find(btz_buf_slice(&file), btz_str("index"),
                              0); /* extra data proves nothing */
        for (size_t bit = 8 * head; bit < 8 * file.len; bit++) {
            file.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
            if (btz_proof_parse(btz_buf_slice(&file), &p) == BTZ_OK)
                if (btz_proof_check_entry(&p, e, &log, NULL, &c) == BTZ_OK)
                    fail_msg("bit %zu: %.*s", bit, BTZ_SLICE_ARG(btz_buf_slice(&file)));
            file.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t cut = 0; cut < file.len; cut++)
            if (btz_proof_parse(btz_slice_of(file.ptr, cut), &p) == BTZ_OK)
                assert_int_not_equal(btz_proof_check_entry(&p, e, &log, NULL, &c), BTZ_OK);
        assert_ok(btz_proof_parse(btz_buf_slice(&file), &p));
        assert_ok(btz_proof_check_entry(&p, e, &log, NULL, &c));
    }
    btz_ledger_close(l);
    remove_tree(dir);
    free(dir);
}

static void test_since(void **state)
{
    static const uint64_t sizes[] = { 0, 1, 2, 100, 255, 256, 257, 400, 512, 600 };
    struct btz_ledger *l;
    char *dir = make_ledger(0, &l);
    struct btz_buf note[BTZ_COUNT(sizes)], file = BTZ_BUF(100000);
    struct btz_vkey log;
    struct btz_proof_file p;
    struct btz_checkpoint c;
    (void)state;
    btz_ledger_vkey(l, &log);
    for (size_t i = 0; i < BTZ_COUNT(sizes); i++) {
        if (i > 0)
            append_range(l, sizes[i - 1], sizes[i]);
        note[i] = BTZ_BUF(10000);
        assert_ok(btz_ledger_checkpoint(l, &note[i]));
        for (size_t j = 0; j <= i; j++) {
            btz_buf_clear(&file);
            assert_ok(btz_ledger_prove_since(l, btz_buf_slice(&note[j]), &file));
            assert_ok(btz_proof_parse(btz_buf_slice(&file), &p));
            assert_ok(btz_proof_check_since(&p, btz_buf_slice(&note[j]), &log, &c));
            assert_int_equal(c.size, sizes[i]);
            /* Not from any other one. */
            for (size_t k = 0; k <= i; k++)
                if (k != j)
                    assert_int_equal(btz_proof_check_since(&p, btz_buf_slice(&note[k]), &log, &c),
                                     BTZ_DENIED);
        }
    }
    /* Against a ledger put back, and one with another history. */
    {
        struct btz_ledger *short_one;
        char *other = make_ledger(3, &short_one);

        assert_int_equal(btz_ledger_prove_since(short_one, btz_buf_slice(&note[3]), &file),
                         BTZ_DENIED); /* another key */
        btz_ledger_close(short_one);
        remove_tree(other);
        free(other);
    }
    for (size_t i = 0; i < BTZ_COUNT(sizes); i++)
        btz_buf_release(&note[i]);
    btz_buf_release(&file);
    btz_ledger_close(l);
    remove_tree(dir);
    free(dir);
}

static void test_since_history(void **state)
{
    struct btz_ledger *l;
    char *dir = make_ledger(10, &l), *old = make_folder(), *key;
    BTZ_BUF_RELEASE struct btz_buf twenty = BTZ_BUF(10000), file = BTZ_BUF(10000);
    struct btz_slice e[10];
    uint64_t first;
    (void)state;
    copy_tree(dir, old);
    append_range(l, 10, 20);
    assert_ok(btz_ledger_checkpoint(l, &twenty));
    btz_ledger_close(l);
    key = join(old, "key");
    assert_int_equal(chmod(key, 0600), 0);
    assert_ok(btz_ledger_open(old, BTZ_LEDGER_WRITE, &l));
    assert_int_equal(btz_ledger_prove_since(l, btz_buf_slice(&twenty), &file), BTZ_CONFLICT);
    assert_non_null(strstr(btz_error_detail(), "put back"));
    for (size_t i = 0; i < 10; i++)
        e[i] = btz_str("other");
    assert_ok(btz_ledger_append(l, e, 10, &first));
    assert_int_equal(btz_ledger_prove_since(l, btz_buf_slice(&twenty), &file), BTZ_CONFLICT);
    assert_non_null(strstr(btz_error_detail(), "rewritten"));
    btz_ledger_close(l);
    remove_tree(dir);
    remove_tree(old);
    free(dir);
    free(old);
    free(key);
}

static void test_witness(void **state)
{
    struct btz_ledger *l;
    char *dir = make_ledger(5, &l), *folder = make_folder(), *key = join(folder, "witness");
    char *key2 = join(folder, "second");
    BTZ_BUF_RELEASE struct btz_buf five = BTZ_BUF(10000), nine = BTZ_BUF(10000);
    BTZ_BUF_RELEASE struct btz_buf request = BTZ_BUF(10000), again = BTZ_BUF(10000);
    struct btz_vkey log, witness[3];
    struct btz_note note;
    struct btz_ledger_check check;
    uint64_t seconds;
    (void)state;
    btz_ledger_vkey(l, &log);
    assert_ok(btz_witness_create(key, "witness.example/w1", &witness[0]));
    assert_int_equal(btz_witness_create(key, "witness.example/w1", &witness[1]), BTZ_CONFLICT);
    assert_ok(btz_witness_create(key2, "witness.example/w2", &witness[1]));
    witness[2] = witness[0];
    /* First contact: a plain checkpoint. */
    assert_ok(btz_ledger_checkpoint(l, &request));
    assert_ok(btz_witness_sign(key, &log, btz_buf_slice(&request), 1700000000, &five));
    assert_ok(btz_note_parse(btz_buf_slice(&five), &note));
    assert_ok(btz_note_verify(&note, &log, NULL));
    assert_ok(btz_note_verify(&note, &witness[0], &seconds));
    assert_int_equal(seconds, 1700000000);
    assert_ok(btz_witness_sign(key, &log, btz_buf_slice(&request), 1700000001, &again));
    /* Later a bare checkpoint is not enough: it could be another history. */
    append_range(l, 5, 9);
    btz_buf_clear(&request);
    assert_ok(btz_ledger_checkpoint(l, &request));
    btz_buf_clear(&again);
    assert_int_equal(btz_witness_sign(key, &log, btz_buf_slice(&request), 1700000002, &again),
                     BTZ_CONFLICT);
    assert_non_null(strstr(btz_error_detail(), "5 entries"));
    assert_int_equal(again.len, 0);
    btz_buf_clear(&request);
    assert_ok(btz_ledger_prove_since(l, btz_buf_slice(&five), &request));
    {
        struct btz_proof_file p;
        BTZ_BUF_RELEASE struct btz_buf broken = BTZ_BUF(10000);

        assert_ok(btz_proof_parse(btz_buf_slice(&request), &p));
        p.proof.hash[0].b[3] ^= 1;
        assert_ok(btz_proof_write(&p, &broken));
        assert_int_equal(btz_witness_sign(key, &log, btz_buf_slice(&broken), 1, &again),
                         BTZ_DENIED);
    }
    assert_ok(btz_witness_sign(key, &log, btz_buf_slice(&request), 1700000003, &nine));
    /* Never back. */
    assert_int_equal(btz_witness_sign(key, &log, btz_buf_slice(&five), 1, &again), BTZ_CONFLICT);
    assert_int_equal(btz_witness_sign(key, &log, btz_buf_slice(&request), 1, &again), BTZ_CONFLICT);
    assert_int_equal(btz_witness_sign(key, &witness[0], btz_buf_slice(&request), 1, &again),
                     BTZ_DENIED);
    /* What a witness cosigned serves as the checkpoint kept outside. */
    verify_folder(dir, btz_buf_slice(&nine), &check);
    assert_true(check.intact);
    /* Policies: one of one, two of two with one missing, the same key twice. */
    {
        struct btz_proof_file p;
        struct btz_checkpoint c;
        struct btz_witness_policy policy = { witness, 2, 1 };
        char text[600];

        btz_buf_clear(&request);
        assert_ok(btz_ledger_prove_entry(l, 3, &request));
        assert_ok(btz_proof_parse(btz_buf_slice(&request), &p));
        assert_int_equal(btz_proof_check_entry(&p, entry_text(3, text), &log, &policy, &c),
                         BTZ_DENIED);
        p.checkpoint = btz_buf_slice(&nine);
        assert_ok(btz_proof_check_entry(&p, entry_text(3, text), &log, &policy, &c));
        policy.need = 2;
        assert_int_equal(btz_proof_check_entry(&p, entry_text(3, text), &log, &policy, &c),
                         BTZ_DENIED);
        policy.count = 3;
        assert_int_equal(btz_proof_check_entry(&p, entry_text(3, text), &log, &policy, &c),
                         BTZ_DENIED);
        btz_buf_clear(&again);
        assert_ok(btz_witness_sign(key2, &log, btz_buf_slice(&nine), 1700000004, &again));
        p.checkpoint = btz_buf_slice(&again);
        assert_ok(btz_proof_check_entry(&p, entry_text(3, text), &log, &policy, &c));
    }
    assert_int_equal(chmod(key, 0640), 0);
    assert_int_equal(btz_witness_sign(key, &log, btz_buf_slice(&five), 1, &again), BTZ_DENIED);
    btz_ledger_close(l);
    remove_tree(dir);
    remove_tree(folder);
    free(dir);
    free(folder);
    free(key);
    free(key2);
}

/* A log that signs two histories is found out by the witness of one. */
static void test_witness_fork(void **state)
{
    struct btz_ledger *l;
    char *dir = make_ledger(5, &l), *old = make_folder(), *folder = make_folder();
    char *key = join(folder, "witness"), *log_key = join(old, "key");
    BTZ_BUF_RELEASE struct btz_buf note = BTZ_BUF(10000), out = BTZ_BUF(10000);
    struct btz_vkey log, witness;
    (void)state;
    btz_ledger_vkey(l, &log);
    assert_ok(btz_witness_create(key, "witness.example", &witness));
    copy_tree(dir, old);
    append_range(l, 5, 8);
    assert_ok(btz_ledger_checkpoint(l, &note));
    assert_ok(btz_witness_sign(key, &log, btz_buf_slice(&note), 1, &out));
    btz_ledger_close(l);
    assert_int_equal(chmod(log_key, 0600), 0);
    assert_ok(btz_ledger_open(old, BTZ_LEDGER_WRITE, &l));
    {
        struct btz_slice e[3] = { btz_str("a"), btz_str("b"), btz_str("c") };
        uint64_t first;

        assert_ok(btz_ledger_append(l, e, 3, &first));
    }
    btz_buf_clear(&note);
    btz_buf_clear(&out);
    assert_ok(btz_ledger_checkpoint(l, &note));
    assert_int_equal(btz_witness_sign(key, &log, btz_buf_slice(&note), 2, &out), BTZ_DENIED);
    assert_non_null(strstr(btz_error_detail(), "two different roots"));
    btz_ledger_close(l);
    remove_tree(dir);
    remove_tree(old);
    remove_tree(folder);
    free(dir);
    free(old);
    free(folder);
    free(key);
    free(log_key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),  cmocka_unit_test(test_entries),
        cmocka_unit_test(test_since),   cmocka_unit_test(test_since_history),
        cmocka_unit_test(test_witness), cmocka_unit_test(test_witness_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
