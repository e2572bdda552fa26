/* The keyword filter of the "filter" defence: before the assistant reads, and behind what it says. */
#include "demo/filter.h"

#include "demo/intent.h"
#include "demo/persona.h"

static const char *const keywords[] = {
    "ignore previous",
    "ignore all previous",
    "ignore the above",
    "ignore your",
    "ignore all",
    "ignore any",
    "ignore prior",
    "ignore every",
    "disregard previous",
    "disregard all",
    "disregard the above",
    "disregard your",
    "disregard any",
    "forget everything",
    "forget your",
    "forget all",
    "forget previous",
    "previous instructions",
    "prior instructions",
    "override your",
    "new instructions",
    "system prompt",
    "your instructions",
    "initial instructions",
    "system message",
    "developer mode",
    "debug mode",
    "do anything now",
    "jailbreak",
    "no restrictions",
    "without restrictions",
    "without any restrictions",
    "unrestricted",
    "no rules",
    "pretend to be",
    "pretend you",
    "act as",
    "roleplay",
    "role-play",
    "api key",
    "api_key",
    "secret key",
    "the password",
    "admin password",
    "override code",
    "confidential",
    "<script",
    "javascript",
    "onerror",
    "html",
    "xss",
    "sql",
    "or 1=1",
    "drop table",
    "union select",
    "rm -rf",
    "/etc/passwd",
    "shell",
    "bash",
    "{{",
    "${",
    "jinja",
    "\\x1b",
    "\\033",
    "ansi",
    "escape sequence",
    "markdown image",
    "![",

    "base64",
};

static bool is_ascii_word(uint8_t c)
{
    return (c | 32) >= 'a' && (c | 32) <= 'z';
}

/* DAN in capitals, alone: "Dan" is a customer. */
static bool names_dan(struct btz_slice text)
{
    for (size_t at = btz_slice_find(text, btz_str("DAN"), 0); at != SIZE_MAX;
         at = btz_slice_find(text, btz_str("DAN"), at + 1))
        if ((at == 0 || !is_ascii_word(text.ptr[at - 1])) &&
            (at + 3 == text.len || !is_ascii_word(text.ptr[at + 3])))
            return true;
    return false;
}

bool btz_demo_is_filtered(struct btz_slice text)
{
    for (size_t i = 0; i < BTZ_COUNT(keywords); i++)
        if (btz_demo_says(text, keywords[i]))
            return true;
    return names_dan(text);
}

/* Secrets that stand in the answer letter for letter are taken out. */
void btz_demo_remove_secrets(struct btz_buf *text)
{
    size_t count;
    const char *const *secrets = btz_demo_secrets(&count);

    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(secrets[i]), at = 0;

        while ((at = btz_slice_find(btz_buf_slice(text), btz_str(secrets[i]), at)) != SIZE_MAX) {
            memcpy(text->ptr + at, "[removed]", 9);
            memmove(text->ptr + at + 9, text->ptr + at + n, text->len - at - n);
            text->len -= n - 9;
        }
    }
}
