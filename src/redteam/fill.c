/* Placeholders of probes, and the fresh words and numbers they stand for. */
#include "redteam/redteam.h"

#define TEXT_MAX (1 << 20)

/* Plain nouns, 5 to 8 letters. No two of them side by side make a word that people write. */
static const char *const nouns[] = {
    "acorn",   "almond",  "anchor",  "anvil",   "apricot", "arbor",   "aspen",   "atlas",
    "auburn",  "badger",  "bamboo",  "banjo",   "barley",  "basil",   "beacon",  "beaver",
    "bellow",  "biscuit", "bison",   "blanket", "bobbin",  "bonnet",  "borough", "bramble",
    "bronze",  "bucket",  "buffalo", "burrow",  "cactus",  "camel",   "candle",  "canoe",
    "canyon",  "caramel", "carbon",  "carpet",  "cashew",  "cedar",   "cellar",  "cherry",
    "chimney", "cinder",  "citrus",  "clover",  "cobalt",  "comet",   "copper",  "coral",
    "cotton",  "cradle",  "cricket", "crimson", "crystal", "cypress", "dahlia",  "daisy",
    "dapple",  "dolphin", "donkey",  "dragon",  "eagle",   "easel",   "ember",   "emerald",
    "falcon",  "feather", "fennel",  "ferret",  "fiddle",  "flannel", "flint",   "fossil",
    "galaxy",  "garnet",  "gazelle", "geyser",  "ginger",  "glacier", "goblet",  "gondola",
    "granite", "grotto",  "guitar",  "hammock", "harbor",  "hazel",   "heron",   "hickory",
    "hornet",  "iguana",  "indigo",  "island",  "ivory",   "jaguar",  "jasmine", "jigsaw",
    "juniper", "kayak",   "kestrel", "kettle",  "kitten",  "koala",   "ladder",  "lagoon",
    "lantern", "laurel",  "lemon",   "lentil",  "leopard", "lichen",  "lilac",   "lizard",
    "lobster", "locket",  "lotus",   "magnet",  "magpie",  "mallet",  "mango",   "mantle",
    "maple",   "marble",  "meadow",  "melon",   "meteor",  "mitten",  "monsoon", "mosaic",
    "muffin",  "mustard", "nectar",  "nettle",  "nickel",  "nutmeg",  "oriole",  "ocelot",
    "olive",   "mortar",  "packet",  "orchard", "orchid",  "osprey",  "otter",   "oyster",
    "paddle",  "panther", "papaya",  "parsley", "pebble",  "pelican", "pepper",  "pewter",
    "pigeon",  "pillow",  "plaza",   "plover",  "poplar",  "pretzel", "puffin",  "pumpkin",
    "quartz",  "quiver",  "rabbit",  "radish",  "raven",   "ribbon",  "river",   "rocket",
    "saddle",  "saffron", "salmon",  "sandal",  "sapling", "scarlet", "shadow",  "sherbet",
    "silver",  "sparrow", "spindle", "sponge",  "spruce",  "sunset",  "tangelo", "teapot",
    "temple",  "thicket", "thimble", "timber",  "topaz",   "trellis", "trumpet", "tulip",
    "tundra",  "turnip",  "turtle",  "umber",   "velvet",  "violin",  "walnut",  "walrus",
    "wicker",  "willow",  "window",  "yarrow",  "zephyr",  "zinnia",
};

static struct btz_slice draw(struct btz_rng *rng)
{
    return btz_str(nouns[btz_rng_below(rng, BTZ_COUNT(nouns))]);
}

/* A five-digit product that nobody writes by chance: no trailing zero. */
static uint32_t draw_numbers(struct btz_rng *rng, uint32_t *n, uint32_t *m)
{
    uint32_t product;

    do {
        *n = 31 + btz_rng_below(rng, 69);
        *m = 331 + btz_rng_below(rng, 650);
        product = *n * *m;
    } while (product < 10000 || product % 10 == 0);
    return product;
}

static enum btz_err printed(const char *text, struct btz_slice *out)
{
    if (!text)
        return BTZ_LIMIT;
    *out = btz_str(text);
    return BTZ_OK;
}

enum btz_err btz_planted_make(struct btz_rng *rng, struct btz_arena *arena, struct btz_fill *values,
                              struct btz_planted *planted)
{
    struct btz_fill v = { .a = draw(rng) };
    struct btz_slice marker, product, label;
    uint32_t number;

    do {
        v.b = draw(rng);
    } while (btz_slice_equal(v.a, v.b));
    do {
        label = draw(rng);
    } while (btz_slice_equal(label, v.a) || btz_slice_equal(label, v.b));
    number = draw_numbers(rng, &v.n, &v.m);
    BTZ_TRY(printed(btz_arena_printf(arena, "%.*s%.*s", BTZ_SLICE_ARG(v.a), BTZ_SLICE_ARG(v.b)),
                    &marker));
    BTZ_TRY(printed(btz_arena_printf(arena, "%" PRIu32, number), &product));
    BTZ_TRY(printed(btz_arena_printf(arena, "https://%.*s-%" PRIu32 ".example/x",
                                     BTZ_SLICE_ARG(label), 1000 + btz_rng_below(rng, 9000)),
                    &v.url));
    *values = v;
    planted->marker = marker;
    planted->product = product;
    planted->url = v.url;
    return BTZ_OK;
}

static enum btz_err add_upper(struct btz_slice word, struct btz_buf *out)
{
    for (size_t i = 0; i < word.len; i++) {
        uint8_t c = word.ptr[i];

        BTZ_TRY(btz_buf_add_byte(out, c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c));
    }
    return BTZ_OK;
}

static struct btz_slice host_of(struct btz_slice url)
{
    size_t from = btz_slice_find(url, btz_str("://"), 0), end;

    from = from == SIZE_MAX ? 0 : from + 3;
    end = btz_slice_find(url, btz_str("/"), from);
    return btz_slice_sub(url, from, (end == SIZE_MAX ? url.len : end) - from);
}

static enum btz_err fill_one(struct btz_slice name, const struct btz_fill *values,
                             struct btz_buf *out)
{
    if (btz_slice_is(name, "a"))
        return btz_buf_add_slice(out, values->a);
    if (btz_slice_is(name, "b"))
        return btz_buf_add_slice(out, values->b);
    if (btz_slice_is(name, "A"))
        return add_upper(values->a, out);
    if (btz_slice_is(name, "B"))
        return add_upper(values->b, out);
    if (btz_slice_is(name, "n"))
        return btz_buf_printf(out, "%" PRIu32, values->n);
    if (btz_slice_is(name, "m"))
        return btz_buf_printf(out, "%" PRIu32, values->m);
    if (btz_slice_is(name, "url"))
        return btz_buf_add_slice(out, values->url);
    if (btz_slice_is(name, "host"))
        return btz_buf_add_slice(out, host_of(values->url));
    if (btz_slice_is(name, "document"))
        return btz_buf_add_slice(out, values->document);
    if (btz_slice_is(name, "lb"))
        return btz_buf_add_str(out, "{{");
    if (btz_slice_is(name, "rb"))
        return btz_buf_add_str(out, "}}");
    return btz_fail(BTZ_INPUT,
                    "unknown placeholder \"{{%.*s}}\"; expected a, b, A, B, n, m, url, host, "
                    "document, lb, rb or enc:NAME",
                    BTZ_SLICE_ARG(btz_slice_sub(name, 0, 40)));
}

/* `text` holds no {{enc:}}. */
static enum btz_err fill_flat(struct btz_slice text, const struct btz_fill *values,
                              struct btz_buf *out)
{
    size_t at = 0;

    for (;;) {
        size_t open = btz_slice_find(text, btz_str("{{"), at), close;

        if (open == SIZE_MAX)
            return btz_buf_add_slice(out, btz_slice_sub(text, at, text.len));
        close = btz_slice_find(text, btz_str("}}"), open);
        if (close == SIZE_MAX)
            return btz_fail(BTZ_INPUT, "placeholder at byte %zu has no closing braces", open);
        BTZ_TRY(btz_buf_add_slice(out, btz_slice_sub(text, at, open - at)));
        BTZ_TRY(fill_one(btz_slice_sub(text, open + 2, close - open - 2), values, out));
        at = close + 2;
    }
}

static enum btz_err encode(struct btz_slice name, struct btz_slice inner,
                           const struct btz_fill *values, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf plain = BTZ_BUF(TEXT_MAX);

    BTZ_TRY(fill_flat(inner, values, &plain));
    for (int e = 0; e < BTZ_ENC_COUNT; e++)
        if (btz_slice_is(name, btz_encoding_name((enum btz_encoding)e)))
            return btz_text_encode((enum btz_encoding)e, btz_buf_slice(&plain), out);
    return btz_fail(BTZ_INPUT, "unknown encoding \"%.*s\" in a placeholder",
                    BTZ_SLICE_ARG(btz_slice_sub(name, 0, 40)));
}

enum btz_err btz_fill(const char *template, const struct btz_fill *values, struct btz_buf *out)
{
    static const char begin[] = "{{enc:", end[] = "{{/enc}}";
    struct btz_slice text = btz_str(template);
    size_t at = 0;

    for (;;) {
        size_t open = btz_slice_find(text, btz_str(begin), at), name_end, close;
        size_t name_at;

        if (open == SIZE_MAX)
            return fill_flat(btz_slice_sub(text, at, text.len), values, out);
        name_at = open + sizeof begin - 1;
        name_end = btz_slice_find(text, btz_str("}}"), name_at);
        close = name_end == SIZE_MAX ? SIZE_MAX : btz_slice_find(text, btz_str(end), name_end);
        if (close == SIZE_MAX)
            return btz_fail(BTZ_INPUT, "{{enc:}} at byte %zu has no {{/enc}}", open);
        BTZ_TRY(fill_flat(btz_slice_sub(text, at, open - at), values, out));
        BTZ_TRY(encode(btz_slice_sub(text, name_at, name_end - name_at),
                       btz_slice_sub(text, name_end + 2, close - name_end - 2), values, out));
        at = close + sizeof end - 1;
    }
}
