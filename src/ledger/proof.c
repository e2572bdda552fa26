/* C2SP tlog-proof@v1, and the request body of C2SP tlog-witness add-checkpoint for consistency. */
#include "ledger/log.h"

#define PROOF_FIRST_LINE "c2sp.org/tlog-proof@v1"
#define PROOF_FILE_MAX   (BTZ_NOTE_MAX + (1 << 18))
#define EXTRA_MAX        (1 << 17)

/* "word value" */
static bool after_word(struct btz_slice line, const char *word, struct btz_slice *value)
{
    struct btz_slice w = btz_str(word);

    if (!btz_slice_has_prefix(line, w))
        return false;
    *value = btz_slice_sub(line, w.len, line.len);
    return true;
}

static enum btz_err parse_hash(struct btz_slice line, struct btz_hash *out)
{
    BTZ_BUF_RELEASE struct btz_buf raw = BTZ_BUF(64);

    if (line.len != 44 || btz_base64_decode(line, &raw) != BTZ_OK || raw.len != sizeof out->b)
        return btz_fail(BTZ_INPUT, "expected the base64 of a hash of 32 bytes");
    memcpy(out->b, raw.ptr, sizeof out->b);
    return BTZ_OK;
}

static enum btz_err parse_head(struct btz_reader *r, struct btz_proof_file *p)
{
    struct btz_slice line, value;

    if (!btz_read_line(r, &line))
        return btz_fail(BTZ_INPUT, "proof file: empty");
    if (after_word(line, "old ", &value)) {
        if (btz_parse_u64(value, &p->index) != BTZ_OK)
            return btz_fail_context(BTZ_INPUT, "proof file: line 1: old size");
        return BTZ_OK;
    }
    if (!btz_slice_is(line, PROOF_FIRST_LINE))
        return btz_fail(BTZ_INPUT,
                        "proof file: line 1: expected \"" PROOF_FIRST_LINE "\" or \"old <size>\"");
    p->is_inclusion = true;
    if (!btz_read_line(r, &line))
        return btz_fail(BTZ_INPUT, "proof file: line 2: expected \"index <number>\"");
    if (after_word(line, "extra ", &p->extra)) {
        if (p->extra.len == 0 || p->extra.len > EXTRA_MAX)
            return btz_fail(BTZ_INPUT, "proof file: line 2: extra data of %zu characters",
                            p->extra.len);
        if (!btz_read_line(r, &line))
            return btz_fail(BTZ_INPUT, "proof file: line 3: expected \"index <number>\"");
    }
    if (!after_word(line, "index ", &value) || btz_parse_u64(value, &p->index) != BTZ_OK)
        return btz_fail(BTZ_INPUT, "proof file: line %d: expected \"index <number>\"",
                        p->extra.len > 0 ? 3 : 2);
    return BTZ_OK;
}

enum btz_err btz_proof_parse(struct btz_slice bytes, struct btz_proof_file *out)
{
    struct btz_reader r = { .in = bytes, .what = "proof file" };
    struct btz_proof_file p = { 0 };
    struct btz_slice line;

    if (bytes.len > PROOF_FILE_MAX)
        return btz_fail(BTZ_LIMIT, "proof file: larger than %d bytes", PROOF_FILE_MAX);
    BTZ_TRY(parse_head(&r, &p));
    for (;;) {
        if (!btz_read_line(&r, &line))
            return btz_fail(BTZ_INPUT,
                            "proof file: no empty line and checkpoint behind the hashes");
        if (line.len == 0)
            break;
        if (p.proof.count == BTZ_PROOF_MAX)
            return btz_fail(BTZ_INPUT, "proof file: more than %d hashes", BTZ_PROOF_MAX);
        if (parse_hash(line, &p.proof.hash[p.proof.count]) != BTZ_OK)
            return btz_fail_context(BTZ_INPUT, "proof file: hash %zu", p.proof.count + 1);
        p.proof.count++;
    }
    p.checkpoint = btz_slice_sub(bytes, r.at, bytes.len);
    *out = p;
    return BTZ_OK;
}

enum btz_err btz_proof_write(const struct btz_proof_file *file, struct btz_buf *out)
{
    if (file->is_inclusion)
        BTZ_TRY(btz_buf_add_str(out, PROOF_FIRST_LINE "\n"));
    if (file->is_inclusion && file->extra.len > 0) {
        BTZ_TRY(btz_buf_add_str(out, "extra "));
        BTZ_TRY(btz_buf_add_slice(out, file->extra));
        BTZ_TRY(btz_buf_add_byte(out, '\n'));
    }
    BTZ_TRY(
        btz_buf_printf(out, "%s %" PRIu64 "\n", file->is_inclusion ? "index" : "old", file->index));
    for (size_t i = 0; i < file->proof.count; i++) {
        BTZ_TRY(btz_base64_encode(btz_slice_of(file->proof.hash[i].b, BTZ_SHA256_LEN), out));
        BTZ_TRY(btz_buf_add_byte(out, '\n'));
    }
    BTZ_TRY(btz_buf_add_byte(out, '\n'));
    return btz_buf_add_slice(out, file->checkpoint);
}

/* ---- proofs out of a ledger ---- */

enum btz_err btz_ledger_prove_entry(struct btz_ledger *l, uint64_t index, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf entry = BTZ_BUF(BTZ_LEDGER_ENTRY_MAX + 1);
    BTZ_BUF_RELEASE struct btz_buf extra = BTZ_BUF(EXTRA_MAX);
    BTZ_BUF_RELEASE struct btz_buf note = BTZ_BUF(BTZ_NOTE_MAX + 1);
    struct btz_proof_file file = { .is_inclusion = true, .index = index };
    struct btz_checkpoint c;

    /* The note first: it fixes the size, whatever is appended meanwhile. */
    BTZ_TRY(btz_ledger_checkpoint(l, &note));
    BTZ_TRY(btz_checkpoint_open(btz_buf_slice(&note), &l->vkey, NULL, &c));
    BTZ_TRY(btz_ledger_entry(l, index, &entry));
    BTZ_TRY(btz_ledger_prove_inclusion(l, index, c.size, &file.proof));
    if (entry.len > 0)
        BTZ_TRY(btz_base64_encode(btz_buf_slice(&entry), &extra));
    file.extra = btz_buf_slice(&extra);
    file.checkpoint = btz_buf_slice(&note);
    return btz_proof_write(&file, out);
}

enum btz_err btz_ledger_prove_since(struct btz_ledger *l, struct btz_slice old_note,
                                    struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf note = BTZ_BUF(BTZ_NOTE_MAX + 1);
    struct btz_proof_file file = { .is_inclusion = false };
    struct btz_checkpoint old, now;
    struct btz_hash root;

    if (btz_checkpoint_open(old_note, &l->vkey, NULL, &old) != BTZ_OK)
        return btz_fail_context(BTZ_DENIED, "older checkpoint");
    BTZ_TRY(btz_ledger_checkpoint(l, &note));
    BTZ_TRY(btz_checkpoint_open(btz_buf_slice(&note), &l->vkey, NULL, &now));
    if (old.size > now.size)
        return btz_fail(BTZ_CONFLICT,
                        "the older checkpoint has %" PRIu64 " entries, this ledger only %" PRIu64
                        ": it was truncated or put back",
                        old.size, now.size);
    BTZ_TRY(btz_ledger_root_at(l, old.size, &root));
    if (!btz_hash_equal(&root, &old.root))
        return btz_fail(BTZ_CONFLICT,
                        "the first %" PRIu64
                        " entries of this ledger are not those of the older checkpoint: history "
                        "was rewritten",
                        old.size);
    if (old.size > 0)
        BTZ_TRY(btz_ledger_prove_consistency(l, old.size, now.size, &file.proof));
    file.index = old.size;
    file.checkpoint = btz_buf_slice(&note);
    return btz_proof_write(&file, out);
}

/* ---- checks without the ledger ---- */

static enum btz_err check_witnesses(const struct btz_note *note,
                                    const struct btz_witness_policy *policy)
{
    size_t have = 0;

    for (size_t i = 0; i < policy->count; i++) {
        const struct btz_vkey *w = &policy->witnesses[i];
        bool repeated = false;

        /* One key named twice must not count twice. */
        for (size_t j = 0; j < i; j++)
            repeated |=
                memcmp(w->public_key, policy->witnesses[j].public_key, sizeof w->public_key) == 0;
        have += !repeated && btz_note_verify(note, w, NULL) == BTZ_OK;
    }
    if (have < policy->need)
        return btz_fail(BTZ_DENIED, "%zu of the given witnesses cosigned; %zu are needed", have,
                        policy->need);
    return BTZ_OK;
}

enum btz_err btz_proof_check_entry(const struct btz_proof_file *file, struct btz_slice entry,
                                   const struct btz_vkey *log,
                                   const struct btz_witness_policy *policy,
                                   struct btz_checkpoint *out)
{
    struct btz_note note;
    struct btz_checkpoint c;
    struct btz_hash leaf;
    enum btz_err err;

    if (!file->is_inclusion)
        return btz_fail(BTZ_INPUT, "not a proof of an entry but of two checkpoints");
    btz_merkle_leaf(entry, &leaf);
    BTZ_TRY(btz_checkpoint_open(file->checkpoint, log, &note, &c));
    if (policy)
        BTZ_TRY(check_witnesses(&note, policy));
    err = btz_merkle_verify_inclusion(file->index, c.size, &leaf, file->proof.hash,
                                      file->proof.count, &c.root);
    if (err == BTZ_INPUT)
        return btz_fail_context(BTZ_DENIED, "the proof does not fit its checkpoint");
    BTZ_TRY(err);
    *out = c;
    return BTZ_OK;
}

enum btz_err btz_proof_check_since(const struct btz_proof_file *file, struct btz_slice old_note,
                                   const struct btz_vkey *log, struct btz_checkpoint *out)
{
    struct btz_checkpoint old, now;
    enum btz_err err = BTZ_OK;

    if (file->is_inclusion)
        return btz_fail(BTZ_INPUT, "not a proof of two checkpoints but of an entry");
    BTZ_TRY(btz_checkpoint_open(file->checkpoint, log, NULL, &now));
    if (btz_checkpoint_open(old_note, log, NULL, &old) != BTZ_OK)
        return btz_fail_context(BTZ_DENIED, "older checkpoint");
    if (old.size != file->index)
        return btz_fail(BTZ_DENIED,
                        "the proof starts at %" PRIu64
                        " entries, the older checkpoint has %" PRIu64,
                        file->index, old.size);
    if (old.size > 0)
        err = btz_merkle_verify_consistency(old.size, now.size, file->proof.hash, file->proof.count,
                                            &old.root, &now.root);
    else if (file->proof.count > 0)
        err = btz_fail(BTZ_DENIED, "a proof from an empty ledger has no hashes");
    if (err == BTZ_INPUT)
        return btz_fail_context(BTZ_DENIED, "the proof does not fit its checkpoints");
    BTZ_TRY(err);
    *out = now;
    return BTZ_OK;
}
