/*
 * cover: files that are mapped while somebody else may cut them short (or their disk fails, or is full behind a hole). To touch
 * what is gone is a SIGBUS, which ends the process. Within a covered range it does not: a page of zeros of this process alone
 * takes the place of what is gone, and the range counts as cut before anybody can read them. Any other SIGBUS does what it
 * did before.
 *
 * So whoever acts upon what he read, or says that something is written, asks btz_is_cut() after he did the one and before the
 * other. What is read must do no harm when it is zeros.
 */
#ifndef BTZ_BASE_COVER_H
#define BTZ_BASE_COVER_H

#include "base/base.h"

struct btz_cover;
/* [at, at + len), whole pages, as mmap() gave them. From any thread; children of fork() are covered too. LIMIT: there are
 * 4,096 already; IO. */
BTZ_CHECKED enum btz_err btz_cover(void *at, size_t len, struct btz_cover **out);
/* Before it is unmapped. NULL is allowed. */
void btz_uncover(struct btz_cover *c);
/* One load. NULL: no. */
bool btz_is_cut(const struct btz_cover *c);
/* The same, and the last page is touched: a file that is shorter by a page is found cut, wherever it is used. */
bool btz_is_cut_now(const struct btz_cover *c);
/* The file was mapped anew at the same place. */
void btz_cover_again(struct btz_cover *c);

#endif
