/* JPEG through libjpeg-turbo, with limits. */
#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

#include "sample/reader.h"

/* A progressive file may have any number of scans, each as costly as the picture. */
#define SCANS_MAX 100

struct state {
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf out;
    bool limit;
    char text[JMSG_LENGTH_MAX];
};

bool btz_jpeg_is(struct btz_slice head)
{
    return head.len >= 3 && head.ptr[0] == 0xff && head.ptr[1] == 0xd8 && head.ptr[2] == 0xff;
}

static void on_error(j_common_ptr j)
{
    struct state *s = j->client_data;

    j->err->format_message(j, s->text);
    longjmp(s->out, 1);
}

/* A warning is a damaged file: half a picture would be a sample, too. */
static void on_message(j_common_ptr j, int level)
{
    if (level < 0)
        on_error(j);
}

static void on_output(j_common_ptr j)
{
    (void)j;
}

static void on_progress(j_common_ptr j)
{
    struct state *s = j->client_data;

    if (((j_decompress_ptr)(void *)j)->input_scan_number > SCANS_MAX) {
        s->limit = true;
        snprintf(s->text, sizeof s->text, "more than %d scans", SCANS_MAX);
        longjmp(s->out, 1);
    }
}

/* Everything between setjmp and its end is in the structs: no local changes after it. */
static enum btz_err decode(struct jpeg_decompress_struct *j, struct state *s, struct btz_slice in,
                           const char *what, struct btz_picture *out)
{
    size_t row, before = out->pixels.len;
    enum btz_err err;

    if (setjmp(s->out)) {
        out->pixels.len = before;
        return btz_fail(s->limit ? BTZ_LIMIT : BTZ_INPUT, "%s: JPEG: %s", what, s->text);
    }
    jpeg_create_decompress(j);
    j->progress = &s->progress;
    s->progress.progress_monitor = on_progress;
    jpeg_mem_src(j, in.ptr, in.len);
    jpeg_read_header(j, TRUE);
    if (j->image_width > BTZ_PICTURE_SIDE_MAX || j->image_height > BTZ_PICTURE_SIDE_MAX)
        return btz_fail(BTZ_LIMIT, "%s: JPEG of %u x %u pixels, sides may have %d", what,
                        j->image_width, j->image_height, BTZ_PICTURE_SIDE_MAX);
    if (j->num_components != 1 && j->num_components != 3)
        return btz_fail(BTZ_UNSUPPORTED, "%s: JPEG of %d components, 1 or 3 are read", what,
                        j->num_components);
    j->out_color_space = j->num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    j->dct_method = JDCT_ISLOW;
    out->width = j->image_width, out->height = j->image_height;
    out->channels = (unsigned)j->num_components;
    err = btz_buf_reserve(&out->pixels, (size_t)j->image_width * j->image_height * out->channels);
    if (err != BTZ_OK)
        return btz_fail_context(err, "%s", what);
    jpeg_start_decompress(j);
    row = (size_t)j->output_width * (size_t)j->output_components;
    while (j->output_scanline < j->output_height) {
        JSAMPROW line = out->pixels.ptr + out->pixels.len;

        jpeg_read_scanlines(j, &line, 1);
        out->pixels.len += row;
    }
    jpeg_finish_decompress(j);
    return BTZ_OK;
}

enum btz_err btz_jpeg_decode(struct btz_slice in, const char *what, struct btz_picture *out)
{
    struct jpeg_decompress_struct j = { 0 };
    struct state s = { 0 };
    enum btz_err err;

    j.err = jpeg_std_error(&s.errors);
    s.errors.error_exit = on_error;
    s.errors.emit_message = on_message;
    s.errors.output_message = on_output;
    j.client_data = &s;
    err = decode(&j, &s, in, what, out);
    jpeg_destroy_decompress(&j);
    return err;
}
