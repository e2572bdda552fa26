/*
 * A picture of what was broken.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/practice.h"
#include "sample/sample.h"

#define SIDE_MAX 512 /* larger pictures are not drawn */
#define GAP      2   /* pixels between them, before enlarging */

/* The place of a new one: free, or that of a class that stands there twice. */
static struct btz_gallery_item *place(struct btz_gallery *g, uint32_t y)
{
    bool known = false;

    for (size_t i = 0; i < g->count; i++)
        known |= g->items[i].y == y;
    if (g->count < BTZ_GALLERY)
        return &g->items[g->count];
    for (size_t i = g->count; !known && i-- > 0;)
        for (size_t k = 0; k < i; k++)
            if (g->items[k].y == g->items[i].y)
                return &g->items[i];
    return NULL;
}

enum btz_err btz_gallery_add(struct btz_gallery *g, const struct btz_evaluate_broken *b)
{
    struct btz_gallery_item *item = place(g, b->y);
    size_t bytes = g->features * sizeof(float);

    if (!item)
        return BTZ_OK;
    if (item == &g->items[g->count]) {
        item->x = malloc(bytes);
        item->adv = malloc(bytes);
        g->count++;
        if (!item->x || !item->adv)
            return btz_fail(BTZ_LIMIT, "out of memory");
    }
    memcpy(item->x, b->x, bytes);
    memcpy(item->adv, b->adv, bytes);
    item->index = b->index;
    item->y = b->y;
    item->predicted = b->predicted;
    item->attack = b->attack;
    item->distance = b->distance;
    return BTZ_OK;
}

void btz_gallery_release(struct btz_gallery *g)
{
    for (size_t i = 0; i < g->count; i++) {
        free(g->items[i].x);
        free(g->items[i].adv);
    }
    g->count = 0;
}

static uint8_t level(double v)
{
    return (uint8_t)lround(255 * fmin(fmax(v, 0), 1));
}

/* Pixel of a sample, channels first, as a level; row 1 is the change. */
static uint8_t pixel(const struct btz_gallery_item *item, int row, size_t at, struct btz_box box,
                     double largest)
{
    double range = (double)box.high - (double)box.low;

    if (row == 1)
        return level(0.5 + 0.5 * ((double)item->adv[at] - (double)item->x[at]) / largest);
    return level(((double)(row == 0 ? item->x : item->adv)[at] - (double)box.low) / range);
}

struct canvas {
    uint8_t *pixels;
    uint32_t width, height, channels, zoom;
};

static void draw(const struct canvas *c, const struct btz_gallery_item *item,
                 const struct btz_shape *s, size_t column, int row, struct btz_box box)
{
    uint32_t h = (uint32_t)s->dim[s->rank - 2], w = (uint32_t)s->dim[s->rank - 1];
    uint32_t left = (uint32_t)column * (w + GAP) + GAP, top = (uint32_t)row * (h + GAP) + GAP;
    size_t plane = (size_t)h * w;
    double largest = 1e-9;

    for (size_t i = 0; i < plane * c->channels; i++)
        largest = fmax(largest, fabs((double)item->adv[i] - (double)item->x[i]));
    for (uint32_t y = 0; y < h * c->zoom; y++)
        for (uint32_t x = 0; x < w * c->zoom; x++)
            for (uint32_t k = 0; k < c->channels; k++) {
                size_t at = k * plane + (size_t)(y / c->zoom) * w + x / c->zoom;
                size_t to = (size_t)(top * c->zoom + y) * c->width + left * c->zoom + x;

                c->pixels[to * c->channels + k] = pixel(item, row, at, box, largest);
            }
}

/* height x width, or 1 or 3 channels of it. */
static bool is_picture(const struct btz_shape *s, uint32_t *channels)
{
    if (s->rank < 2 || s->rank > 3)
        return false;
    *channels = s->rank == 3 ? (uint32_t)s->dim[0] : 1;
    return (*channels == 1 || *channels == 3) && s->dim[s->rank - 2] >= 4 &&
           s->dim[s->rank - 2] <= SIDE_MAX && s->dim[s->rank - 1] >= 4 &&
           s->dim[s->rank - 1] <= SIDE_MAX;
}

enum btz_err btz_gallery_draw(const struct btz_gallery *g, struct btz_box box, struct btz_buf *out)
{
    struct canvas c = { 0 };
    BTZ_FREE uint8_t *pixels = NULL;
    uint32_t h, w;

    if (!g->count || !is_picture(&g->shape, &c.channels))
        return BTZ_OK;
    h = (uint32_t)g->shape.dim[g->shape.rank - 2];
    w = (uint32_t)g->shape.dim[g->shape.rank - 1];
    c.zoom = w >= 64 ? 1 : 64 / w;
    c.width = ((uint32_t)g->count * (w + GAP) + GAP) * c.zoom;
    c.height = (3 * (h + GAP) + GAP) * c.zoom;
    pixels = malloc((size_t)c.width * c.height * c.channels);
    if (!pixels)
        return btz_fail(BTZ_LIMIT, "out of memory");
    memset(pixels, 0xff, (size_t)c.width * c.height * c.channels);
    c.pixels = pixels;
    for (size_t i = 0; i < g->count; i++)
        for (int row = 0; row < 3; row++)
            draw(&c, &g->items[i], &g->shape, i, row, box);
    return btz_png_encode(pixels, c.width, c.height, c.channels, out);
}
