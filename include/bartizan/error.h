/*
 * Errors. Every fallible function of the library returns `enum btz_err`; results leave through the
 * last parameters and are written only on BTZ_OK. The text of the last error of the calling thread
 * says what was expected, what was found, where, and what to do.
 */
#ifndef BARTIZAN_ERROR_H
#define BARTIZAN_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BTZ_CHECKED __attribute__((warn_unused_result))
#define BTZ_API     __attribute__((visibility("default")))
#else
#define BTZ_CHECKED
#define BTZ_API
#endif

enum btz_err {
    BTZ_OK = 0,
    BTZ_USAGE,       /* wrong options, configuration or call */
    BTZ_INPUT,       /* malformed or hostile input */
    BTZ_LIMIT,       /* a stated limit was reached, memory included */
    BTZ_IO,          /* the operating system refused: files, disks, sockets */
    BTZ_UNREACHABLE, /* a remote party could not be reached or did not answer */
    BTZ_DENIED,      /* permission or credential refused */
    BTZ_CONFLICT,    /* state changed meanwhile, or contradicts what is stored */
    BTZ_UNSUPPORTED, /* valid, but not something this build can do */
    BTZ_INTERNAL,    /* a defect of bartizan */
    BTZ_ERR_COUNT
};

/* Stable lower-case word for a code, such as "input". Never NULL. */
BTZ_API const char *btz_err_name(enum btz_err err);

/* Exit status of the command line for a code: 0, 2 usage, 3 input, 4 i/o, 5 denied, 70 internal. */
BTZ_API int btz_err_exit_status(enum btz_err err);

/* Detail of the calling thread's last error, at most 1023 bytes, valid until its next error. Never NULL. */
BTZ_API const char *btz_error_detail(void);

#ifdef __cplusplus
}
#endif
#endif
