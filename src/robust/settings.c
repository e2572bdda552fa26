/*
 * What bartizan.yaml says of models: where they are, what they are tested with, how hard.
 */
#include "robust/practice.h"

static const char *const norm_names[] = { "linf", "l2", "l1", "l0", NULL };

#define MODEL(member) offsetof(struct btz_model_conf, member)
static const struct btz_conf_key model_keys[] = {
    { .name = "name",
      .kind = BTZ_CONF_STRING,
      .offset = MODEL(name),
      .help = "How reports call it.",
      .required = true },
    { .name = "path", .kind = BTZ_CONF_STRING, .offset = MODEL(path), .help = "ONNX file." },
    { .name = "url",
      .kind = BTZ_CONF_STRING,
      .offset = MODEL(url),
      .help = "Address, where it is not a file: it is asked with JSON, see the keys below." },
    { .name = "data",
      .kind = BTZ_CONF_STRING,
      .offset = MODEL(data),
      .help = "Samples it is tested with: idx, npy, npz, CSV (each also .gz), or a folder of "
              "pictures with a subfolder for each class. Without them it is not tested." },
    { .name = "labels",
      .kind = BTZ_CONF_STRING,
      .offset = MODEL(labels),
      .help = "File of their classes, where they are not in the data file." },
    { .name = "label_column",
      .kind = BTZ_CONF_STRING,
      .offset = MODEL(label_column),
      .help = "Column of a CSV file that holds the class: name, or number from 0." },
    { .name = "norm",
      .kind = BTZ_CONF_ENUM,
      .offset = MODEL(norm),
      .fallback = "linf",
      .choices = norm_names,
      .help = "How the size of a change is measured: linf is the largest change of one value, l2 "
              "the Euclidean length, l1 the sum; l0, for tables, how many columns change." },
    { .name = "eps",
      .kind = BTZ_CONF_REAL,
      .offset = MODEL(eps),
      .fallback = "0.03137254901960784",
      .min = 0,
      .max = 1e9,
      .help = "Largest change, in units of the input after pictures were scaled to 0 to 1; the "
              "default is 8/255." },
    { .name = "low",
      .kind = BTZ_CONF_REAL,
      .offset = MODEL(low),
      .fallback = "0",
      .min = -1e9,
      .max = 1e9,
      .help = "Least value an input may have." },
    { .name = "high",
      .kind = BTZ_CONF_REAL,
      .offset = MODEL(high),
      .fallback = "1",
      .min = -1e9,
      .max = 1e9,
      .help = "Largest value an input may have." },
    { .name = "robust_min",
      .kind = BTZ_CONF_REAL,
      .offset = MODEL(robust_min),
      .fallback = "-1",
      .min = -1,
      .max = 1,
      .help = "Robust accuracy it must keep, 0 to 1; below it the finding fails. -1: every broken "
              "sample is a finding, as severe as it is frequent." },
    { .name = "constraints",
      .kind = BTZ_CONF_STRING,
      .offset = MODEL(constraints),
      .help = "File that says what columns of a table may become, with norm l0: `columns` and "
              "`groups`, see docs/robust.md. Ranges that it leaves out are those of the data." },
    { .name = "save",
      .kind = BTZ_CONF_STRING,
      .offset = MODEL(save),
      .help = "Folder that gets what was broken: original, adversarial, index, label, predicted "
              "and distance, as npy files." },
    { .name = "classes",
      .kind = BTZ_CONF_INT,
      .offset = MODEL(classes),
      .fallback = "0",
      .min = 0,
      .max = BTZ_CLASSES_MAX,
      .help = "Classes of an address, or of a model that answers with labels; 0: those of the "
              "data." },
    { .name = "protocol",
      .kind = BTZ_CONF_ENUM,
      .offset = MODEL(protocol),
      .fallback = "none",
      .choices = btz_asked_protocols,
      .help = "How an address is asked: kserve (v2), or instances (TensorFlow Serving, KServe "
              "v1); none: `request` and a path say it." },
    { .name = "input",
      .kind = BTZ_CONF_STRING,
      .offset = MODEL(input),
      .help = "Name of the input of kserve; left out: input." },
    BTZ_ADDRESS_KEYS(
        struct btz_model_conf,
        "JSON that is sent. With their quotes, \"{{rows}}\" stands for nested arrays of samples, "
        "\"{{flat}}\" for one array of all numbers, \"{{shape}}\" for its axes, \"{{n}}\" for how "
        "many samples there are.",
        "."),
};
static const struct btz_conf_struct model_struct = { "model", sizeof(struct btz_model_conf),
                                                     model_keys, BTZ_COUNT(model_keys) };

#define OPTION(member) offsetof(struct btz_robust_conf, member)
static const struct btz_conf_key option_keys[] = {
    { .name = "models",
      .kind = BTZ_CONF_STRINGS,
      .offset = OPTION(only),
      .help = "Names of the models to attack; all of them when left out." },
    { .name = "attacks",
      .kind = BTZ_CONF_STRINGS,
      .offset = OPTION(attacks),
      .help = "Attacks, in this order: standard, plus and rand are the versions of AutoAttack; "
              "others as `bartizan robust list` names them. Left out: standard; of models without "
              "gradients those by questions, for norm l0 those on tables." },
    { .name = "set",
      .kind = BTZ_CONF_PAIRS,
      .offset = OPTION(set),
      .help = "Parameters of attacks, such as `pgd.steps: 100`." },
    { .name = "samples",
      .kind = BTZ_CONF_INT,
      .offset = OPTION(samples),
      .fallback = "1000",
      .min = 0,
      .max = 1e12,
      .help = "How many samples are attacked, spread evenly over the data; 0: all." },
    { .name = "queries",
      .kind = BTZ_CONF_INT,
      .offset = OPTION(queries),
      .fallback = "0",
      .min = 0,
      .max = 1e9,
      .help = "Questions that an attack without gradients may ask about a sample; 0: what the "
              "attack is used to." },
    { .name = "alone",
      .kind = BTZ_CONF_BOOL,
      .offset = OPTION(alone),
      .fallback = "false",
      .help = "Let every attack see every sample, also those an earlier one has broken: a rate "
              "for each attack, for more time." },
    { .name = "signs",
      .kind = BTZ_CONF_BOOL,
      .offset = OPTION(signs),
      .fallback = "true",
      .help = "Also look for masked gradients, and draw robust accuracy over eps: extra runs on "
              "few samples." },
    { .name = "memory_mib",
      .kind = BTZ_CONF_INT,
      .offset = OPTION(memory_mib),
      .fallback = "4096",
      .min = 16,
      .max = 1048576,
      .help = "Memory for networks and attacks, MiB; fewer threads are used where it does not "
              "suffice." },
};
static const struct btz_conf_struct option_struct = { "robust", sizeof(struct btz_robust_conf),
                                                      option_keys, BTZ_COUNT(option_keys) };

const struct btz_conf_key btz_robust_keys[] = {
    { .name = "models",
      .kind = BTZ_CONF_STRUCTS,
      .offset = offsetof(struct btz_robust_section, models),
      .of = &model_struct,
      .help = "Classifiers: ONNX files, and addresses." },
    { .name = "robust",
      .kind = BTZ_CONF_STRUCT,
      .offset = offsetof(struct btz_robust_section, robust),
      .of = &option_struct,
      .help = "Attacks on classifiers: which, on how many samples." },
};
const size_t btz_robust_key_count = BTZ_COUNT(btz_robust_keys);
