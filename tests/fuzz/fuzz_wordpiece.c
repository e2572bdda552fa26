/* Vocabularies of WordPiece and texts cut by them: the first byte says how letters are read, an empty line ends the vocabulary. */
#include "robust/text.h"

#define MAX 256

/* Pieces without "##", one after the other, are characters of the text in its order, unless letters are changed or one is
 * unknown. */
static void check_pieces(const struct btz_wordpiece *w, const uint32_t *ids, size_t n,
                         struct btz_slice text)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        struct btz_slice t = btz_wordpiece_token(w, ids[i]);
        size_t from = t.len > 2 && t.ptr[0] == '#' && t.ptr[1] == '#' ? 2 : 0;

        for (size_t k = from; k < t.len; k++) {
            while (at < text.len && text.ptr[at] != t.ptr[k])
                at++;
            if (at++ == text.len)
                __builtin_trap();
        }
    }
}

static void cut(const struct btz_wordpiece *w, struct btz_slice text)
{
    uint32_t ids[MAX], few[3];
    size_t n, m;
    bool known = true;

    if (btz_wordpiece_encode(w, text, MAX, ids, &n) != BTZ_OK ||
        btz_wordpiece_encode(w, text, BTZ_COUNT(few), few, &m) != BTZ_OK)
        return;
    if (n > MAX || m != (n < BTZ_COUNT(few) ? n : BTZ_COUNT(few)) ||
        memcmp(ids, few, m * sizeof *few) != 0)
        __builtin_trap();
    for (size_t i = 0; i < n; i++) {
        if (!btz_wordpiece_token(w, ids[i]).len)
            __builtin_trap();
        known = known && ids[i] != btz_wordpiece_special(w)->unknown;
    }
    if (known && !btz_wordpiece_lowers(w))
        check_pieces(w, ids, n, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_slice in = btz_slice_of(data + (size ? 1 : 0), size ? size - 1 : 0);
    size_t end = btz_slice_find(in, btz_str("\n\n"), 0);
    struct btz_slice file = btz_slice_sub(in, 0, end == SIZE_MAX ? in.len : end + 1);
    struct btz_slice text = end == SIZE_MAX ? in : btz_slice_sub(in, end + 2, in.len);
    struct btz_wordpiece *w = NULL;

    if (btz_wordpiece_parse(file, (enum btz_letter_case)(size ? data[0] % 3 : 0), "fuzz", &w) !=
        BTZ_OK)
        return 0;
    cut(w, text);
    btz_wordpiece_free(w);
    return 0;
}
