/* Umbrella header: everything a program linked with libbartizan may call. */
#ifndef BARTIZAN_H
#define BARTIZAN_H

#include <bartizan/error.h>
#include <bartizan/stats.h>
#include <bartizan/version.h>

#endif
