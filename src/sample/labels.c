/* Labels: whole numbers from 0, or words that become them. */
#include <math.h>
#include <stdlib.h>

#include "sample/reader.h"

enum btz_err btz_sample_label_check(double value, uint64_t row, uint32_t classes, const char *what,
                                    uint32_t *out)
{
    uint32_t limit = classes ? classes : BTZ_CLASSES_MAX;

    if (isnan(value))
        return btz_fail(BTZ_INPUT, "%s: the label of row %" PRIu64 " is not a number", what, row);
    if (value < 0 || value >= limit)
        return btz_fail(BTZ_INPUT, "%s: the label of row %" PRIu64 " is %g, expected 0 to %u", what,
                        row, value, limit - 1);
    if (value != floor(value))
        return btz_fail(BTZ_INPUT, "%s: the label of row %" PRIu64 " is %g, no whole number", what,
                        row, value);
    *out = (uint32_t)value;
    return BTZ_OK;
}

enum btz_err btz_sample_labels(const struct btz_sample_table *t, const uint8_t *elements,
                               uint32_t classes, const char *what, struct btz_buf *out)
{
    size_t size = btz_sample_type_size(t->type);
    uint64_t count = t->dim[0];

    for (uint32_t i = 1; i < t->rank; i++)
        if (t->dim[i] != 1)
            return btz_fail(BTZ_INPUT,
                            "%s: labels are %u axes of %" PRIu64 " and %" PRIu64
                            ", expected one number for each sample",
                            what, t->rank, t->dim[0], t->dim[i]);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t label = 0;

        BTZ_TRY(
            btz_sample_label_check(btz_sample_number(elements + i * size, t->type, t->big_endian),
                                   i, classes, what, &label));
        BTZ_TRY(btz_buf_add(out, &label, sizeof label));
    }
    return BTZ_OK;
}

/* ---- words ----------------------------------------------------------------------------------------------------------- */

static uint32_t hash_of(struct btz_slice s)
{
    uint32_t h = 2166136261U; /* FNV-1a */

    for (size_t i = 0; i < s.len; i++)
        h = (h ^ s.ptr[i]) * 16777619U;
    return h ^ h >> 15;
}

static uint32_t *slot_of(struct btz_sample_words *w, struct btz_slice word)
{
    uint32_t at = hash_of(word) & w->mask;

    while (w->slots[at] && !btz_slice_equal(w->words[w->slots[at] - 1], word))
        at = (at + 1) & w->mask;
    return &w->slots[at];
}

static enum btz_err grow(struct btz_sample_words *w)
{
    uint32_t room = w->room ? w->room * 2 : 64;
    struct btz_slice *words = btz_arena_array(w->arena, room, sizeof *words);
    uint64_t *rows = btz_arena_array(w->arena, room, sizeof *rows);
    uint32_t *slots = btz_arena_array(w->arena, room * 2, sizeof *slots);

    if (!words || !rows || !slots)
        return BTZ_LIMIT;
    if (w->count) {
        memcpy(words, w->words, w->count * sizeof *words);
        memcpy(rows, w->rows, w->count * sizeof *rows);
    }
    w->words = words, w->rows = rows, w->slots = slots;
    w->room = room, w->mask = room * 2 - 1;
    for (uint32_t i = 0; i < w->count; i++)
        *slot_of(w, words[i]) = i + 1;
    return BTZ_OK;
}

enum btz_err btz_sample_word(struct btz_sample_words *w, struct btz_slice word, uint64_t row,
                             uint32_t *out)
{
    uint32_t *slot;

    if (w->count == w->room)
        BTZ_TRY(grow(w));
    slot = slot_of(w, word);
    if (!*slot) {
        if (w->count == BTZ_CLASSES_MAX)
            return btz_fail(BTZ_LIMIT, "more than %d different labels at row %" PRIu64,
                            BTZ_CLASSES_MAX, row);
        w->rows[w->count] = row;
        BTZ_TRY(btz_arena_copy(w->arena, word, &w->words[w->count]));
        *slot = ++w->count;
    }
    *out = *slot - 1;
    return BTZ_OK;
}

struct named {
    struct btz_slice word;
    uint32_t number;
};

static int by_word(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    size_t n = x->word.len < y->word.len ? x->word.len : y->word.len;
    int order = n ? memcmp(x->word.ptr, y->word.ptr, n) : 0;

    return order ? order : (x->word.len > y->word.len) - (x->word.len < y->word.len);
}

enum btz_err btz_sample_words_end(struct btz_sample_words *w, uint32_t classes, const char *what,
                                  uint32_t *labels, size_t count, const char *const **names,
                                  size_t *name_count)
{
    uint32_t *map = btz_arena_array(w->arena, w->count + 1, sizeof *map), numbers = 0;
    const char **list = btz_arena_array(w->arena, w->count + 1, sizeof *list);
    struct named *sorted = btz_arena_array(w->arena, w->count + 1, sizeof *sorted);
    double value;

    if (!map || !list || !sorted)
        return BTZ_LIMIT;
    *names = NULL, *name_count = 0;
    for (uint32_t i = 0; i < w->count; i++)
        numbers += btz_csv_number(w->words[i], &value);
    if (numbers == w->count) {
        for (uint32_t i = 0; i < w->count; i++) {
            (void)btz_csv_number(w->words[i], &value);
            BTZ_TRY(btz_sample_label_check(value, w->rows[i], classes, what, &map[i]));
        }
    } else {
        for (uint32_t i = 0; i < w->count; i++)
            sorted[i] = (struct named){ w->words[i], i };
        qsort(sorted, w->count, sizeof *sorted, by_word);
        for (uint32_t i = 0; i < w->count; i++) {
            map[sorted[i].number] = i;
            list[i] = btz_arena_str(w->arena, sorted[i].word);
            if (!list[i])
                return BTZ_LIMIT;
        }
        if (classes && w->count > classes)
            return btz_fail(BTZ_INPUT, "%s: %u different labels, expected at most %u", what,
                            w->count, classes);
        *names = list, *name_count = w->count;
    }
    for (size_t i = 0; i < count; i++)
        labels[i] = map[labels[i]];
    return BTZ_OK;
}
