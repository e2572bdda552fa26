/* The keys of `gate:`. */
#include "gate/gate.h"

#define KEY(struct_, name_, member_, kind_, help_)                                                 \
    .name = #name_, .kind = BTZ_CONF_##kind_, .offset = offsetof(struct struct_, member_),         \
    .help = help_

static const char *const dialects[] = { "openai", "anthropic", "ollama", "mcp", "plain", NULL };
static const char *const credentials[] = { "bearer", "x-api-key", "api-key", "none", NULL };
static const char *const audit_modes[] = { "async", "durable", NULL };
static const char *const body_modes[] = { "none", "blocked", "all", NULL };

static const struct btz_conf_key upstream_keys[] = {
    { KEY(btz_upstream_conf, name, name, STRING, "Name of the upstream: a-z, 0-9 and -."),
      .required = true, .example = "model-server" },
    { KEY(btz_upstream_conf, url, url, STRING,
          "Where it is, with or without /v1: https://api.openai.com, http://127.0.0.1:11434."),
      .required = true, .example = "http://127.0.0.1:11434" },
    { KEY(btz_upstream_conf, root, root, STRING,
          "What stands in the place of /v1 there: /v1beta/openai, /api/paas/v4; empty: nothing."),
      .fallback = "/v1" },
    { KEY(btz_upstream_conf, dialect, dialect, ENUM,
          "What it speaks: openai, anthropic, ollama, mcp or plain; where clients speak another, "
          "openai and anthropic are translated into each other."),
      .fallback = "openai", .choices = dialects },
    { KEY(btz_upstream_conf, credential, credential, SECRET,
          "Its key; write ${NAME} to take it from the environment. The client's is never sent on."),
      .fallback = "\"\"" },
    { KEY(btz_upstream_conf, credential_as, credential_as, ENUM,
          "How the key is sent: bearer, x-api-key, api-key or none."),
      .fallback = "bearer", .choices = credentials },
    { KEY(btz_upstream_conf, headers, headers, PAIRS, "More headers of requests to it.") },
    { KEY(btz_upstream_conf, ca_file, ca_file, STRING,
          "Authorities (PEM) that its certificate must come from; empty: the system's."),
      .fallback = "\"\"" },
    { KEY(btz_upstream_conf, tls_verify, tls_verify, BOOL,
          "Check its certificate; without it anybody between can read everything."),
      .fallback = "true" },
    { KEY(btz_upstream_conf, connect_timeout, connect_ms, DURATION, "Time to connect."),
      .fallback = "5s", .min = 10, .max = 600000 },
    { KEY(btz_upstream_conf, idle_timeout, idle_ms, DURATION,
          "Time between two signs of life; answers may last as long as they give some."),
      .fallback = "5m", .min = 100, .max = 86400000 },
    { KEY(btz_upstream_conf, break_after, break_after, INT,
          "Failures in a row after which it is left alone for a while; 0: never."),
      .fallback = "5", .min = 0, .max = 1000 },
    { KEY(btz_upstream_conf, break_for, break_ms, DURATION, "For how long."), .fallback = "30s",
      .min = 100, .max = 3600000 },
};
static const struct btz_conf_struct upstream = { "upstream", sizeof(struct btz_upstream_conf),
                                                 upstream_keys, BTZ_COUNT(upstream_keys) };

static const struct btz_conf_key served_keys[] = {
    { KEY(btz_served_conf, upstream, upstream, STRING, "Name of the upstream."), .required = true,
      .example = "model-server" },
    { KEY(btz_served_conf, model, model, STRING,
          "What the model is called there; empty: the same."),
      .fallback = "\"\"" },
    { KEY(btz_served_conf, weight, weight, INT,
          "Share of the requests; 0: only when the others failed."),
      .fallback = "1", .min = 0, .max = 1000 },
};
static const struct btz_conf_struct served = { "way to serve a model",
                                               sizeof(struct btz_served_conf), served_keys,
                                               BTZ_COUNT(served_keys) };

static const struct btz_conf_key model_keys[] = {
    { KEY(btz_model_conf, name, name, STRING,
          "Model as clients ask for it, perhaps with a star at the end."),
      .required = true, .example = "small" },
    { KEY(btz_model_conf, upstreams, upstreams, STRUCTS,
          "Who serves it; none: the only upstream there is."),
      .of = &served },
    { KEY(btz_model_conf, input_price, input_price, REAL, "Price of a million input tokens."),
      .fallback = "0", .min = 0, .max = 1e6 },
    { KEY(btz_model_conf, output_price, output_price, REAL, "Price of a million output tokens."),
      .fallback = "0", .min = 0, .max = 1e6 },
    { KEY(btz_model_conf, max_tokens, max_tokens, INT,
          "Tokens of an answer that are reserved where a request sets no limit."),
      .fallback = "4096", .min = 1, .max = 1e9 },
    { KEY(btz_model_conf, retry, retry, BOOL,
          "Try another upstream also after 500, 502 and 504, where the first may have done the "
          "work; otherwise only where nothing was done (no connection, 429, 503)."),
      .fallback = "false" },
};
static const struct btz_conf_struct model = { "model", sizeof(struct btz_model_conf), model_keys,
                                              BTZ_COUNT(model_keys) };

static const struct btz_conf_key route_keys[] = {
    { KEY(btz_route_conf, path, path, STRING,
          "Path; with a / at its end everything below it: /score, /rerank/."),
      .required = true, .example = "/score" },
    { KEY(btz_route_conf, methods, methods, STRINGS, "Methods; none: POST.") },
    { KEY(btz_route_conf, upstream, upstream, STRING, "Upstream that answers."), .required = true,
      .example = "model-server" },
    { KEY(btz_route_conf, action, action, STRING, "Permission that callers need."),
      .fallback = "endpoint.use" },
    { KEY(btz_route_conf, resource, resource, STRING, "On what: endpoint/score."), .required = true,
      .example = "endpoint/score" },
    { KEY(btz_route_conf, websocket, websocket, BOOL,
          "Connections may become WebSockets; messages of the server are read whole."),
      .fallback = "false" },
    { KEY(btz_route_conf, texts, texts, STRINGS,
          "Where the JSON events of its streams have pieces of a text, as JSON pointers, * for any "
          "step: /candidates/*/content/parts/*/text. There texts are masked across events; "
          "elsewhere a stream whose events spell a canary or a key together is cut.") },
};
static const struct btz_conf_struct route = { "route", sizeof(struct btz_route_conf), route_keys,
                                              BTZ_COUNT(route_keys) };

static const struct btz_conf_key pin_keys[] = {
    { KEY(btz_pin_conf, tool, tool, STRING, "Name of the tool."), .required = true },
    { KEY(btz_pin_conf, digest, digest, STRING,
          "SHA-256 of its name, description and schema, 64 hex digits."),
      .required = true },
};
static const struct btz_conf_struct pin = { "pin", sizeof(struct btz_pin_conf), pin_keys,
                                            BTZ_COUNT(pin_keys) };

static const struct btz_conf_key mcp_keys[] = {
    { KEY(btz_mcp_conf, name, name, STRING, "Name: it is served at /mcp/NAME."), .required = true,
      .example = "files" },
    { KEY(btz_mcp_conf, upstream, upstream, STRING, "Upstream that answers."), .required = true,
      .example = "model-server" },
    { KEY(btz_mcp_conf, path, path, STRING, "Path there."), .fallback = "/mcp" },
    { KEY(btz_mcp_conf, pins, pins, STRUCTS, "Descriptions of tools that were looked at."),
      .of = &pin },
    { KEY(btz_mcp_conf, pinned, pinned, BOOL,
          "Only tools with a pin that fits; others are taken out of lists and not called."),
      .fallback = "false" },
};
static const struct btz_conf_struct mcp = { "mcp", sizeof(struct btz_mcp_conf), mcp_keys,
                                            BTZ_COUNT(mcp_keys) };

static const struct btz_conf_key audit_keys[] = {
    { KEY(btz_audit_conf, mode, mode, ENUM,
          "durable: a request goes on only when its entry is on disk; async: at once, losses are "
          "counted and alarmed."),
      .fallback = "async", .choices = audit_modes },
    { KEY(btz_audit_conf, bodies, bodies, ENUM,
          "Keep the texts themselves as deletable evidence: none, blocked or all."),
      .fallback = "none", .choices = body_modes },
};
static const struct btz_conf_struct audit = { "audit", sizeof(struct btz_audit_conf), audit_keys,
                                              BTZ_COUNT(audit_keys) };

static const struct btz_conf_key keys[] = {
    { KEY(btz_gate_conf, http, http, STRING,
          "Plain HTTP for programs on this machine, such as 127.0.0.1:8080; empty: none."),
      .fallback = "\"\"" },
    { KEY(btz_gate_conf, upstreams, upstreams, STRUCTS,
          "Model servers; nothing else is ever connected to."),
      .of = &upstream },
    { KEY(btz_gate_conf, models, models, STRUCTS,
          "Models and who serves them; none: every model is the only upstream's."),
      .of = &model },
    { KEY(btz_gate_conf, routes, routes, STRUCTS, "Other paths that are passed on."),
      .of = &route },
    { KEY(btz_gate_conf, mcp, mcp, STRUCTS, "Servers of tools (Model Context Protocol)."),
      .of = &mcp },
    { KEY(btz_gate_conf, limits, limits, STRUCTS, "Rates, sizes and budgets; all that fit count."),
      .of = &btz_limit_conf_struct },
    { KEY(btz_gate_conf, shared_limits, shared_limits, STRING,
          "Redis or Valkey that several gateways count in: redis://HOST:PORT/DB (IPv6 in "
          "brackets) or unix:/PATH; empty: this machine's file."),
      .fallback = "\"\"" },
    { KEY(btz_gate_conf, shared_lease, shared_lease_ms, DURATION,
          "After that time the server takes a request for a dead gateway's and gives its "
          "concurrency back; requests that go on renew it every third of it."),
      .fallback = "10m", .min = 1500, .max = 86400000 },
    { KEY(btz_gate_conf, lookup, lookup_ms, DURATION,
          "How often `gate run` looks up the names of upstreams; when none of a name's addresses "
          "is left, it does a reload. 0s: at starts and reloads only."),
      .fallback = "30s", .min = 0, .max = 86400000 },
    { KEY(btz_gate_conf, guard, guard, STRUCT, "What is looked for in texts, and what is done."),
      .of = &btz_guard_conf_struct },
    { KEY(btz_gate_conf, audit, audit, STRUCT, "How requests are written down."), .of = &audit },
    { KEY(btz_gate_conf, body_max, body_max, INT, "Bytes of a request's body at most."),
      .fallback = "33554432", .min = 1024, .max = 4294967296.0 },
    { KEY(btz_gate_conf, response_max, response_max, INT,
          "Bytes of an answer that has to be read whole, at most."),
      .fallback = "33554432", .min = 1024, .max = 4294967296.0 },
    { KEY(btz_gate_conf, workers, workers, INT, "Processes that serve; 0: one a processor core."),
      .fallback = "0", .min = 0, .max = 64 },
    { KEY(btz_gate_conf, otlp, otlp, STRING,
          "OpenTelemetry collector (OTLP over HTTP), such as http://127.0.0.1:4318; empty: none."),
      .fallback = "\"\"" },
};
const struct btz_conf_struct btz_gate_conf_struct = { "gate", sizeof(struct btz_gate_conf), keys,
                                                      BTZ_COUNT(keys) };
