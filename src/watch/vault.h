/* vault: the thread that looks after the files of the vault. */
#ifndef BTZ_WATCH_VAULT_H
#define BTZ_WATCH_VAULT_H

#include "access/vault.h"

struct btz_verifier;
BTZ_CHECKED enum btz_err btz_verifier_start(struct btz_access *a, struct btz_log *log,
                                            struct btz_verifier **out);
void btz_verifier_stop(struct btz_verifier *v);

#endif
