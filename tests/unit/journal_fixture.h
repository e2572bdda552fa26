/* Folders, rings and records for the journal's tests. */
#ifndef BTZ_TEST_JOURNAL_FIXTURE_H
#define BTZ_TEST_JOURNAL_FIXTURE_H

#include "ledger_fixture.h"

#include "gate/journal/ring.h"

#define MANY 4096

struct journal_fixture {
    char *folder;
    struct btz_journal *writer;
    struct btz_journal_reader *reader;
    struct btz_journal_record got[MANY];
    size_t count;
};

static inline void journal_start(struct journal_fixture *f)
{
    memset(f, 0, sizeof *f);
    f->folder = make_folder();
    assert_ok(btz_journal_open(f->folder, &f->writer));
    assert_ok(btz_journal_reader_open(f->folder, &f->reader));
}

static inline void journal_stop(struct journal_fixture *f)
{
    btz_journal_close(f->writer);
    btz_journal_reader_close(f->reader);
    remove_tree(f->folder);
    free(f->folder);
}

static inline uint64_t journal_add(struct journal_fixture *f, const char *text)
{
    uint64_t sequence = 0;

    assert_ok(btz_journal_add(f->writer, btz_str(text), &sequence));
    return sequence;
}

static inline void journal_fetch(struct journal_fixture *f)
{
    assert_ok(btz_journal_fetch(f->reader, 0, f->got, MANY, &f->count));
}

#endif
