/*
 * A folder of PNG and JPEG pictures: a subfolder a class, in the order of their names; or files, whose labels are in a table of
 * names and labels. All of one size and kind.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sample/reader.h"

#define FILES_MAX 10000000
#define FILE_MAX  (64 << 20)

struct names {
    const char **items;
    size_t count, room;
};

struct folder {
    struct btz_sample_job *job;
    struct btz_sample_table *out;
    struct btz_picture first; /* what all must be like */
    char first_name[256];
    struct btz_buf file, pixels;
    struct btz_csv csv;
    struct names files;
};

static bool knows(const struct btz_sample_file *f)
{
    return f->folder;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_picture(const char *name)
{
    static const char *const extensions[] = { ".png", ".jpg", ".jpeg" };
    size_t len = strlen(name);

    for (size_t i = 0; i < BTZ_COUNT(extensions); i++)
        if (len > strlen(extensions[i]) &&
            strcasecmp(name + len - strlen(extensions[i]), extensions[i]) == 0)
            return true;
    return false;
}

/* Names in a folder, sorted; hidden ones are left out. `fd` is taken. */
static enum btz_err list(int fd, const char *what, struct btz_arena *arena, struct names *out)
{
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    enum btz_err err = BTZ_OK;
    struct dirent *e;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return btz_fail_errno(BTZ_IO, "open %s", what);
    }
    while (err == BTZ_OK && (e = readdir(dir))) {
        if (e->d_name[0] == '.')
            continue;
        if (out->count == out->room) {
            size_t room = out->room ? out->room * 2 : 256;
            const char **more = room > FILES_MAX
                                    ? NULL
                                    : realloc((void *)(uintptr_t)out->items, room * sizeof *more);

            if (!more) {
                err = btz_fail(BTZ_LIMIT, "%s: more than %zu files", what, out->count);
                break;
            }
            out->items = more;
            out->room = room;
        }
        out->items[out->count] = btz_arena_str(arena, btz_str(e->d_name));
        err = out->items[out->count] ? BTZ_OK : BTZ_LIMIT;
        out->count += err == BTZ_OK;
    }
    closedir(dir);
    if (out->count)
        qsort(out->items, out->count, sizeof *out->items, by_text);
    return err;
}

static void names_release(struct names *n)
{
    free((void *)(uintptr_t)n->items);
    *n = (struct names){ 0 };
}

static enum btz_err read_file(struct folder *f, int folder, const char *name, const char *shown)
{
    BTZ_CLOSE_FD int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;

    btz_buf_clear(&f->file);
    if (fd < 0 || fstat(fd, &st) != 0)
        return btz_fail_errno(BTZ_IO, "open %s", shown);
    if (!S_ISREG(st.st_mode))
        return btz_fail(BTZ_INPUT, "%s: no file", shown);
    if (st.st_size > FILE_MAX)
        return btz_fail(BTZ_LIMIT, "%s: %lld bytes, at most %d are read", shown,
                        (long long)st.st_size, FILE_MAX);
    BTZ_TRY(btz_buf_reserve(&f->file, (size_t)st.st_size));
    BTZ_TRY(btz_fd_pread_all(fd, f->file.ptr, (size_t)st.st_size, 0, shown));
    f->file.len = (size_t)st.st_size;
    return BTZ_OK;
}

/* Rows of pixels become planes, one a channel. */
static enum btz_err add_planes(struct folder *f, const struct btz_picture *p)
{
    size_t pixels = (size_t)p->width * p->height;
    struct btz_buf *own = &f->out->own;

    BTZ_TRY(btz_buf_reserve(own, pixels * p->channels));
    for (unsigned c = 0; c < p->channels; c++)
        for (size_t i = 0; i < pixels; i++)
            own->ptr[own->len + c * pixels + i] = p->pixels.ptr[i * p->channels + c];
    own->len += pixels * p->channels;
    return BTZ_OK;
}

static enum btz_err add_picture(struct folder *f, int folder, const char *name, const char *shown,
                                uint32_t label)
{
    struct btz_picture p = { .pixels = f->pixels };
    struct btz_slice bytes;
    enum btz_err err;

    BTZ_TRY(read_file(f, folder, name, shown));
    bytes = btz_buf_slice(&f->file);
    btz_buf_clear(&p.pixels);
    if (btz_png_is(bytes))
        err = btz_png_decode(bytes, shown, &p);
    else if (btz_jpeg_is(bytes))
        err = btz_jpeg_decode(bytes, shown, &p);
    else
        err = btz_fail(BTZ_INPUT, "%s: neither PNG nor JPEG inside", shown);
    f->pixels = p.pixels; /* its storage may have grown */
    BTZ_TRY(err);
    if (f->out->dim[0] == 0) {
        f->first = p;
        snprintf(f->first_name, sizeof f->first_name, "%s", shown);
    }
    if (p.width != f->first.width || p.height != f->first.height || p.channels != f->first.channels)
        return btz_fail(BTZ_INPUT, "%s: %u x %u pixels of %u channels; %s has %u x %u of %u", shown,
                        p.width, p.height, p.channels, f->first_name, f->first.width,
                        f->first.height, f->first.channels);
    BTZ_TRY(add_planes(f, &p));
    f->out->dim[0]++;
    return f->out->labelled ? btz_buf_add(&f->out->labels, &label, sizeof label) : BTZ_OK;
}

/* ---- labels by subfolder ----------------------------------------------------------------------------------------------- */

static enum btz_err read_class(struct folder *f, int root, const char *name, uint32_t label)
{
    const char *top = f->job->file->name;
    BTZ_CLOSE_FD int fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    struct names names = { 0 };
    char shown[512];
    enum btz_err err;

    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "open %s/%s", top, name);
    err = list(dup(fd), name, f->job->arena, &names);
    for (size_t i = 0; err == BTZ_OK && i < names.count; i++) {
        snprintf(shown, sizeof shown, "%s/%s/%s", top, name, names.items[i]);
        if (!is_picture(names.items[i]))
            err = btz_fail(BTZ_INPUT, "%s: not named as a PNG or JPEG picture", shown);
        else
            err = add_picture(f, fd, names.items[i], shown, label);
    }
    names_release(&names);
    return err;
}

static enum btz_err read_classes(struct folder *f, int root)
{
    struct btz_sample_table *out = f->out;

    if (f->files.count > BTZ_CLASSES_MAX)
        return btz_fail(BTZ_LIMIT, "%s: more than %d subfolders", f->job->file->name,
                        BTZ_CLASSES_MAX);
    out->labelled = true;
    for (size_t i = 0; i < f->files.count; i++)
        BTZ_TRY(read_class(f, root, f->files.items[i], (uint32_t)i));
    out->class_names = btz_arena_array(f->job->arena, f->files.count + 1, sizeof(char *));
    if (!out->class_names)
        return BTZ_LIMIT;
    memcpy((void *)(uintptr_t)out->class_names, f->files.items, f->files.count * sizeof(char *));
    out->class_name_count = f->files.count;
    return BTZ_OK;
}

/* ---- labels by table ------------------------------------------------------------------------------------------------- */

static bool is_safe(const char *path)
{
    return path[0] != '/' && strcmp(path, "..") != 0 && strncmp(path, "../", 3) != 0 &&
           !strstr(path, "/../") &&
           !(strlen(path) > 3 && strcmp(path + strlen(path) - 3, "/..") == 0);
}

/* Rows of the table, in their order: a name relative to the folder, a label. */
static enum btz_err read_table(struct folder *f, int root)
{
    struct btz_sample_words words = { .arena = f->job->arena };
    struct btz_sample_table *out = f->out;
    uint64_t row = 0;
    bool more;

    BTZ_TRY(btz_sample_file_whole(f->job->labels));
    out->labelled = true;
    for (;; row++) {
        const char *name;
        char shown[512];
        uint32_t word;

        BTZ_TRY(btz_csv_next(&f->csv, &more));
        if (!more)
            break;
        if (f->csv.count < 2)
            return btz_fail(BTZ_INPUT, "%s:%" PRIu64 ": expected a file name and a label",
                            f->job->labels->name, f->csv.row_line);
        name = btz_arena_str(f->job->arena, btz_slice_trim(f->csv.fields[0]));
        if (!name)
            return BTZ_LIMIT;
        if (row == 0 && !is_picture(name))
            continue; /* the header */
        if (!is_safe(name))
            return btz_fail(BTZ_DENIED, "%s:%" PRIu64 ": %s leads out of the folder",
                            f->job->labels->name, f->csv.row_line, name);
        snprintf(shown, sizeof shown, "%s/%s", f->job->file->name, name);
        BTZ_TRY(btz_sample_word(&words, btz_slice_trim(f->csv.fields[1]), row, &word));
        BTZ_TRY(add_picture(f, root, name, shown, word));
    }
    return btz_sample_words_end(&words, f->job->options->classes, f->job->labels->name,
                                (uint32_t *)(void *)out->labels.ptr, out->dim[0], &out->class_names,
                                &out->class_name_count);
}

static enum btz_err read_plain(struct folder *f, int root)
{
    char shown[512];

    for (size_t i = 0; i < f->files.count; i++) {
        if (!is_picture(f->files.items[i]))
            continue;
        snprintf(shown, sizeof shown, "%s/%s", f->job->file->name, f->files.items[i]);
        BTZ_TRY(add_picture(f, root, f->files.items[i], shown, 0));
    }
    return BTZ_OK;
}

static enum btz_err read_folder(struct folder *f)
{
    const char *name = f->job->file->name;
    BTZ_CLOSE_FD int root = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct btz_sample_table *out = f->out;
    size_t folders = 0;

    if (root < 0)
        return btz_fail_errno(BTZ_IO, "open %s", name);
    if (f->job->labels)
        BTZ_TRY(read_table(f, root));
    else {
        size_t kept = 0, pictures = 0;

        BTZ_TRY(list(dup(root), name, f->job->arena, &f->files));
        for (size_t i = 0; i < f->files.count; i++) {
            struct stat st;
            bool is_folder = fstatat(root, f->files.items[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                             S_ISDIR(st.st_mode);

            if (is_folder || is_picture(f->files.items[i]))
                f->files.items[kept++] = f->files.items[i];
            folders += is_folder;
            pictures += !is_folder && is_picture(f->files.items[i]);
        }
        if (folders && pictures)
            return btz_fail(BTZ_INPUT, "%s: pictures beside subfolders; one or the other", name);
        f->files.count = kept;
        BTZ_TRY(folders ? read_classes(f, root) : read_plain(f, root));
    }
    if (out->dim[0] == 0)
        return btz_fail(BTZ_INPUT, "%s: no PNG or JPEG pictures", name);
    out->type = BTZ_SAMPLE_U8;
    out->rank = 4;
    out->dim[1] = f->first.channels;
    out->dim[2] = f->first.height;
    out->dim[3] = f->first.width;
    out->in_own = out->planar = true;
    return BTZ_OK;
}

static enum btz_err read_images(struct btz_sample_job *job, struct btz_sample_table *out)
{
    struct folder f = { .job = job, .out = out };
    enum btz_err err;

    f.file.max = FILE_MAX;
    f.pixels.max = job->options->memory_max;
    out->own.max = job->options->memory_max;
    out->labels.max = job->options->memory_max;
    if (job->labels)
        btz_csv_init(&f.csv, job->labels->bytes, job->labels->name);
    err = read_folder(&f);
    btz_csv_release(&f.csv);
    btz_buf_release(&f.file);
    btz_buf_release(&f.pixels);
    names_release(&f.files);
    return err;
}

const struct btz_sample_reader btz_sample_reader_images = {
    .id = "images",
    .folders = true,
    .knows = knows,
    .read = read_images,
};
