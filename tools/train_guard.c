/* train_guard SOURCE DATA OUT: trains the injection classifier and writes src/gate/guard/classify_weights.c to OUT. */
#include "gate/guard/train.h"

static enum btz_err train(char **args)
{
    static struct btz_class_weights weights;
    static struct btz_train_set set;
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(4 << 20);
    enum btz_err err;

    err = btz_train_init(&set);
    if (err == BTZ_OK)
        err = btz_train_add_own(&set, args[1]);
    if (err == BTZ_OK)
        err = btz_train_add_shared(&set, args[2]);
    if (err == BTZ_OK)
        err = btz_train_build(&set, &btz_train_defaults, NULL, &weights);
    if (err == BTZ_OK)
        err = btz_train_write_c(&weights, &out);
    btz_train_release(&set);
    return err == BTZ_OK ? btz_file_write(args[3], btz_buf_slice(&out), 0644) : err;
}

int main(int argc, char **argv)
{
    enum btz_err err;

    if (argc != 4) {
        fprintf(stderr, "usage: train_guard SOURCE DATA OUT\n");
        return 2;
    }
    err = train(argv);
    if (err != BTZ_OK)
        fprintf(stderr, "train_guard: %s\n", btz_error_detail());
    return btz_err_exit_status(err);
}
