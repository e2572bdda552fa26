/* The keys of `guard:`. */
#include "gate/guard/guard.h"

#define KEY(struct_, name_, member_, kind_, help_)                                                 \
    .name = #name_, .kind = BTZ_CONF_##kind_, .offset = offsetof(struct struct_, member_),         \
    .help = help_

static const char *const actions[] = { "observe", "mask", "pseudonymise", "route", "step-up",
                                       "block",   NULL };
static const char *const modes[] = { "window", "hold", "observe", NULL };

static const struct btz_conf_key rule_keys[] = {
    { KEY(btz_guard_rule_conf, detector, detector, STRING,
          "Detector that this is about, or \"*\" (`bartizan gate check --detectors` lists them)."),
      .required = true, .example = "canary" },
    { KEY(btz_guard_rule_conf, channels, channels, STRINGS,
          "Where: user, system, assistant, tool-result, document, image-text, tool-description, "
          "output, reasoning, tool-arguments, raw; none: everywhere.") },
    { KEY(btz_guard_rule_conf, action, action, ENUM,
          "What is done: observe, mask, pseudonymise, route, step-up or block."),
      .required = true, .choices = actions },
    { KEY(btz_guard_rule_conf, threshold, threshold, REAL,
          "Score from which on it counts, for detectors that score; -1: the calibrated one."),
      .fallback = "-1", .min = -1, .max = 1 },
    { KEY(btz_guard_rule_conf, route, route, STRING, "Model to go to instead, for route."),
      .fallback = "\"\"" },
    { KEY(btz_guard_rule_conf, groups, groups, STRINGS,
          "Names of groups: the rule is for callers in one of them; none: for everybody.") },
};
static const struct btz_conf_struct rule = { "guard rule", sizeof(struct btz_guard_rule_conf),
                                             rule_keys, BTZ_COUNT(rule_keys) };

static const struct btz_conf_key topic_keys[] = {
    { KEY(btz_guard_topic_conf, name, name, STRING, "Name of the topic in records and reports."),
      .required = true },
    { KEY(btz_guard_topic_conf, words, words, STRINGS,
          "Words and phrases, any of them; case, accents and disguises do not matter."),
      .required = true, .example = "[project nightjar]" },
};
static const struct btz_conf_struct topic = { "topic", sizeof(struct btz_guard_topic_conf),
                                              topic_keys, BTZ_COUNT(topic_keys) };

static const struct btz_conf_key schema_keys[] = {
    { KEY(btz_guard_schema_conf, file, file, STRING,
          "File with a JSON schema (draft 2020-12), beside this file unless it says a folder."),
      .required = true, .example = "answer.schema.json" },
    { KEY(btz_guard_schema_conf, model, model, STRING,
          "Model, as clients name it, perhaps with a star at the end; empty: every one."),
      .fallback = "\"\"" },
    { KEY(btz_guard_schema_conf, route, route, STRING,
          "Route: chat, responses, messages, ollama-chat or ollama-generate; empty: every one."),
      .fallback = "\"\"" },
};
static const struct btz_conf_struct schema = { "guard schema", sizeof(struct btz_guard_schema_conf),
                                               schema_keys, BTZ_COUNT(schema_keys) };

static const struct btz_conf_key keys[] = {
    { KEY(btz_guard_conf, enabled, enabled, BOOL,
          "Read what goes in and what comes out; without it every record says not-evaluated."),
      .fallback = "true" },
    { KEY(btz_guard_conf, mode, mode, ENUM,
          "Of responses: window releases text as soon as no detector can still want it, hold "
          "releases nothing before all was read, observe releases at once and writes down."),
      .fallback = "window", .choices = modes },
    { KEY(btz_guard_conf, rules, rules, STRUCTS,
          "What is done about what is found; the first that fits counts, then each detector's "
          "own."),
      .of = &rule },
    { KEY(btz_guard_conf, topics, topics, STRUCTS, "Topics that are not talked about."),
      .of = &topic },
    { KEY(btz_guard_conf, canaries, canaries, SECRETS,
          "Strings that must never be seen, planted in prompts or documents.") },
    { KEY(btz_guard_conf, link_hosts, link_hosts, STRINGS,
          "Hosts that links and images of answers may lead to; \"*.example.com\" has those below "
          "it.") },
    { KEY(btz_guard_conf, tools, tools, STRINGS,
          "Tools that models may call, perhaps with a star at the end; none: all.") },
    { KEY(btz_guard_conf, schemas, schemas, STRUCTS,
          "Forms that answers have to have, whatever a request asks for; the first that fits a "
          "model and a route counts. What is done about others: rules for the detector schema."),
      .of = &schema },
    { KEY(btz_guard_conf, classifier, classifier, STRING,
          "Classifier of injections made by `bartizan gate train`; empty is the built-in one."),
      .fallback = "\"\"" },
    { KEY(btz_guard_conf, calibration, calibration, STRING,
          "Thresholds made by `bartizan gate calibrate`; empty are the built-in ones."),
      .fallback = "\"\"" },
    { KEY(btz_guard_conf, hold_max, hold_max, INT,
          "Bytes of a stream that are held back at most; what is longer is cut off, never let "
          "through unread."),
      .fallback = "65536", .min = 4096, .max = 16777216 },
};
const struct btz_conf_struct btz_guard_conf_struct = { "guard", sizeof(struct btz_guard_conf), keys,
                                                       BTZ_COUNT(keys) };
