/* Options of commands that read labelled samples: the same words for the same things. */
#ifndef BTZ_CLI_SAMPLES_H
#define BTZ_CLI_SAMPLES_H

#include "cli/cli.h"

/* Rows of an option table whose `struct args` has `const char *data, *labels, *label_column`. `what`: what is in the file. */
#define BTZ_SAMPLES_OPTIONS(what)                                                                  \
    { .name = "data",                                                                              \
      .letter = 'd',                                                                               \
      .kind = BTZ_OPTION_STRING,                                                                   \
      .offset = offsetof(struct args, data),                                                       \
      .metavar = "FILE",                                                                           \
      .required = true,                                                                            \
      .help = what ": idx, npy, npz, CSV (each also .gz), or a folder of pictures with a "         \
                   "subfolder for each class." },                                                  \
        { .name = "labels",                                                                        \
          .letter = 'l',                                                                           \
          .kind = BTZ_OPTION_STRING,                                                               \
          .offset = offsetof(struct args, labels),                                                 \
          .metavar = "FILE",                                                                       \
          .help = "Their classes, where they are not in the data file." },                         \
    {                                                                                              \
        .name = "label-column", .kind = BTZ_OPTION_STRING,                                         \
        .offset = offsetof(struct args, label_column), .metavar = "NAME",                          \
        .help = "Column of a CSV file that holds the class: name, or number from 0."               \
    }

#endif
