/* Version of the library. */
#ifndef BARTIZAN_VERSION_H
#define BARTIZAN_VERSION_H

#include <bartizan/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of the library in use, "MAJOR.MINOR.PATCH". */
BTZ_API const char *btz_version(void);

#ifdef __cplusplus
}
#endif
#endif
