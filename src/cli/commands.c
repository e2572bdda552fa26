/* The registry of commands: files of this folder, and operations of src/access. */
#include <pthread.h>

#include "cli/operation.h"
#include "cli/options.h"

#define COMMANDS_MAX 256

static const struct btz_command *table[COMMANDS_MAX + 1];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int by_name(const struct btz_command *a, const struct btz_command *b)
{
    int order = strcmp(a->noun, b->noun);

    return order ? order : strcmp(a->verb ? a->verb : "", b->verb ? b->verb : "");
}

/* In the order of the alphabet: help, manual and completion list them as they stand here. */
static void insert(size_t *count, const struct btz_command *command)
{
    size_t at = *count;

    if (at == COMMANDS_MAX)
        return;
    while (at > 0 && by_name(table[at - 1], command) > 0) {
        table[at] = table[at - 1];
        at--;
    }
    table[at] = command;
    (*count)++;
}

static void build(void)
{
    size_t count = 0;

    for (size_t i = 0; btz_command_files[i]; i++)
        insert(&count, btz_command_files[i]);
    for (size_t i = 0; btz_cli_operation_commands()[i]; i++)
        insert(&count, btz_cli_operation_commands()[i]);
}

const struct btz_command *const *btz_commands(void)
{
    pthread_once(&once, build);
    return table;
}
