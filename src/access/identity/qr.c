#include <errno.h>

#include <qrencode.h>

#include "access/identity.h"

#define QUIET 4 /* modules of white around the code, ISO/IEC 18004 section 5.3.8 */

/* Dark modules, row by row, as rectangles one module high. */
static enum btz_err dark_path(const QRcode *code, struct btz_buf *out)
{
    for (int y = 0; y < code->width; y++)
        for (int x = 0; x < code->width; x++) {
            const uint8_t *row = code->data + (ptrdiff_t)y * code->width;
            int run = 0;

            while (x + run < code->width && row[x + run] & 1)
                run++;
            if (run > 0)
                BTZ_TRY(btz_buf_printf(out, "M%d %dh%dv1h-%dz", x + QUIET, y + QUIET, run, run));
            x += run;
        }
    return BTZ_OK;
}

static enum btz_err svg(const QRcode *code, struct btz_buf *out)
{
    int side = code->width + 2 * QUIET;

    BTZ_TRY(btz_buf_printf(out,
                           "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
                           "role=\"img\" aria-label=\"QR code\" shape-rendering=\"crispEdges\">"
                           "<path fill=\"#fff\" d=\"M0 0h%dv%dH0z\"/><path fill=\"#000\" d=\"",
                           side, side, side, side));
    BTZ_TRY(dark_path(code, out));
    return btz_buf_add_str(out, "\"/></svg>");
}

enum btz_err btz_qr_svg(const char *text, struct btz_buf *out)
{
    QRcode *code;
    enum btz_err err;

    errno = 0;
    code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);
    if (!code && errno == ERANGE)
        return btz_fail(BTZ_LIMIT, "%zu bytes do not fit into a QR code", strlen(text));
    if (!code)
        return btz_fail_errno(BTZ_LIMIT, "QR code");
    err = svg(code, out);
    QRcode_free(code);
    return err;
}
