/* Lists of stolen passwords: whatever the file holds, the search ends, and what it finds stands in the file. */
#include <ctype.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "access/identity.h"

#define SHA1_OF_PASSWORD "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BTZ_CLOSE_FD int fd = memfd_create("list", 0);
    char path[64], *copy;
    bool found = false;

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (btz_breached_has(path, btz_str("password"), &found) != BTZ_OK || !found)
        return 0;
    copy = calloc(1, size + 1);
    for (size_t i = 0; copy && i < size; i++)
        copy[i] = (char)toupper(data[i]);
    if (!btz_slice_has(btz_slice_of(copy, size), SHA1_OF_PASSWORD))
        abort();
    free(copy);
    return 0;
}
