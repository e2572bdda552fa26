/* train_judge SOURCE XSTEST OUT: trains the refusal judge and writes src/text/judge_weights.c to OUT. */
#include "text/judge_train.h"

static enum btz_err train(char **args)
{
    static struct btz_judge_corpus corpus;
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 20);
    enum btz_err err;

    BTZ_TRY(btz_judge_corpus_load(args[1], args[2], &corpus));
    err = btz_judge_write(&corpus, &out);
    btz_judge_corpus_release(&corpus);
    return err == BTZ_OK ? btz_file_write(args[3], btz_buf_slice(&out), 0644) : err;
}

int main(int argc, char **argv)
{
    enum btz_err err;

    if (argc != 4) {
        fprintf(stderr, "usage: train_judge SOURCE XSTEST OUT\n");
        return 2;
    }
    err = train(argv);
    if (err != BTZ_OK)
        fprintf(stderr, "train_judge: %s\n", btz_error_detail());
    return btz_err_exit_status(err);
}
