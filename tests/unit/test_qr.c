/* QR codes in SVG are read back by a reader of our own after ISO/IEC 18004 and, where it is installed, by zbarimg. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "access/identity.h"

#define SIDE_MAX 80
#define URI                                                                                        \
    "otpauth://totp/bartizan:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=bartizan&"       \
    "algorithm=SHA1&digits=6&period=30"

struct matrix {
    int side; /* without the quiet zone */
    bool dark[SIDE_MAX][SIDE_MAX];
};

/* From the SVG text, which has to be exactly the plain form that the page may embed. */
static void read_svg(const char *svg, struct matrix *out)
{
    const char *at = strstr(svg, "<path fill=\"#000\" d=\"");
    int side = 0, end = 0, x, y, run, back;

    memset(out, 0, sizeof *out);
    assert_int_equal(strncmp(svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", 52),
                     0);
    side = (int)strtol(svg + 52, NULL, 10);
    assert_true(side > 28 && side < SIDE_MAX);
    out->side = side - 8;
    assert_null(strstr(svg, "style"));
    assert_null(strstr(svg, "script"));
    assert_null(strstr(svg, "href"));
    assert_non_null(at);
    at += strlen("<path fill=\"#000\" d=\"");
    while (*at != '"') {
        assert_int_equal(sscanf(at, "M%d %dh%dv1h-%dz%n", &x, &y, &run, &back, &end), 4);
        assert_int_equal(run, back);
        assert_true(x >= 4 && y >= 4 && run > 0 && x + run <= side - 4 && y < side - 4);
        for (int i = 0; i < run; i++)
            out->dark[y - 4][x - 4 + i] = true;
        at += end;
    }
    assert_string_equal(at, "\"/></svg>");
}

/* ISO/IEC 18004 table 9, level M: blocks of data with their length, and annex E: centres of alignment patterns. */
static const struct {
    int check, blocks, length, more; /* `more` blocks are one longer */
    int centre[3];
} versions[] = {
    { 0 },
    { 10, 1, 16, 0, { 0 } },
    { 16, 1, 28, 0, { 6, 18 } },
    { 26, 1, 44, 0, { 6, 22 } },
    { 18, 2, 32, 0, { 6, 26 } },
    { 24, 2, 43, 0, { 6, 30 } },
    { 16, 4, 27, 0, { 6, 34 } },
    { 18, 4, 31, 0, { 6, 22, 38 } },
    { 22, 2, 38, 2, { 6, 24, 42 } },
    { 22, 3, 36, 2, { 6, 26, 46 } },
    { 26, 4, 43, 1, { 6, 28, 50 } },
};

static bool is_function(const struct matrix *m, int version, int y, int x)
{
    int s = m->side;

    if ((y < 9 && x < 9) || (y < 9 && x >= s - 8) || (y >= s - 8 && x < 9) || y == 6 || x == 6)
        return true;
    if (version >= 7 && ((y < 6 && x >= s - 11) || (x < 6 && y >= s - 11)))
        return true;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            int cy = versions[version].centre[i], cx = versions[version].centre[j];
            bool finder = (cy < 9 && cx < 9) || (cy < 9 && cx > s - 9) || (cy > s - 9 && cx < 9);

            if (cy && cx && !finder && abs(cy - y) <= 2 && abs(cx - x) <= 2)
                return true;
        }
    return false;
}

static bool masked(int mask, int y, int x)
{
    switch (mask) {
    case 0:
        return (y + x) % 2 == 0;
    case 1:
        return y % 2 == 0;
    case 2:
        return x % 3 == 0;
    case 3:
        return (y + x) % 3 == 0;
    case 4:
        return (y / 2 + x / 3) % 2 == 0;
    case 5:
        return y * x % 2 + y * x % 3 == 0;
    case 6:
        return (y * x % 2 + y * x % 3) % 2 == 0;
    default:
        return ((y + x) % 2 + y * x % 3) % 2 == 0;
    }
}

static size_t read_codewords(const struct matrix *m, int version, uint8_t *out)
{
    size_t bits = 0;
    bool up = true;
    int format = 0, mask;

    for (int x = 0; x < 5; x++) /* level and mask stand in the first five bits */
        format = format << 1 | m->dark[8][x];
    format ^= 0x15;                   /* upper five bits of 101010000010010 */
    assert_int_equal(format >> 3, 0); /* level M */
    mask = format & 7;
    for (int right = m->side - 1; right > 0; right -= 2, up = !up) {
        right -= right == 6;
        for (int i = 0; i < m->side; i++)
            for (int x = right; x > right - 2; x--) {
                int y = up ? m->side - 1 - i : i;

                if (is_function(m, version, y, x))
                    continue;
                if (bits % 8 == 0)
                    out[bits / 8] = 0;
                if (m->dark[y][x] != masked(mask, y, x))
                    out[bits / 8] |= (uint8_t)(0x80 >> bits % 8);
                bits++;
            }
    }
    return bits / 8;
}

static unsigned take(const uint8_t *bytes, size_t *at, int count)
{
    unsigned value = 0;

    for (; count > 0; count--, (*at)++)
        value = value << 1 | (bytes[*at / 8] >> (7 - *at % 8) & 1);
    return value;
}

/* The codewords are interleaved; without errors the data alone is enough. */
static void decode(const struct matrix *m, char *out, size_t cap)
{
    int version = (m->side - 17) / 4, blocks, total;
    uint8_t raw[1024], data[1024];
    size_t at = 0, n = 0, len, start;

    assert_true(version >= 1 && version <= 10 && m->side == 17 + 4 * version);
    blocks = versions[version].blocks + versions[version].more;
    total = blocks * versions[version].length + versions[version].more;
    assert_int_equal(read_codewords(m, version, raw), total + blocks * versions[version].check);
    for (int b = 0; b < blocks; b++) {
        int shorter = versions[version].blocks;

        for (int i = 0; i < versions[version].length; i++)
            data[n++] = raw[i * blocks + b];
        if (b >= shorter)
            data[n++] = raw[versions[version].length * blocks + b - shorter];
    }
    assert_int_equal(take(data, &at, 4), 4); /* byte mode */
    len = take(data, &at, version < 10 ? 8 : 16);
    assert_true(len < cap);
    for (start = 0; start < len; start++)
        out[start] = (char)take(data, &at, 8);
    out[len] = '\0';
}

static void encode(const char *text, struct matrix *out)
{
    BTZ_BUF_RELEASE struct btz_buf svg = BTZ_BUF(200000);
    const char *chars;

    assert_int_equal(btz_qr_svg(text, &svg), BTZ_OK);
    assert_int_equal(btz_buf_cstr(&svg, &chars), BTZ_OK);
    read_svg(chars, out);
}

static void test_read_back(void **state)
{
    char text[300], back[300];
    struct matrix m;
    (void)state;
    encode(URI, &m);
    decode(&m, back, sizeof back);
    assert_string_equal(back, URI);
    for (size_t len = 1; len <= 213; len++) { /* versions 1 to 10 */
        for (size_t i = 0; i < len; i++)
            text[i] = (char)(' ' + (i * 31 + len * 7) % 95);
        text[len] = '\0';
        encode(text, &m);
        decode(&m, back, sizeof back);
        assert_string_equal(back, text);
    }
}

static void test_too_long(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf svg = BTZ_BUF(1000000), small = BTZ_BUF(1000);
    char *text = calloc(1, 5001);
    (void)state;
    memset(text, 'a', 5000);
    assert_int_equal(btz_qr_svg(text, &svg), BTZ_LIMIT);
    assert_int_equal(btz_qr_svg(URI, &small), BTZ_LIMIT);
    free(text);
}

static void test_zbarimg(void **state)
{
    char path[] = "/tmp/btz-qr-XXXXXX", back[400] = "";
    int fd = mkstemp(path), ends[2], status;
    struct matrix m;
    FILE *image;
    pid_t child;
    ssize_t n;
    (void)state;
    if (access("/usr/bin/zbarimg", X_OK) != 0) {
        close(fd);
        unlink(path);
        print_message("# skipped: zbarimg is not installed\n");
        skip();
    }
    encode(URI, &m);
    image = fdopen(fd, "w");
    fprintf(image, "P5 %d %d 255\n", (m.side + 8) * 4, (m.side + 8) * 4);
    for (int y = 0; y < (m.side + 8) * 4; y++)
        for (int x = 0; x < (m.side + 8) * 4; x++) {
            int my = y / 4 - 4, mx = x / 4 - 4;
            bool inside = my >= 0 && mx >= 0 && my < m.side && mx < m.side;

            putc(inside && m.dark[my][mx] ? 0 : 255, image);
        }
    fclose(image);
    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        execl("/usr/bin/zbarimg", "zbarimg", "-q", "--raw", path, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    n = read(ends[0], back, sizeof back - 1);
    close(ends[0]);
    waitpid(child, &status, 0);
    unlink(path);
    assert_int_equal(status, 0);
    assert_int_equal(n, strlen(URI) + 1);
    back[n - 1] = '\0';
    assert_string_equal(back, URI);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_back),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_zbarimg),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
