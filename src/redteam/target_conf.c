/* The keys of one element of `targets:`. */
#include "redteam/redteam.h"

#define KEY(name_, kind_, help_)                                                                   \
    .name = #name_, .kind = kind_, .offset = offsetof(struct btz_target_conf, name_), .help = help_

static const struct btz_conf_key keys[] = {
    { KEY(name, BTZ_CONF_STRING, "Name of the target in reports and on the command line."),
      .required = true },
    { KEY(preset, BTZ_CONF_STRING,
          "How it is spoken to: openai, openai-responses, anthropic, azure, ollama, llamacpp, "
          "http, "
          "raw, command or echo."),
      .fallback = "openai" },
    { KEY(
        url, BTZ_CONF_STRING,
        "Base URL as the vendor documents it (https://api.openai.com/v1); for http the whole URL; "
        "for raw the scheme and host. Empty: the vendor's own.") },
    { KEY(model, BTZ_CONF_STRING, "Model, or deployment for azure.") },
    { KEY(key, BTZ_CONF_SECRET, "API key; write ${NAME} to take it from the environment.") },
    { KEY(method, BTZ_CONF_STRING, "HTTP method, for http."), .fallback = "POST" },
    { KEY(
        headers, BTZ_CONF_PAIRS,
        "More request headers; {{key}} stands for the key. They replace headers of the preset.") },
    { KEY(body, BTZ_CONF_STRING,
          "Body for http: {{prompt}} is escaped for the Content-Type (JSON unless headers say "
          "otherwise), {{messages}} is the conversation as a JSON array, {{system}} and {{model}} "
          "are those below and above.") },
    { KEY(
        select, BTZ_CONF_STRING,
        "Where the reply stands, for http and raw: $.choices[0].message.content. Empty: the whole "
        "body.") },
    { KEY(
        request_file, BTZ_CONF_STRING,
        "For raw: a file with a request as a proxy saves it, {{prompt}} in place of the words.") },
    { KEY(command, BTZ_CONF_STRINGS,
          "For command: program and arguments; words on standard input, answer on standard output. "
          "No shell.") },
    { KEY(system, BTZ_CONF_STRING, "System message that goes in front of each conversation.") },
    { KEY(api_version, BTZ_CONF_STRING, "For azure; empty: 2024-10-21.") },
    { KEY(stream, BTZ_CONF_BOOL, "Ask for the answer as a stream."), .fallback = "false" },
    { KEY(max_tokens, BTZ_CONF_INT,
          "Longest answer asked for; 0 asks for none in particular (anthropic: 1024)."),
      .fallback = "1024", .min = 0, .max = 1000000 },
    { KEY(temperature, BTZ_CONF_REAL, "Sampling temperature; -1 leaves it to the target."),
      .fallback = "-1", .min = -1, .max = 2 },
    { KEY(known_system_prompt, BTZ_CONF_STRING,
          "The system prompt as you know it, so that leaks of it are decided by evidence.") },
    { KEY(known_secrets, BTZ_CONF_STRINGS,
          "Strings of the system prompt that must never come out.") },
    { KEY(known_canaries, BTZ_CONF_STRINGS,
          "Strings you planted in documents and tool data, which must not come out either.") },
    { KEY(document_url, BTZ_CONF_STRING,
          "Where a document for retrieval is PUT, with {{name}} in it. Empty: documents stand "
          "inline.") },
    { KEY(ca_file, BTZ_CONF_STRING,
          "PEM file of the authority that signed the server's certificate. Empty: the system's.") },
    { KEY(client_cert, BTZ_CONF_STRING, "PEM file of a client certificate (mutual TLS).") },
    { KEY(client_key, BTZ_CONF_STRING, "PEM file of its private key.") },
    { KEY(proxy, BTZ_CONF_STRING,
          "http, https or socks5 URL of a proxy. Proxies of the environment are not used.") },
    { KEY(insecure, BTZ_CONF_BOOL, "Do not verify certificates. For tests only."),
      .fallback = "false" },
    { KEY(concurrency, BTZ_CONF_INT, "Requests under way at the same time."), .fallback = "8",
      .min = 1, .max = 10000 },
    { KEY(retries, BTZ_CONF_INT,
          "More tries after 429, 502, 503, 504 and failures to connect, with growing waits."),
      .fallback = "4", .min = 0, .max = 100 },
    { KEY(rate, BTZ_CONF_REAL, "Requests per second at most; 0: no limit."), .fallback = "0",
      .min = 0, .max = 1000000 },
    { KEY(timeout, BTZ_CONF_DURATION, "How long one try may take."), .fallback = "2m" },
    { KEY(max_reply, BTZ_CONF_INT, "Largest reply in bytes; a larger one is an error."),
      .fallback = "4194304", .min = 1024, .max = 268435456 },
    { KEY(price_in, BTZ_CONF_REAL, "Price of a million prompt tokens, for forecasts; 0: unknown."),
      .fallback = "0", .min = 0, .max = 1000000 },
    { KEY(price_out, BTZ_CONF_REAL, "Price of a million answer tokens; 0: unknown."),
      .fallback = "0", .min = 0, .max = 1000000 },
};

const struct btz_conf_struct btz_target_conf_struct = { "target", sizeof(struct btz_target_conf),
                                                        keys, BTZ_COUNT(keys) };
