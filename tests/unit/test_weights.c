/* Weights: a published network by its known answers, both kinds of .pth, safetensors, and pickles that want more. The pickles
 * are bytes written here; nothing of them is ever loaded by Python. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "graph/weights.h"

static void bytes(struct btz_buf *b, const void *p, size_t n)
{
    assert_int_equal(btz_buf_add(b, p, n), BTZ_OK);
}

#define PUT(b, literal) bytes((b), (literal), sizeof(literal) - 1)

static void refuse(struct btz_slice file, enum btz_err want, const char *word)
{
    struct btz_weights *w = NULL;
    enum btz_err err = btz_weights_parse(file, "w", NULL, &w);

    if (err != want || !strstr(btz_error_detail(), word))
        print_message("# %d %s, wanted %d %s\n", (int)err, btz_error_detail(), (int)want, word);
    assert_int_equal(err, want);
    assert_non_null(strstr(btz_error_detail(), word));
}

/* ---- the published file ------------------------------------------------------------------------------------------------ */

/* Locuslab's fgsm.pth; shapes, first, last and sum (in double) were taken from it with another reader. */
static void test_known(void **state)
{
    static const struct {
        const char *name;
        struct btz_shape shape;
        double first, last, sum;
    } known[] = {
        { "0.bias", { 1, { 16 } }, -0.370318681, -0.522652209, -4.391283446 },
        { "0.weight", { 4, { 16, 1, 4, 4 } }, -0.0992381200, -0.0002091618, 8.366198491 },
        { "2.bias", { 1, { 32 } }, -0.082355984, 0.0277844798, -1.082374669 },
        { "2.weight", { 4, { 32, 16, 4, 4 } }, -0.046009667, -1.3378448, -268.804740929 },
        { "5.bias", { 1, { 100 } }, -0.0089845434, -0.0032227673, 0.114432944 },
        { "5.weight", { 2, { 100, 1568 } }, 0.0190651417, -0.0250944849, -1523.967157858 },
        { "7.bias", { 1, { 10 } }, -0.108870305, 0.0276704114, -0.189825108 },
        { "7.weight", { 2, { 10, 100 } }, -0.0462144129, -0.0430244803, -5.106400424 },
    };
    const char *root = getenv("BTZ_DATA"), *source = getenv("BTZ_SOURCE");
    struct btz_weights *w = NULL;
    size_t all = 0;
    char path[1024];

    (void)state;
    snprintf(path, sizeof path, "%s%s/model/fast_adversarial/fgsm.pth",
             root     ? root
             : source ? source
                      : ".",
             root ? "" : "/../shared/data");
    if (access(path, R_OK) != 0)
        skip();
    assert_int_equal(btz_weights_read(path, NULL, &w), BTZ_OK);
    assert_string_equal(w->format, "pth");
    assert_int_equal(w->count, BTZ_COUNT(known));
    for (size_t i = 0; i < w->count; i++) {
        const struct btz_tensor *t = btz_weights_find(w, known[i].name);
        const float *f;
        size_t count;
        double sum = 0;

        assert_string_equal(w->items[i].name, known[i].name);
        assert_non_null(t);
        assert_int_equal(t->type, BTZ_F32);
        assert_true(btz_shape_equal(&t->shape, &known[i].shape));
        f = t->data, count = btz_tensor_count(t);
        for (size_t k = 0; k < count; k++)
            sum += (double)f[k];
        assert_true(fabs((double)f[0] - known[i].first) < 1e-8);
        assert_true(fabs((double)f[count - 1] - known[i].last) < 1e-7);
        assert_true(fabs(sum - known[i].sum) < 1e-8);
        all += count;
    }
    assert_int_equal(all, 166406);
    assert_null(btz_weights_find(w, "none"));
    btz_weights_free(w);
}

/* ---- pickles ------------------------------------------------------------------------------------------------------------ */

static void text(struct btz_buf *b, const char *s)
{
    uint8_t head[5] = { 'X', (uint8_t)strlen(s) };

    bytes(b, head, 5);
    bytes(b, s, strlen(s));
}

static void number(struct btz_buf *b, int32_t n)
{
    PUT(b, "J");
    bytes(b, &n, 4);
}

static void tuple(struct btz_buf *b, const int32_t *n, size_t count)
{
    PUT(b, "(");
    for (size_t i = 0; i < count; i++)
        number(b, n[i]);
    PUT(b, "t");
}

/* _rebuild_tensor_v2(storage, offset, size, stride, False, OrderedDict()) */
static void tensor(struct btz_buf *b, const char *class, const char *key, int32_t elements,
                   int32_t offset, size_t rank, const int32_t *size, const int32_t *stride)
{
    PUT(b, "ctorch._utils\n_rebuild_tensor_v2\n((");
    text(b, "storage");
    PUT(b, "ctorch\n");
    bytes(b, class, strlen(class));
    PUT(b, "\n");
    text(b, key);
    text(b, "cuda:0");
    number(b, elements);
    PUT(b, "NtQ");
    number(b, offset);
    tuple(b, size, rank);
    tuple(b, stride, rank);
    PUT(b, "\x89"
           "ccollections\nOrderedDict\n)RtR");
}

/* The three pickles in front of every older file. */
static void prologue(struct btz_buf *b)
{
    PUT(b, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}(");
    text(b, "protocol_version");
    PUT(b, "M\xe9\x03");
    text(b, "little_endian");
    PUT(b, "\x88u.");
}

static void storage(struct btz_buf *b, const void *elements, int64_t count, size_t size)
{
    bytes(b, &count, 8);
    bytes(b, elements, (size_t)count * size);
}

#define DIMS(...) ((const int32_t[]){ __VA_ARGS__ })

/* One storage under three tensors, another of every type; strides that are not dense. */
static void good_file(struct btz_buf *b)
{
    static const float f[] = { 1, 2, 3, 4, 5, 6 };
    static const uint16_t half[] = { 0x3c00, 0xc000, 0x7bff }, brain[] = { 0x3f80, 0xc040 };
    static const double d[] = { 0.1, -3 };
    static const int64_t l[] = { -7 };

    prologue(b);
    PUT(b, "\x80\x02"
           "ccollections\nOrderedDict\n)Rq\x00(");
    text(b, "whole");
    tensor(b, "FloatStorage", "11", 6, 0, 2, DIMS(2, 3), DIMS(3, 1));
    text(b, "turned");
    tensor(b, "FloatStorage", "11", 6, 0, 2, DIMS(3, 2), DIMS(1, 3));
    text(b, "part");
    tensor(b, "FloatStorage", "11", 6, 1, 2, DIMS(2, 2), DIMS(3, 0));
    text(b, "half");
    tensor(b, "HalfStorage", "12", 3, 0, 1, DIMS(3), DIMS(1));
    text(b, "brain");
    tensor(b, "BFloat16Storage", "13", 2, 0, 1, DIMS(2), DIMS(1));
    text(b, "double");
    tensor(b, "DoubleStorage", "14", 2, 1, 0, DIMS(0), DIMS(0));
    text(b, "long");
    tensor(b, "LongStorage", "15", 1, 0, 0, DIMS(0), DIMS(0));
    text(b, "empty");
    tensor(b, "FloatStorage", "11", 6, 6, 2, DIMS(0, 5), DIMS(5, 1));
    PUT(b, "u}");
    text(b, "_metadata");
    PUT(b, "}sb.\x80\x02](");
    text(b, "11");
    text(b, "12");
    text(b, "13");
    text(b, "14");
    text(b, "15");
    PUT(b, "e.");
    storage(b, f, 6, 4);
    storage(b, half, 3, 2);
    storage(b, brain, 2, 2);
    storage(b, d, 2, 8);
    storage(b, l, 1, 8);
}

static void expect_floats(const struct btz_weights *w, const char *name, const float *want,
                          size_t count)
{
    const struct btz_tensor *t = btz_weights_find(w, name);

    assert_non_null(t);
    assert_int_equal(t->type, BTZ_F32);
    assert_int_equal(btz_tensor_count(t), count);
    for (size_t i = 0; i < count; i++)
        assert_true(((const float *)t->data)[i] == want[i]);
}

static void test_older(void **state)
{
    const struct btz_weights_limits small = { .memory_max = 1 << 16 };
    BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(1 << 16);
    struct btz_weights *w = NULL;

    (void)state;
    good_file(&b);
    assert_int_equal(btz_weights_parse(btz_buf_slice(&b), "w", NULL, &w), BTZ_OK);
    assert_int_equal(w->count, 8);
    expect_floats(w, "whole", (float[]){ 1, 2, 3, 4, 5, 6 }, 6);
    expect_floats(w, "turned", (float[]){ 1, 4, 2, 5, 3, 6 }, 6);
    expect_floats(w, "part", (float[]){ 2, 2, 5, 5 }, 4);
    expect_floats(w, "half", (float[]){ 1, -2, 65504 }, 3);
    expect_floats(w, "brain", (float[]){ 1, -3 }, 2);
    expect_floats(w, "double", (float[]){ -3 }, 1);
    expect_floats(w, "empty", NULL, 0);
    assert_int_equal(btz_weights_find(w, "long")->type, BTZ_I64);
    assert_int_equal(*(int64_t *)btz_weights_find(w, "long")->data, -7);
    btz_weights_free(w);
    for (size_t n = 0; n < b.len; n++) {
        w = NULL;
        assert_int_not_equal(btz_weights_parse(btz_slice_of(b.ptr, n), "w", NULL, &w), BTZ_OK);
    }
    for (size_t i = 0; i < b.len * 8; i++) {
        w = NULL;
        b.ptr[i / 8] ^= (uint8_t)(1 << i % 8);
        if (btz_weights_parse(btz_buf_slice(&b), "w", &small, &w) == BTZ_OK)
            btz_weights_free(w);
        b.ptr[i / 8] ^= (uint8_t)(1 << i % 8);
    }
}

/* A dictionary of one entry whose value is `value`. */
static void one(struct btz_buf *b, const char *value, size_t len)
{
    btz_buf_clear(b);
    prologue(b);
    PUT(b, "\x80\x02}");
    text(b, "a");
    bytes(b, value, len);
    PUT(b, "s.\x80\x02].");
}

static void test_refused(void **state)
{
    static const struct {
        const char *value, *word;
        size_t len;
        enum btz_err err;
    } tries[] = {
#define TRY(value, err, word) { value, word, sizeof(value) - 1, err }
        TRY("cos\nsystem\n(X\x02\0\0\0lstR", BTZ_DENIED, "wants os.system"),
        TRY("cbuiltins\neval\n", BTZ_DENIED, "wants builtins.eval"),
        TRY("ctorch\nload\n", BTZ_DENIED, "wants torch.load"),
        TRY("ccollections\nOrderedDict \n", BTZ_DENIED, "wants collections.OrderedDict "),
        TRY("ccollections OrderedDict\n\n", BTZ_DENIED, "wants"),
        TRY("c\x1b[2J\nx\n", BTZ_DENIED, "\\x1b[2J"),
        TRY("(ios\nsystem\n", BTZ_DENIED, "INST"),
        TRY("(cos\n", BTZ_DENIED, "wants os"),
        TRY("\x8c\x02os\x8c\x06system\x93", BTZ_DENIED, "SHORT_BINUNICODE"),
        TRY("\x93", BTZ_DENIED, "STACK_GLOBAL"),
        TRY("\x81", BTZ_DENIED, "NEWOBJ"),
        TRY("(o", BTZ_DENIED, "OBJ"),
        TRY("\x82\x01", BTZ_DENIED, "EXT1"),
        TRY("Pid\n", BTZ_DENIED, "PERSID"),
        TRY("I01\n", BTZ_DENIED, "INT"),
        TRY("\xff", BTZ_INPUT, "no instruction 0xff"),
        TRY("ctorch._utils\n_rebuild_tensor_v2\n)R", BTZ_DENIED, "_rebuild_tensor_v2 with 0"),
        TRY("ctorch\nFloatStorage\n)R", BTZ_DENIED, "FloatStorage with 0"),
        TRY("ccollections\nOrderedDict\n](R", BTZ_INPUT, "nothing on the stack"),
        TRY("}}R", BTZ_DENIED, "REDUCE"),
        TRY("NQ", BTZ_DENIED, "something else than a storage"),
        TRY("(X\x06\0\0\0moduleNNNtQ", BTZ_DENIED, "a whole module"),
        TRY("(X\x07\0\0\0storageNNNNtQ", BTZ_INPUT, "without type, key and count"),
        TRY("h\x05", BTZ_INPUT, "kept as 5"),
        TRY("Nr\xff\xff\xff\xff", BTZ_LIMIT, "more than"),
        TRY("X\xff\xff\xff\xffx", BTZ_INPUT, "w"),
        TRY("NNb", BTZ_INPUT, "no dictionary"),
        TRY("N", BTZ_INPUT, "no tensors"),
        TRY("\x80\x04N", BTZ_UNSUPPORTED, "protocol 4"),
        TRY("t", BTZ_INPUT, "no mark"),
#undef TRY
    };
    BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(1 << 16);

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(tries); i++) {
        one(&b, tries[i].value, tries[i].len);
        refuse(btz_buf_slice(&b), tries[i].err, tries[i].word);
    }
    refuse(btz_str("\x80\x02N."), BTZ_INPUT, "not of torch.save");
    refuse(btz_str("text"), BTZ_INPUT, "neither safetensors");
}

static void test_places(void **state)
{
    static const struct {
        int32_t offset, size[2], stride[2];
        const char *word;
        enum btz_err err;
    } tries[] = {
        { 1, { 2, 3 }, { 3, 1 }, "beyond its 6 elements", BTZ_INPUT },
        { 6, { 1, 1 }, { 1, 1 }, "beyond its 6 elements", BTZ_INPUT },
        { 0, { 2, 2 }, { 0x7fffffff, 1 }, "beyond", BTZ_INPUT },
        { -1, { 1, 1 }, { 1, 1 }, "offset -1", BTZ_INPUT },
        { 0, { -1, 1 }, { 1, 1 }, "axis 0", BTZ_INPUT },
        { 0, { 2, 1 }, { -1, 1 }, "axis 0", BTZ_INPUT },
        { 0, { 0x7fffffff, 0x7fffffff }, { 0, 0 }, "too large", BTZ_LIMIT },
        { 0, { 0x7fffffff, 2 }, { 0, 0 }, "larger", BTZ_LIMIT },
    };
    static const float f[] = { 1, 2, 3, 4, 5, 6 };
    BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(1 << 16);
    struct btz_weights *w;

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(tries); i++) {
        btz_buf_clear(&b);
        prologue(&b);
        PUT(&b, "\x80\x02}");
        text(&b, "a");
        tensor(&b, "FloatStorage", "1", 6, tries[i].offset, 2, tries[i].size, tries[i].stride);
        PUT(&b, "s.\x80\x02]");
        text(&b, "1");
        PUT(&b, "a.");
        storage(&b, f, 6, 4);
        refuse(btz_buf_slice(&b), tries[i].err, tries[i].word);
    }
    /* Counts that differ; a storage that is missing. */
    btz_buf_clear(&b);
    prologue(&b);
    PUT(&b, "\x80\x02}");
    text(&b, "a");
    tensor(&b, "FloatStorage", "1", 5, 0, 1, DIMS(5), DIMS(1));
    PUT(&b, "s.\x80\x02]");
    w = NULL;
    PUT(&b, ".");
    refuse(btz_buf_slice(&b), BTZ_INPUT, "not in the file");
    b.len--;
    text(&b, "1");
    PUT(&b, "a.");
    storage(&b, f, 6, 4);
    refuse(btz_buf_slice(&b), BTZ_INPUT, "6 elements at byte");
    assert_null(w);
}

/* ---- zip ---------------------------------------------------------------------------------------------------------------- */

static uint32_t crc_of(struct btz_slice s)
{
    uint32_t c = ~0U;

    for (size_t i = 0; i < s.len; i++) {
        c ^= s.ptr[i];
        for (int k = 0; k < 8; k++)
            c = c >> 1 ^ (c & 1 ? 0xedb88320U : 0);
    }
    return ~c;
}

static void zip_add(struct btz_buf *out, struct btz_buf *directory, const char *name,
                    struct btz_slice data)
{
    uint8_t local[30] = { 'P', 'K', 3, 4, 20 }, central[46] = { 'P', 'K', 1, 2, 20, 3, 20 };
    uint32_t at = (uint32_t)out->len, len = (uint32_t)data.len, crc = crc_of(data);

    memcpy(local + 14, &crc, 4), memcpy(central + 16, &crc, 4);
    memcpy(local + 18, &len, 4), memcpy(central + 20, &len, 4);
    memcpy(local + 22, &len, 4), memcpy(central + 24, &len, 4);
    local[26] = central[28] = (uint8_t)strlen(name);
    memcpy(central + 42, &at, 4);
    bytes(out, local, 30);
    bytes(out, name, strlen(name));
    bytes(out, data.ptr, data.len);
    bytes(directory, central, 46);
    bytes(directory, name, strlen(name));
}

static void zip_end(struct btz_buf *out, const struct btz_buf *directory, uint16_t count)
{
    uint8_t end[22] = { 'P', 'K', 5, 6 };
    uint32_t at = (uint32_t)out->len, len = (uint32_t)directory->len;

    memcpy(end + 8, &count, 2), memcpy(end + 10, &count, 2);
    memcpy(end + 12, &len, 4), memcpy(end + 16, &at, 4);
    bytes(out, directory->ptr, directory->len);
    bytes(out, end, 22);
}

static void zip_file(struct btz_buf *zip, const char *order, size_t floats)
{
    static const float f[] = { 1, 2, 3, 4 };
    BTZ_BUF_RELEASE struct btz_buf directory = BTZ_BUF(1 << 16);
    BTZ_BUF_RELEASE struct btz_buf pickle = BTZ_BUF(1 << 16);

    PUT(&pickle, "\x80\x02}(");
    text(&pickle, "epoch");
    PUT(&pickle, "K\x07");
    text(&pickle, "lr");
    PUT(&pickle, "G\x3f\xb9\x99\x99\x99\x99\x99\x9a");
    text(&pickle, "state_dict");
    PUT(&pickle, "}");
    text(&pickle, "w");
    PUT(&pickle, "ctorch._utils\n_rebuild_parameter\n(");
    tensor(&pickle, "FloatStorage", "0", 4, 0, 2, DIMS(2, 2), DIMS(1, 2));
    PUT(&pickle, "\x88}tRsu.");
    btz_buf_clear(zip);
    zip_add(zip, &directory, "net/data.pkl", btz_buf_slice(&pickle));
    zip_add(zip, &directory, "net/byteorder", btz_str(order));
    zip_add(zip, &directory, "net/data/0", btz_slice_of(f, floats * 4));
    zip_add(zip, &directory, "net/version", btz_str("3\n"));
    zip_end(zip, &directory, 4);
}

static void test_zip(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf zip = BTZ_BUF(1 << 16);
    struct btz_weights *w = NULL;

    (void)state;
    zip_file(&zip, "little", 4);
    assert_int_equal(btz_weights_parse(btz_buf_slice(&zip), "w", NULL, &w), BTZ_OK);
    assert_string_equal(w->format, "pth-zip");
    assert_int_equal(w->count, 1);
    expect_floats(w, "w", (float[]){ 1, 3, 2, 4 }, 4);
    btz_weights_free(w);
    for (size_t n = 0; n < zip.len; n++) {
        w = NULL;
        assert_int_not_equal(btz_weights_parse(btz_slice_of(zip.ptr, n), "w", NULL, &w), BTZ_OK);
    }
    zip_file(&zip, "big", 4);
    refuse(btz_buf_slice(&zip), BTZ_UNSUPPORTED, "little-endian");
    zip_file(&zip, "little", 3);
    refuse(btz_buf_slice(&zip), BTZ_INPUT, "cut off");
}

/* ---- safetensors -------------------------------------------------------------------------------------------------------- */

static void safetensors(struct btz_buf *b, const char *header, const void *data, size_t len)
{
    uint64_t n = strlen(header);

    btz_buf_clear(b);
    bytes(b, &n, 8);
    bytes(b, header, strlen(header));
    bytes(b, data, len);
}

static void test_safetensors(void **state)
{
    static const char good[] =
        "{\"__metadata__\":{\"format\":\"pt\"},\"b\":{\"dtype\":\"F32\",\"shape\":[2],"
        "\"data_offsets\":[4,12]},\"a\":{\"dtype\":\"BF16\",\"shape\":[1,2],\"data_offsets\":[0,4]}"
        ","
        "\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[12,20]}}   ";
    static const uint8_t data[20] = { 0x80, 0x3f, 0x00, 0xc0, 0, 0, 0, 0x40, 0, 0,
                                      0x40, 0xc0, 5,    0,    0, 0, 0, 0,    0, 0 };
    static const struct {
        const char *header, *word;
        enum btz_err err;
    } tries[] = {
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[5],\"data_offsets\":[0,16]}}", "5 elements and 16",
          BTZ_INPUT },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", "behind the last",
          BTZ_INPUT },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[4,20]}}", "leave a hole",
          BTZ_INPUT },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[5],\"data_offsets\":[0,20]},"
          "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
          "over each other", BTZ_INPUT },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[0,24]}}", "of 20 bytes",
          BTZ_INPUT },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[20,4]}}", "20 to 4",
          BTZ_INPUT },
        { "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[20],\"data_offsets\":[0,20]}}", "F8_E4M3",
          BTZ_UNSUPPORTED },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,20]}}",
          "too large", BTZ_LIMIT },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-5],\"data_offsets\":[0,20]}}", "axis 0",
          BTZ_INPUT },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[5]}}", "no dtype", BTZ_INPUT },
        { "{\"a\":1}", "no dtype", BTZ_INPUT },
        { "{\"a\":{},\"a\":{}}", "duplicate", BTZ_INPUT },
        { "{\"a\":", "w", BTZ_INPUT },
    };
    BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(1 << 16);
    struct btz_weights *w = NULL;

    (void)state;
    safetensors(&b, good, data, sizeof data);
    assert_int_equal(btz_weights_parse(btz_buf_slice(&b), "w", NULL, &w), BTZ_OK);
    assert_string_equal(w->format, "safetensors");
    expect_floats(w, "a", (float[]){ 1, -2 }, 2);
    expect_floats(w, "b", (float[]){ 2, -3 }, 2);
    assert_int_equal(*(int64_t *)btz_weights_find(w, "n")->data, 5);
    btz_weights_free(w);
    for (size_t n = 0; n < b.len; n++) {
        w = NULL;
        assert_int_not_equal(btz_weights_parse(btz_slice_of(b.ptr, n), "w", NULL, &w), BTZ_OK);
    }
    for (size_t i = 0; i < BTZ_COUNT(tries); i++) {
        safetensors(&b, tries[i].header, data, sizeof data);
        refuse(btz_buf_slice(&b), tries[i].err, tries[i].word);
    }
    safetensors(&b, good, data, sizeof data);
    memset(b.ptr, 0xff, 8);
    refuse(btz_buf_slice(&b), BTZ_LIMIT, "header");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),   cmocka_unit_test(test_older),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_places),
        cmocka_unit_test(test_zip),     cmocka_unit_test(test_safetensors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
