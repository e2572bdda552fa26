/* Samples: idx, npy, npz, CSV and folders of pictures, good and bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/zip.h"
#include "sample/reader.h"

static const char *data_path(const char *name)
{
    static char path[1024];
    const char *root = getenv("BTZ_DATA"), *source = getenv("BTZ_SOURCE");

    snprintf(path, sizeof path, "%s%s/%s",
             root     ? root
             : source ? source
                      : ".",
             root ? "" : "/../shared/data", name);
    if (access(path, R_OK) != 0)
        skip();
    return path;
}

static struct btz_samples *parse(struct btz_slice data, const char *name)
{
    struct btz_samples *s = NULL;
    enum btz_err err = btz_samples_parse(data, btz_slice_of(NULL, 0),
                                         &(struct btz_samples_options){ .data = name }, &s);

    if (err != BTZ_OK)
        print_message("# %s\n", btz_error_detail());
    assert_int_equal(err, BTZ_OK);
    return s;
}

/* The wanted error, and its detail has the word. */
static void refuse(struct btz_slice data, struct btz_slice labels,
                   const struct btz_samples_options *options, enum btz_err want, const char *word)
{
    struct btz_samples *s = NULL;
    enum btz_err err = btz_samples_parse(data, labels, options, &s);

    if (err != want || !strstr(btz_error_detail(), word))
        print_message("# %d %s, wanted %d %s\n", (int)err, btz_error_detail(), (int)want, word);
    assert_int_equal(err, want);
    assert_non_null(strstr(btz_error_detail(), word));
}

/* ---- MNIST: back in the published order, the bytes are the published file ------------------------------------------------ */

static void test_mnist(void **state)
{
    struct btz_samples_options o = { .data = data_path("model/mnist/t10k-images-idx3-ubyte.gz") };
    char images[1024], labels[1024];
    BTZ_BUF_RELEASE struct btz_buf csv = BTZ_BUF(1 << 24);
    BTZ_BUF_RELEASE struct btz_buf idx = BTZ_BUF(1 << 24);
    struct btz_samples *s = NULL;
    const struct btz_samples_info *info;
    uint32_t y[10000], per_class[10] = { 0 };
    uint8_t *pixels = calloc(10000, 784), md[16];
    float *x = calloc(10000, 784 * sizeof *x);
    char text[BTZ_SAMPLE_SHAPE_TEXT], hex[33];
    size_t at = 0, row = 0;
    struct btz_slice line;
    struct btz_reader r;

    (void)state;
    snprintf(images, sizeof images, "%s", o.data);
    snprintf(labels, sizeof labels, "%s", data_path("model/mnist/t10k-labels-idx1-ubyte.gz"));
    o.data = images, o.labels = labels, o.classes = 10;
    assert_int_equal(btz_samples_open(&o, &s), BTZ_OK);
    info = btz_samples_info(s);
    assert_int_equal(info->count, 10000);
    assert_string_equal(btz_sample_shape_text(&info->shape, text), "1x28x28");
    assert_string_equal(info->format, "idx");
    assert_int_equal(info->classes, 10);
    assert_true(info->memory < 9000000); /* a byte a pixel */
    assert_int_equal(btz_samples_rows(s, 0, 10000, x, y), BTZ_OK);
    for (size_t i = 0; i < 10000; i++)
        per_class[y[i]]++;
    /* Sorted by class, 980 zeros first: so says the data's description. */
    assert_int_equal(per_class[0], 980);
    assert_int_equal(y[979], 0);
    assert_int_equal(y[980], 1);
    assert_int_equal(btz_file_read(data_path("model/mnist/t10k-order.csv"), 1 << 24, &csv), BTZ_OK);
    r = (struct btz_reader){ .in = btz_buf_slice(&csv) };
    while (btz_read_line(&r, &line)) {
        uint64_t file = 0;

        for (at = line.len; at > 0 && line.ptr[at - 1] != '/'; at--)
            ;
        for (; at < line.len && line.ptr[at] >= '0' && line.ptr[at] <= '9'; at++)
            file = file * 10 + (uint64_t)(line.ptr[at] - '0');
        if (file < 60000)
            continue; /* the header */
        assert_true(row < 10000 && file < 70000);
        for (size_t k = 0; k < 784; k++)
            pixels[(file - 60000) * 784 + k] = (uint8_t)lrintf(x[row * 784 + k] * 255);
        row++;
    }
    assert_int_equal(row, 10000);
    assert_int_equal(btz_idx_encode(&(struct btz_sample_array){ .type = BTZ_SAMPLE_U8,
                                                                .rank = 3,
                                                                .dim = { 10000, 28, 28 },
                                                                .data = pixels },
                                    &idx),
                     BTZ_OK);
    assert_int_equal(EVP_Digest(idx.ptr, idx.len, md, NULL, EVP_md5(), NULL), 1);
    btz_hex(md, 16, hex);
    assert_string_equal(hex, "2646ac647ad5339dbf082846283269ea");
    btz_samples_close(s);
    o.classes = 9; /* row 8991 is the first nine */
    assert_int_equal(btz_samples_open(&o, &s), BTZ_INPUT);
    assert_non_null(strstr(btz_error_detail(), "is 9, expected 0 to 8"));
    o.classes = 10;
    o.memory_max = 1 << 20;
    assert_int_equal(btz_samples_open(&o, &s), BTZ_LIMIT);
    free(pixels);
    free(x);
}

/* ---- tables ------------------------------------------------------------------------------------------------------------- */

static void check_table(const char *name, size_t rows, size_t values, size_t classes,
                        const uint32_t *per_class, const char *first_class)
{
    struct btz_samples_options o = { .data = data_path(name) };
    struct btz_samples *s = NULL;
    const struct btz_samples_info *info;
    uint32_t seen[16] = { 0 }, y;

    assert_int_equal(btz_samples_open(&o, &s), BTZ_OK);
    info = btz_samples_info(s);
    assert_int_equal(info->count, rows);
    assert_int_equal(info->values, values);
    assert_int_equal(info->classes, classes);
    for (size_t i = 0; i < rows; i++) {
        assert_int_equal(btz_samples_rows(s, i, 1, NULL, &y), BTZ_OK);
        seen[y]++;
    }
    assert_memory_equal(seen, per_class, classes * sizeof *seen);
    assert_true(first_class ? strcmp(info->class_names[0], first_class) == 0 : !info->class_names);
    btz_samples_close(s);
}

/* Counts and means as scikit-learn's own descriptions of the files give them. */
static void test_sklearn(void **state)
{
    struct btz_samples_options o = { .data = data_path("model/tabular/digits.csv.gz") };
    struct btz_samples *s = NULL;
    float *x = calloc(1797 * 64, sizeof *x);
    double sum = 0;

    (void)state;
    assert_int_equal(btz_samples_open(&o, &s), BTZ_OK);
    assert_int_equal(btz_samples_rows(s, 0, 1797, x, NULL), BTZ_OK);
    for (size_t i = 0; i < 1797 * 64; i++)
        sum += (double)x[i];
    assert_true(fabs(sum / (1797 * 64) - 4.884164579855314) < 1e-9);
    btz_samples_close(s);
    free(x);
    check_table("model/tabular/digits.csv.gz", 1797, 64, 10,
                (uint32_t[]){ 178, 182, 177, 183, 181, 182, 181, 179, 174, 180 }, NULL);
    check_table("model/tabular/breast_cancer.csv", 569, 30, 2, (uint32_t[]){ 212, 357 },
                "malignant");
    check_table("model/tabular/wine_data.csv", 178, 13, 3, (uint32_t[]){ 59, 71, 48 }, "class_0");
}

static void test_csv(void **state)
{
    static const char quoted[] =
        "width,\"the \"\"name\"\"\",class\r\n1.5,-2e1,\"big, red\"\r\n3,4,small\r\n\r\n5,6,\"big, "
        "red\"";
    static const char first[] = "label;a;b\n3;1;2\n0;3;4\n";
    static const char plain[] = "5.1,3.5,setosa\n4.9,3.0,virginica\n";
    struct btz_samples_options named = { .data = "t.csv" };
    struct btz_samples *s = parse(btz_str(quoted), "t.csv");
    const struct btz_samples_info *info = btz_samples_info(s);
    float x[6];
    uint32_t y[3];

    (void)state;
    assert_int_equal(info->count, 3);
    assert_int_equal(info->values, 2);
    assert_string_equal(info->columns[1], "the \"name\"");
    assert_string_equal(info->class_names[0], "big, red");
    assert_int_equal(btz_samples_rows(s, 0, 3, x, y), BTZ_OK);
    assert_true(x[0] == 1.5F && x[1] == -20 && x[5] == 6);
    assert_true(y[0] == 0 && y[1] == 1 && y[2] == 0);
    btz_samples_close(s);
    s = parse(btz_str(first), "t.csv");
    assert_int_equal(btz_samples_rows(s, 0, 2, x, y), BTZ_OK);
    assert_true(y[0] == 3 && y[1] == 0 && x[0] == 1 && x[3] == 4);
    assert_int_equal(btz_samples_info(s)->classes, 4);
    assert_string_equal(btz_samples_info(s)->columns[0], "a");
    btz_samples_close(s);
    s = parse(btz_str(plain), "t.csv");
    assert_int_equal(btz_samples_info(s)->count, 2);
    assert_string_equal(btz_samples_info(s)->class_names[1], "virginica");
    btz_samples_close(s);
    named.label_column = "";
    assert_int_equal(btz_samples_parse(btz_str("a,b\n1,2\n"), btz_slice_of(NULL, 0), &named, &s),
                     BTZ_OK);
    assert_false(btz_samples_info(s)->labelled);
    assert_int_equal(btz_samples_rows(s, 0, 1, x, y), BTZ_OK);
    assert_true(y[0] == BTZ_NO_LABEL && x[1] == 2);
    btz_samples_close(s);
    named.missing_ok = true;
    assert_int_equal(
        btz_samples_parse(btz_str("a,b\n1,\nnan,2\n"), btz_slice_of(NULL, 0), &named, &s), BTZ_OK);
    assert_int_equal(btz_samples_rows(s, 0, 2, x, y), BTZ_OK);
    assert_true(x[0] == 1 && isnan(x[1]) && isnan(x[2]) && x[3] == 2);
    btz_samples_close(s);
}

static void test_csv_wrong(void **state)
{
    static const struct {
        const char *text, *word;
        enum btz_err err;
    } tries[] = {
        { "a,b,y\n1,2,0\n1,2\n", "t.csv:3: 2 fields, expected 3", BTZ_INPUT },
        { "a,b,y\n1,x,0\n", "t.csv:2: field 2 (b) is \"x\"", BTZ_INPUT },
        { "a,b,y\n1,,0\n", "field 2 (b) is \"\"", BTZ_INPUT },
        { "a,b,y\n1,nan,0\n", "\"nan\"", BTZ_INPUT },
        { "a,b,y\n1,2,nan\n", "t.csv:2: the label is missing", BTZ_INPUT },
        { "a,b,y\n1,2,1\n1,2,-1\n", "label of row 1 is -1", BTZ_INPUT },
        { "a,b,y\n1,2,0.5\n", "0.5, no whole number", BTZ_INPUT },
        { "a,b,y\n1,2,99999999\n", "expected 0 to 65535", BTZ_INPUT },
        { "a,b,y\n1,1e39,0\n", "beyond what a float holds", BTZ_INPUT },
        { "a,b,y\n1,\"2,0\n", "never closed", BTZ_INPUT },
        { "a,b,y\n1,\"2\"3,0\n", "behind a closing quote", BTZ_INPUT },
        { "a,b,y\n", "no rows", BTZ_INPUT },
        { "\n\n", "no rows", BTZ_INPUT },
        { "3,2,x,y\n1,2,0\n1,2,1\n", "says 3 rows, found 2", BTZ_INPUT },
        { "1\n2\n", "no values", BTZ_INPUT },
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(tries); i++)
        refuse(btz_str(tries[i].text), btz_slice_of(NULL, 0),
               &(struct btz_samples_options){ .data = "t.csv" }, tries[i].err, tries[i].word);
    refuse(btz_str("a,b\n1,2\n"), btz_slice_of(NULL, 0),
           &(struct btz_samples_options){ .data = "t.csv", .label_column = "c" }, BTZ_USAGE,
           "\"c\"");
    refuse(btz_str("a,b\n1,2\n"), btz_str("0\n1\n"),
           &(struct btz_samples_options){ .data = "t.csv", .labels = "l.csv" }, BTZ_INPUT,
           "2 labels for 1 samples");
}

/* ---- numpy -------------------------------------------------------------------------------------------------------------- */

static void npy(struct btz_buf *out, const char *header, const void *elements, size_t len)
{
    uint8_t head[10] = { 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)strlen(header), 0 };

    btz_buf_clear(out);
    assert_int_equal(btz_buf_add(out, head, sizeof head), BTZ_OK);
    assert_int_equal(btz_buf_add_str(out, header), BTZ_OK);
    assert_int_equal(btz_buf_add(out, elements, len), BTZ_OK);
}

/* Each type in both byte orders; the elements are spelt out byte by byte. */
static void test_npy_types(void **state)
{
    static const struct {
        const char *descr;
        uint8_t bytes[8];
        float value;
    } types[] = {
        { "<f4", { 0, 0, 0xc0, 0xbf }, -1.5F },
        { ">f4", { 0xbf, 0xc0, 0, 0 }, -1.5F },
        { "<f8", { 0, 0, 0, 0, 0, 0, 0xf8, 0xbf }, -1.5F },
        { ">f8", { 0xbf, 0xf8, 0, 0, 0, 0, 0, 0 }, -1.5F },
        { "<f2", { 0, 0xbe }, -1.5F },
        { ">f2", { 0xbe, 0 }, -1.5F },
        { "|i1", { 0xfe }, -2 },
        { "|u1", { 0xfe }, 254 },
        { "<i2", { 0xfe, 0xff }, -2 },
        { ">i2", { 0xff, 0xfe }, -2 },
        { "<u2", { 0xfe, 0xff }, 65534 },
        { ">i4", { 0xff, 0xff, 0xff, 0xfe }, -2 },
        { "<u4", { 2, 0, 0, 0x80 }, 2147483650.0F },
        { "<i8", { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, -2 },
        { ">u8", { 0, 0, 0, 0, 0, 0, 1, 2 }, 258 },
        { "|b1", { 1 }, 1 },
    };
    BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF(4096);

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(types); i++) {
        char header[128];
        struct btz_samples *s;
        float x = 0;

        snprintf(header, sizeof header,
                 "{'descr': '%s', 'fortran_order': False, 'shape': (1, 1), }  \n", types[i].descr);
        npy(&file, header, types[i].bytes, (size_t)(types[i].descr[2] - '0'));
        s = parse(btz_buf_slice(&file), "a.npy");
        assert_int_equal(btz_samples_rows(s, 0, 1, &x, NULL), BTZ_OK);
        assert_true(x == types[i].value);
        btz_samples_close(s);
    }
}

static void test_npy_orders(void **state)
{
    /* 2 x 3: rows 1 2 3 and 4 5 6, columns first. */
    static const uint8_t turned[] = { 1, 4, 2, 5, 3, 6 };
    /* Two pictures of 1 x 2 pixels and 3 channels, channels last. */
    static const uint8_t last[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
    BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF(4096);
    struct btz_samples *s;
    float x[12];

    (void)state;
    npy(&file, "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n", turned, 6);
    s = parse(btz_buf_slice(&file), "a.npy");
    assert_int_equal(btz_samples_rows(s, 0, 2, x, NULL), BTZ_OK);
    for (int i = 0; i < 6; i++)
        assert_true(x[i] == (float)i + 1);
    btz_samples_close(s);
    npy(&file, "{\"shape\": (2L, 1, 2, 3), 'fortran_order': False, 'descr': '|u1'}", last, 12);
    assert_int_equal(btz_samples_parse(btz_buf_slice(&file), btz_slice_of(NULL, 0),
                                       &(struct btz_samples_options){ .data = "a.npy",
                                                                      .layout = BTZ_LAYOUT_NHWC,
                                                                      .scale = BTZ_SCALE_NONE },
                                       &s),
                     BTZ_OK);
    assert_int_equal(btz_samples_info(s)->shape.dim[0], 3);
    assert_int_equal(btz_samples_info(s)->shape.dim[2], 2);
    assert_int_equal(btz_samples_take(s, (size_t[]){ 1, 0 }, 2, x, NULL), BTZ_OK);
    assert_true(x[0] == 7 && x[1] == 10 && x[2] == 8 && x[3] == 11 && x[6] == 1 && x[7] == 4);
    btz_samples_close(s);
}

static void test_npy_wrong(void **state)
{
    static const struct {
        const char *header, *word;
        enum btz_err err;
    } tries[] = {
        { "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "pickles", BTZ_UNSUPPORTED },
        { "{'descr': '|O8', 'fortran_order': False, 'shape': (1,), }", "pickles", BTZ_UNSUPPORTED },
        { "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "structures",
          BTZ_UNSUPPORTED },
        { "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "<c8", BTZ_UNSUPPORTED },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", "\"x\" is unknown",
          BTZ_INPUT },
        { "{'descr': '<f4', 'descr': '<f4', 'shape': (1,), }", "twice", BTZ_INPUT },
        { "{'descr': '<f4', 'fortran_order': False}", "expected descr", BTZ_INPUT },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} + exit()", "nothing else",
          BTZ_INPUT },
        { "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", "True or False", BTZ_INPUT },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "expected a size",
          BTZ_INPUT },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "8 bytes", BTZ_INPUT },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
          "too large", BTZ_LIMIT },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1)}", "axes", BTZ_LIMIT },
        { "{'descr': '<f\\x34', 'fortran_order': False, 'shape': (1,)}", "escape", BTZ_INPUT },
    };
    BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF(4096);
    static const float one = 1, bad[2] = { 1, NAN };
    const struct btz_samples_options o = { .data = "a.npy" };
    struct btz_samples *s;
    float x[2];

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(tries); i++) {
        npy(&file, tries[i].header, &one, sizeof one);
        refuse(btz_buf_slice(&file), btz_slice_of(NULL, 0), &o, tries[i].err, tries[i].word);
    }
    npy(&file, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,1)}", bad, sizeof bad);
    s = parse(btz_buf_slice(&file), "a.npy");
    assert_int_equal(btz_samples_rows(s, 0, 2, x, NULL), BTZ_INPUT);
    assert_non_null(strstr(btz_error_detail(), "sample 1 is not a number"));
    btz_samples_close(s);
    /* Every prefix is refused. */
    for (size_t n = 0; n < file.len; n++) {
        s = NULL;
        assert_int_not_equal(
            btz_samples_parse(btz_slice_of(file.ptr, n), btz_slice_of(NULL, 0), &o, &s), BTZ_OK);
    }
}

/* ---- zip ---------------------------------------------------------------------------------------------------------------- */

/* As `python3 -c "import numpy; numpy.savez_compressed('a', x=..., y=...)"` would: stored here, by the test. */
static void zip_add(struct btz_buf *out, struct btz_buf *directory, const char *name,
                    struct btz_slice bytes, uint32_t crc)
{
    uint8_t local[30] = { 'P', 'K', 3, 4, 20 }, central[46] = { 'P', 'K', 1, 2, 20, 3, 20 };
    uint32_t at = (uint32_t)out->len, len = (uint32_t)bytes.len;

    memcpy(local + 14, &crc, 4), memcpy(central + 16, &crc, 4);
    memcpy(local + 18, &len, 4), memcpy(central + 20, &len, 4);
    memcpy(local + 22, &len, 4), memcpy(central + 24, &len, 4);
    local[26] = central[28] = (uint8_t)strlen(name);
    memcpy(central + 42, &at, 4);
    assert_int_equal(btz_buf_add(out, local, 30), BTZ_OK);
    assert_int_equal(btz_buf_add_str(out, name), BTZ_OK);
    assert_int_equal(btz_buf_add_slice(out, bytes), BTZ_OK);
    assert_int_equal(btz_buf_add(directory, central, 46), BTZ_OK);
    assert_int_equal(btz_buf_add_str(directory, name), BTZ_OK);
}

static void zip_end(struct btz_buf *out, const struct btz_buf *directory, uint16_t count)
{
    uint8_t end[22] = { 'P', 'K', 5, 6 };
    uint32_t at = (uint32_t)out->len, len = (uint32_t)directory->len;

    memcpy(end + 8, &count, 2), memcpy(end + 10, &count, 2);
    memcpy(end + 12, &len, 4), memcpy(end + 16, &at, 4);
    assert_int_equal(btz_buf_add_slice(out, btz_buf_slice(directory)), BTZ_OK);
    assert_int_equal(btz_buf_add(out, end, 22), BTZ_OK);
}

/* CRC-32 of ISO 3309, bit by bit. */
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

static void test_npz(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf x_file = BTZ_BUF(4096);
    BTZ_BUF_RELEASE struct btz_buf y_file = BTZ_BUF(4096);
    BTZ_BUF_RELEASE struct btz_buf zip = BTZ_BUF(8192);
    BTZ_BUF_RELEASE struct btz_buf directory = BTZ_BUF(4096);
    const struct btz_samples_options o = { .data = "a.npz" };
    static const float values[] = { 1, 2, 3, 4 };
    static const int64_t labels[] = { 7, 3 };
    struct btz_samples *s;
    float x[4];
    uint32_t y[2];

    (void)state;
    npy(&x_file, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", values, 16);
    npy(&y_file, "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }", labels, 16);
    zip_add(&zip, &directory, "y.npy", btz_buf_slice(&y_file), crc_of(btz_buf_slice(&y_file)));
    zip_add(&zip, &directory, "x.npy", btz_buf_slice(&x_file), crc_of(btz_buf_slice(&x_file)));
    zip_end(&zip, &directory, 2);
    s = parse(btz_buf_slice(&zip), "a.npz");
    assert_int_equal(btz_samples_rows(s, 0, 2, x, y), BTZ_OK);
    assert_true(x[3] == 4 && y[0] == 7 && y[1] == 3);
    btz_samples_close(s);
    for (size_t n = 0; n < zip.len; n++) {
        s = NULL;
        assert_int_not_equal(
            btz_samples_parse(btz_slice_of(zip.ptr, n), btz_slice_of(NULL, 0), &o, &s), BTZ_OK);
    }
    for (size_t i = 0; i < zip.len * 8; i++) {
        s = NULL;
        zip.ptr[i / 8] ^= (uint8_t)(1 << i % 8);
        if (btz_samples_parse(btz_buf_slice(&zip), btz_slice_of(NULL, 0), &o, &s) == BTZ_OK)
            (void)!btz_samples_rows(s, 0, 1, x, y);
        btz_samples_close(s);
        zip.ptr[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    btz_buf_clear(&zip), btz_buf_clear(&directory);
    zip_add(&zip, &directory, "x.npy", btz_buf_slice(&x_file), 0);
    zip_end(&zip, &directory, 1);
    refuse(btz_buf_slice(&zip), btz_slice_of(NULL, 0), &o, BTZ_INPUT, "checksum of x.npy");
    btz_buf_clear(&zip), btz_buf_clear(&directory);
    zip_add(&zip, &directory, "x.npy", btz_buf_slice(&x_file), 0);
    zip_add(&zip, &directory, "x.npy", btz_buf_slice(&x_file), 0);
    zip_end(&zip, &directory, 2);
    refuse(btz_buf_slice(&zip), btz_slice_of(NULL, 0), &o, BTZ_INPUT, "two zip entries");
}

/* Streams of gzip that unpack to much more than is allowed, are cut off, or have something behind. */
static void test_gzip(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf plain = BTZ_BUF(1 << 24);
    BTZ_BUF_RELEASE struct btz_buf packed = BTZ_BUF(1 << 24);
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 16);
    BTZ_BUF_RELEASE struct btz_buf all = BTZ_BUF(1 << 24);
    size_t one;

    (void)state;
    assert_int_equal(btz_buf_reserve(&plain, 1 << 20), BTZ_OK);
    memset(plain.ptr, 'a', 1 << 20);
    plain.len = 1 << 20;
    assert_int_equal(btz_gzip(btz_buf_slice(&plain), &packed), BTZ_OK);
    assert_true(packed.len < 5000);
    assert_int_equal(btz_gunzip(btz_buf_slice(&packed), "f", &out), BTZ_LIMIT);
    one = packed.len;
    assert_int_equal(btz_gzip(btz_str("tail"), &packed), BTZ_OK);
    assert_int_equal(btz_gunzip(btz_buf_slice(&packed), "f", &all), BTZ_OK);
    assert_int_equal(all.len, (1 << 20) + 4);
    assert_memory_equal(all.ptr + (1 << 20), "tail", 4);
    btz_buf_clear(&all);
    assert_int_equal(btz_gunzip(btz_slice_of(packed.ptr, one - 3), "f", &all), BTZ_INPUT);
    packed.ptr[one / 2] ^= 0x55;
    btz_buf_clear(&all);
    assert_int_equal(btz_gunzip(btz_slice_of(packed.ptr, one), "f", &all), BTZ_INPUT);
    packed.ptr[one / 2] ^= 0x55;
    packed.ptr[one] = 'x';
    btz_buf_clear(&all);
    assert_int_equal(btz_gunzip(btz_buf_slice(&packed), "f", &all), BTZ_INPUT);
    assert_non_null(strstr(btz_error_detail(), "behind the end"));
}

/* ---- idx, writing, streams -------------------------------------------------------------------------------------------- */

static void test_idx_wrong(void **state)
{
    static const uint8_t good[] = { 0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6 };
    static const uint8_t label[] = { 0, 0, 9, 1, 0, 0, 0, 2, 1, 0xff };
    uint8_t bad[sizeof good];
    const struct btz_samples_options o = { .data = "a.idx" };
    struct btz_slice none = btz_slice_of(NULL, 0);
    struct btz_samples *s;

    (void)state;
    s = parse(btz_slice_of(good, sizeof good), "a.idx");
    assert_int_equal(btz_samples_info(s)->values, 3);
    assert_true(btz_samples_info(s)->scale == 1.0F); /* a table of bytes is no picture */
    btz_samples_close(s);
    for (size_t n = 4; n < sizeof good; n++) {
        s = NULL;
        assert_int_not_equal(btz_samples_parse(btz_slice_of(good, n), none, &o, &s), BTZ_OK);
    }
    memcpy(bad, good, sizeof bad);
    bad[2] = 0x0a;
    refuse(btz_slice_of(bad, sizeof bad), none, &o, BTZ_INPUT, "none of the formats");
    bad[2] = 8, bad[3] = 9;
    refuse(btz_slice_of(bad, sizeof bad), none, &o, BTZ_INPUT, "9 axes");
    bad[3] = 2, memset(bad + 4, 0xff, 8);
    refuse(btz_slice_of(bad, sizeof bad), none, &o, BTZ_LIMIT, "elements");
    memcpy(bad, good, sizeof bad);
    bad[7] = 0;
    refuse(btz_slice_of(bad, 12), none, &o, BTZ_INPUT, "no samples");
    refuse(btz_slice_of(good, sizeof good), btz_slice_of(label, sizeof label), &o, BTZ_INPUT,
           "label of row 1 is -1");
    refuse(btz_slice_of(good, sizeof good), btz_slice_of(good, sizeof good), &o, BTZ_INPUT,
           "one number for each sample");
}

static void test_written(void **state)
{
    static const float values[] = { 0.5F, -1, 2, 3e-20F, 1e20F, 6 };
    const struct btz_sample_array a = {
        .type = BTZ_SAMPLE_F32, .rank = 2, .dim = { 2, 3 }, .data = values
    };
    BTZ_BUF_RELEASE struct btz_buf npy_file = BTZ_BUF(4096);
    BTZ_BUF_RELEASE struct btz_buf idx_file = BTZ_BUF(4096);
    BTZ_BUF_RELEASE struct btz_buf packed = BTZ_BUF(4096);
    uint8_t one[BTZ_SHA256_LEN], two[BTZ_SHA256_LEN], three[BTZ_SHA256_LEN];
    struct btz_samples *s;
    float x[6];

    (void)state;
    assert_int_equal(btz_npy_encode(&a, &npy_file), BTZ_OK);
    /* NEP 1: the header ends with a line feed, and its end is a multiple of 64. */
    assert_int_equal(npy_file.len, 128 + sizeof values);
    assert_int_equal(npy_file.ptr[127], '\n');
    s = parse(btz_buf_slice(&npy_file), "a.npy");
    assert_int_equal(btz_samples_rows(s, 0, 2, x, NULL), BTZ_OK);
    assert_memory_equal(x, values, sizeof x);
    assert_int_equal(btz_samples_digest(s, one), BTZ_OK);
    btz_samples_close(s);
    assert_int_equal(btz_idx_encode(&a, &idx_file), BTZ_OK);
    s = parse(btz_buf_slice(&idx_file), "a.idx");
    assert_int_equal(btz_samples_rows(s, 0, 2, x, NULL), BTZ_OK);
    assert_memory_equal(x, values, sizeof x);
    assert_int_equal(btz_samples_digest(s, two), BTZ_OK);
    btz_samples_close(s);
    assert_memory_equal(one, two, sizeof one);
    assert_int_equal(btz_gzip(btz_buf_slice(&idx_file), &packed), BTZ_OK);
    packed.ptr[4] = 9; /* the time */
    s = parse(btz_buf_slice(&packed), "a.idx.gz");
    assert_int_equal(btz_samples_digest(s, two), BTZ_OK);
    assert_memory_equal(one, two, sizeof one);
    btz_samples_close(s);
    idx_file.ptr[idx_file.len - 1] ^= 1;
    s = parse(btz_buf_slice(&idx_file), "a.idx");
    assert_int_equal(btz_samples_digest(s, three), BTZ_OK);
    assert_memory_not_equal(one, three, sizeof one);
    btz_samples_close(s);
    assert_int_equal(btz_idx_encode(
                         &(struct btz_sample_array){
                             .type = BTZ_SAMPLE_I64, .rank = 1, .dim = { 1 }, .data = values },
                         &idx_file),
                     BTZ_USAGE);
}

/* A file larger than the memory allowed: read from disk, and what another program does to it is an error, not a signal. */
static void test_streamed(void **state)
{
    char path[] = "/tmp/btz-sample-XXXXXX";
    int fd = mkstemp(path);
    enum { ROWS = 3000, VALUES = 100 };
    float *all = calloc(ROWS * VALUES, sizeof *all), x[2 * VALUES];
    BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF(1 << 24);
    struct btz_samples_options o = { .data = path, .memory_max = 1 << 18 };
    struct btz_samples *s = NULL;

    (void)state;
    assert_true(fd >= 0);
    for (size_t i = 0; i < ROWS * VALUES; i++)
        all[i] = (float)i;
    assert_int_equal(btz_npy_encode(&(struct btz_sample_array){ .type = BTZ_SAMPLE_F32,
                                                                .rank = 2,
                                                                .dim = { ROWS, VALUES },
                                                                .data = all },
                                    &file),
                     BTZ_OK);
    assert_int_equal(btz_fd_write_all(fd, btz_buf_slice(&file), path), BTZ_OK);
    assert_int_equal(btz_samples_open(&o, &s), BTZ_OK);
    assert_true(btz_samples_info(s)->streamed);
    assert_true(btz_samples_info(s)->memory < 1 << 18);
    assert_int_equal(btz_samples_take(s, (size_t[]){ 2999, 7 }, 2, x, NULL), BTZ_OK);
    assert_memory_equal(x, all + 2999 * VALUES, VALUES * sizeof *x);
    assert_memory_equal(x + VALUES, all + 7 * VALUES, VALUES * sizeof *x);
    assert_int_equal(btz_samples_rows(s, 2999, 2, x, NULL), BTZ_USAGE);
    assert_int_equal(btz_samples_take(s, (size_t[]){ 3000 }, 1, x, NULL), BTZ_USAGE);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    assert_int_equal(btz_samples_rows(s, 2999, 1, x, NULL), BTZ_INPUT);
    btz_samples_close(s);
    close(fd);
    unlink(path);
    free(all);
}

static void test_choose(void **state)
{
    size_t a[1000], b[1000];
    bool seen[5000] = { false };

    (void)state;
    assert_int_equal(btz_samples_choose(10000, BTZ_CHOOSE_STRIDE, 0, 1000, a), BTZ_OK);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(a[i], i * 10);
    assert_int_equal(btz_samples_choose(5000, BTZ_CHOOSE_SHUFFLE, 7, 1000, a), BTZ_OK);
    assert_int_equal(btz_samples_choose(5000, BTZ_CHOOSE_SHUFFLE, 7, 1000, b), BTZ_OK);
    assert_memory_equal(a, b, sizeof a);
    for (size_t i = 0; i < 1000; i++) {
        assert_true(a[i] < 5000 && !seen[a[i]]);
        seen[a[i]] = true;
    }
    assert_int_equal(btz_samples_choose(5000, BTZ_CHOOSE_SHUFFLE, 8, 1000, b), BTZ_OK);
    assert_memory_not_equal(a, b, sizeof a);
    assert_int_equal(btz_samples_choose(10, BTZ_CHOOSE_SHUFFLE, 7, 11, a), BTZ_USAGE);
}

/* ---- pictures ------------------------------------------------------------------------------------------------------------ */

static void put_picture(const char *path, uint32_t width, uint32_t height, unsigned channels,
                        uint8_t first)
{
    BTZ_BUF_RELEASE struct btz_buf png = BTZ_BUF(1 << 16);
    uint8_t pixels[64];

    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(first + i);
    assert_int_equal(btz_png_encode(pixels, width, height, channels, &png), BTZ_OK);
    assert_int_equal(btz_file_write(path, btz_buf_slice(&png), 0600), BTZ_OK);
}

static void refuse_folder(const char *folder, const char *labels, enum btz_err want,
                          const char *word)
{
    const struct btz_samples_options o = { .data = folder, .labels = labels };
    struct btz_samples *s = NULL;
    enum btz_err err = btz_samples_open(&o, &s);

    if (err != want || !strstr(btz_error_detail(), word))
        print_message("# %d %s\n", (int)err, btz_error_detail());
    assert_int_equal(err, want);
    assert_non_null(strstr(btz_error_detail(), word));
}

static void test_folder(void **state)
{
    char folder[] = "/tmp/btz-pictures-XXXXXX", path[128], csv[128];
    struct btz_samples_options o = { .data = folder };
    struct btz_samples *s = NULL;
    float x[24];
    uint32_t y[3];

    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    refuse_folder(folder, NULL, BTZ_INPUT, "no PNG or JPEG");
    assert_int_equal(mkdir("cat", 0700) | mkdir("ant", 0700), 0);
    put_picture("cat/b.png", 2, 2, 3, 100);
    put_picture("cat/a.png", 2, 2, 3, 50);
    put_picture("ant/z.png", 2, 2, 3, 10);
    assert_int_equal(btz_samples_open(&o, &s), BTZ_OK);
    assert_int_equal(btz_samples_info(s)->count, 3);
    assert_string_equal(btz_samples_info(s)->class_names[0], "ant");
    assert_string_equal(btz_samples_info(s)->class_names[1], "cat");
    assert_int_equal(btz_samples_info(s)->shape.dim[0], 3);
    assert_int_equal(btz_samples_rows(s, 0, 2, x, y), BTZ_OK);
    assert_int_equal(btz_samples_rows(s, 2, 1, NULL, y + 2), BTZ_OK);
    assert_true(y[0] == 0 && y[1] == 1 && y[2] == 1);
    /* Channels first: red of the four pixels, then green. */
    assert_true(fabsf(x[0] * 255 - 10) < 1e-3F && fabsf(x[1] * 255 - 13) < 1e-3F &&
                fabsf(x[4] * 255 - 11) < 1e-3F && fabsf(x[12] * 255 - 50) < 1e-3F);
    btz_samples_close(s);
    put_picture("cat/c.png", 3, 2, 3, 0);
    refuse_folder(folder, NULL, BTZ_INPUT, "cat/c.png: 3 x 2 pixels");
    put_picture("cat/c.png", 2, 2, 1, 0);
    refuse_folder(folder, NULL, BTZ_INPUT, "of 1 channels");
    assert_int_equal(btz_file_write("cat/c.png", btz_str("\x89PNG\r\n\x1a\n cut"), 0600), BTZ_OK);
    refuse_folder(folder, NULL, BTZ_INPUT, "cat/c.png: PNG");
    assert_int_equal(btz_file_write("cat/c.png", btz_str("\xff\xd8\xff cut"), 0600), BTZ_OK);
    refuse_folder(folder, NULL, BTZ_INPUT, "cat/c.png: JPEG");
    assert_int_equal(btz_file_write("cat/c.png", btz_str("text"), 0600), BTZ_OK);
    refuse_folder(folder, NULL, BTZ_INPUT, "neither PNG nor JPEG");
    assert_int_equal(unlink("cat/c.png"), 0);
    put_picture("top.png", 2, 2, 3, 0);
    refuse_folder(folder, NULL, BTZ_INPUT, "beside subfolders");
    assert_int_equal(unlink("top.png"), 0);
    snprintf(csv, sizeof csv, "%s/l.csv", folder);
    assert_int_equal(
        btz_file_write(csv, btz_str("filename,label\ncat/b.png,one\nant/z.png,two\n"), 0600),
        BTZ_OK);
    o.labels = csv;
    assert_int_equal(btz_samples_open(&o, &s), BTZ_OK);
    assert_int_equal(btz_samples_info(s)->count, 2);
    assert_string_equal(btz_samples_info(s)->class_names[1], "two");
    btz_samples_close(s);
    assert_int_equal(btz_file_write(csv, btz_str("f,label\n../x.png,1\n"), 0600), BTZ_OK);
    refuse_folder(folder, csv, BTZ_DENIED, "leads out of the folder");
    assert_int_equal(btz_file_write(csv, btz_str("f,label\nnone.png,1\n"), 0600), BTZ_OK);
    refuse_folder(folder, csv, BTZ_IO, "none.png");
    unlink("cat/a.png"), unlink("cat/b.png"), unlink("ant/z.png"), unlink(csv);
    rmdir("cat"), rmdir("ant");
    snprintf(path, sizeof path, "%s", folder);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(path), 0);
}

/* A JPEG of somebody else: known size; and cut at every 100 bytes it is an error, not half a picture. */
static void test_jpeg(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF(1 << 24);
    struct btz_picture p = { .pixels = BTZ_BUF(1 << 24) };

    (void)state;
    assert_int_equal(btz_file_read(data_path("mark/images/ufo_240.jpg"), 1 << 24, &file), BTZ_OK);
    assert_int_equal(btz_jpeg_decode(btz_buf_slice(&file), "ufo", &p), BTZ_OK);
    assert_true(p.width > 0 && p.height == 240 && p.channels == 3);
    assert_int_equal(p.pixels.len, (size_t)p.width * p.height * 3);
    for (size_t n = 0; n + 2 < file.len; n += 997) {
        btz_buf_clear(&p.pixels);
        assert_int_not_equal(btz_jpeg_decode(btz_slice_of(file.ptr, n), "ufo", &p), BTZ_OK);
    }
    btz_buf_release(&p.pixels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mnist),     cmocka_unit_test(test_sklearn),
        cmocka_unit_test(test_csv),       cmocka_unit_test(test_csv_wrong),
        cmocka_unit_test(test_npy_types), cmocka_unit_test(test_npy_orders),
        cmocka_unit_test(test_npy_wrong), cmocka_unit_test(test_npz),
        cmocka_unit_test(test_gzip),      cmocka_unit_test(test_idx_wrong),
        cmocka_unit_test(test_written),   cmocka_unit_test(test_streamed),
        cmocka_unit_test(test_choose),    cmocka_unit_test(test_folder),
        cmocka_unit_test(test_jpeg),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
