/* Lines of the tables that say what the members of a protocol are. Only for the files that hold such tables. */
#ifndef BTZ_GATE_MEMBERS_H
#define BTZ_GATE_MEMBERS_H

#include "gate/protocol/family.h"

#define ID(name)                                                                                   \
    {                                                                                              \
        name, BTZ_SHAPE_ID, BTZ_HERE, NULL                                                         \
    }
#define TEXT(name, ch)                                                                             \
    {                                                                                              \
        name, BTZ_SHAPE_TEXT, ch, NULL                                                             \
    }
#define JSON(name, ch)                                                                             \
    {                                                                                              \
        name, BTZ_SHAPE_JSON, ch, NULL                                                             \
    }
#define LANE(name, ch)                                                                             \
    {                                                                                              \
        name, BTZ_SHAPE_LANE, ch, NULL                                                             \
    }
#define DATA(name)                                                                                 \
    {                                                                                              \
        name, BTZ_SHAPE_DATA, BTZ_HERE, NULL                                                       \
    }
#define OPAQUE(name)                                                                               \
    {                                                                                              \
        name, BTZ_SHAPE_OPAQUE, BTZ_HERE, NULL                                                     \
    }
#define SEALED(name)                                                                               \
    {                                                                                              \
        name, BTZ_SHAPE_SEALED, BTZ_HERE, NULL                                                     \
    }
#define READ(name)                                                                                 \
    {                                                                                              \
        name, BTZ_SHAPE_READ, BTZ_HERE, NULL                                                       \
    }
#define LOGPROBS                                                                                   \
    {                                                                                              \
        "logprobs", BTZ_SHAPE_LOGPROBS, BTZ_HERE, NULL                                             \
    }
#define OBJECT(name, of)                                                                           \
    {                                                                                              \
        name, BTZ_SHAPE_OBJECT, BTZ_HERE, &(of)                                                    \
    }
#define OBJECT_IN(name, ch, of)                                                                    \
    {                                                                                              \
        name, BTZ_SHAPE_OBJECT, ch, &(of)                                                          \
    }
#define LAST                                                                                       \
    {                                                                                              \
        NULL, BTZ_SHAPE_ID, BTZ_HERE, NULL                                                         \
    }
#define SHAPE(name, entered) static const struct btz_shape name = { name##_members, NULL, entered }

#endif
