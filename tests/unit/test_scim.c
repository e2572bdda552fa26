/* SCIM: filters against cases of RFC 7644, and the flows that Okta and Entra ID send, over a real installation. */
#include "access_fixture.h"

#include "watch/api/scim.h"

#define MEDIA_TYPE "application/scim+json"

/* ---- an installation, asked with a key -------------------------------------------------------------------------------- */

struct site {
    struct access_fixture f;
    struct btz_api_backend backend;
    struct btz_api *api;
    char bearer[128];
    unsigned status; /* of the last answer */
    char etag[80], location[300], type[64];
};

static void site_key(struct site *s, const char *principal, const json_t *scopes)
{
    json_t *key = access_ok(
        &s->f, &s->f.local, "key.create",
        json_pack("{s:s, s:s, s:O}", "principal", principal, "name", "scim", "scopes", scopes));

    snprintf(s->bearer, sizeof s->bearer, "Bearer %s", access_text(&s->f, key, "secret"));
    json_decref(key);
}

static void site_start(struct site *s)
{
    struct btz_api_options o = { .backend = &s->backend,
                                 .operations = btz_operations,
                                 .origin = "https://idp.example" };
    BTZ_JSON json_t *scopes =
        json_pack("[s,s,s,s,s,s]", "user.read *", "user.write user/*", "user.delete user/*",
                  "group.read *", "group.write group/*", "group.delete group/*");

    access_start(&s->f);
    btz_api_backend_init(s->f.access, &s->backend);
    access_must(btz_api_new(&o, &s->api));
    access_do(&s->f, &s->f.local, "service.create", json_pack("{s:s}", "name", "idp"));
    access_do(&s->f, &s->f.local, "binding.create",
              json_pack("{s:s, s:s}", "role", "admin", "subject", "idp"));
    site_key(s, "idp", scopes);
}

static void site_stop(struct site *s)
{
    btz_api_free(s->api);
    access_stop(&s->f);
}

static const char *header(const struct btz_api_answer *a, const char *name)
{
    for (size_t i = 0; i < a->header_count; i++)
        if (strcmp(a->headers[i].name, name) == 0)
            return a->headers[i].value;
    return "";
}

/* The answer's JSON (NULL where it has no body), owned by the caller. */
static json_t *ask(struct site *s, const char *method, const char *target, const char *extra,
                   const char *extra_value, const char *body)
{
    struct btz_api_pair headers[] = { { "Host", "idp.example" },
                                      { s->bearer[0] ? "Authorization" : "X-None", s->bearer },
                                      { "Content-Type", MEDIA_TYPE },
                                      { extra, extra_value } };
    struct btz_api_request request = { .method = method,
                                       .target = btz_str(target),
                                       .headers = headers,
                                       .header_count = extra ? 4 : 3,
                                       .body = btz_str(body) };
    struct btz_arena arena;
    struct btz_api_answer a;
    json_t *value = NULL;

    btz_arena_init(&arena, (size_t)64 << 20);
    btz_api_answer(s->api, &request, &arena, &a);
    s->status = a.status;
    snprintf(s->etag, sizeof s->etag, "%s", header(&a, "ETag"));
    snprintf(s->location, sizeof s->location, "%s", header(&a, "Location"));
    snprintf(s->type, sizeof s->type, "%s", a.media_type ? a.media_type : "");
    if (a.buf.len > 0 && !a.no_body)
        access_must(btz_json_parse(btz_buf_slice(&a.buf), a.buf.len, "answer", &value));
    btz_api_answer_release(&a);
    btz_arena_release(&arena);
    return value;
}

static json_t *ok(struct site *s, unsigned status, const char *method, const char *target,
                  const char *body)
{
    json_t *value = ask(s, method, target, NULL, NULL, body);

    if (s->status != status) {
        char *text = json_dumps(value, JSON_ENCODE_ANY);

        print_error("%s %s: %u: %s\n", method, target, s->status, text ? text : "");
        free(text);
    }
    assert_int_equal(s->status, status);
    if (value)
        assert_string_equal(s->type, MEDIA_TYPE);
    return value;
}

static void refused(struct site *s, unsigned status, const char *type, const char *method,
                    const char *target, const char *body)
{
    BTZ_JSON json_t *value = ok(s, status, method, target, body);
    const char *found = json_string_value(json_object_get(value, "scimType"));
    char text[8];

    snprintf(text, sizeof text, "%u", status);
    assert_string_equal(json_string_value(json_array_get(json_object_get(value, "schemas"), 0)),
                        "urn:ietf:params:scim:api:messages:2.0:Error");
    assert_string_equal(json_string_value(json_object_get(value, "status")), text);
    assert_string_equal(found ? found : "", type ? type : "");
}

static const char *id_of(struct site *s, const json_t *value)
{
    return access_text(&s->f, value, "id");
}

static int64_t total(struct site *s, const char *target)
{
    BTZ_JSON json_t *value = ok(s, 200, "GET", target, NULL);

    return json_integer_value(json_object_get(value, "totalResults"));
}

/* ---- filters ----------------------------------------------------------------------------------------------------------- */

static const char person[] =
    "{\"id\":\"2819c223\",\"userName\":\"bjensen\",\"title\":\"Tour Guide\",\"active\":true,"
    "\"age\":40,\"name\":{\"familyName\":\"O'Malley\",\"givenName\":\"Barbara\"},"
    "\"userType\":\"Employee\",\"emails\":[{\"value\":\"b@example.com\",\"type\":\"work\"},"
    "{\"value\":\"babs@jensen.org\",\"type\":\"home\"}],\"empty\":\"\",\"none\":null,\"list\":[],"
    "\"meta\":{\"lastModified\":\"2011-05-13T04:42:34Z\"},\"quote\":\"a\\\"b\"}";

static void test_filters(void **state)
{
    static const struct {
        const char *filter;
        bool yes;
    } cases[] = {
        /* Examples of RFC 7644 section 3.4.2.2, with values that fit and that do not. */
        { "userName eq \"bjensen\"", true },
        { "userName eq \"BJENSEN\"", true },
        { "USERNAME Eq \"bjensen\"", true },
        { "id eq \"2819C223\"", false },
        { "name.familyName co \"O'Malley\"", true },
        { "userName sw \"J\"", false },
        { "userName sw \"bj\"", true },
        { "urn:ietf:params:scim:schemas:core:2.0:User:userName sw \"b\"", true },
        { "title pr", true },
        { "meta.lastModified gt \"2011-05-13T04:42:34Z\"", false },
        { "meta.lastModified ge \"2011-05-13T04:42:34Z\"", true },
        { "meta.lastModified lt \"2012-01-01T00:00:00Z\"", true },
        { "meta.lastModified le \"2011-05-13T04:42:33Z\"", false },
        { "title pr and userType eq \"Employee\"", true },
        { "title pr or userType eq \"Intern\"", true },
        { "schemas eq \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\"", false },
        { "userType eq \"Employee\" and (emails co \"example.com\" or emails.value co \"x.org\")",
          true },
        { "userType ne \"Employee\" and not (emails co \"example.com\" or emails.value co \"x\")",
          false },
        { "userType eq \"Employee\" and (emails.type eq \"work\")", true },
        { "userType eq \"Employee\" and emails[type eq \"work\" and value co \"@example.com\"]",
          true },
        { "emails[type eq \"work\" and value co \"@jensen.org\"]", false },
        { "emails[type eq \"work\" and value co \"@x\"] or ims[type eq \"xmpp\"]", false },
        /* and binds closer than or. */
        { "title pr or title pr and userName eq \"x\"", true },
        { "(title pr or title pr) and userName eq \"x\"", false },
        { "not (title pr) or title pr", true },
        { "active eq true", true },
        { "active eq false", false },
        { "active ne false", true },
        { "age gt 39.5", true },
        { "age eq 4e1", true },
        { "age lt -1", false },
        { "empty pr", false },
        { "none pr", false },
        { "list pr", false },
        { "absent pr", false },
        { "absent eq null", true },
        { "title eq null", false },
        { "title ew \"Guide\"", true },
        { "quote eq \"a\\\"b\"", true },
        { "userName eq \"\\u0062jensen\"", true },
        { "and eq \"x\"", false },
        { "not eq \"x\"", false },
    };
    static const char *const bad[] = {
        "",
        " ",
        "userName",
        "userName eq",
        "userName xx \"a\"",
        "eq \"a\"",
        "userName eq a",
        "userName eq \"a",
        "userName eq \"a\\\"",
        "(userName pr",
        "userName pr)",
        "not userName pr",
        "userName pr and",
        "and userName pr",
        "userName eq \"a\" userName pr",
        "a[b pr",
        "a]",
        "a[b[c pr]]",
        "a[]",
        "a.b[c pr]",
        "a.b.c pr",
        "a. b pr",
        ".a pr",
        "a eq 1x",
        "a eq --1",
        "a eq \"\\x\"",
        "urn: pr",
        "urn:a:b: pr",
        "a eq \"\xff\"",
        "a\tpr",
        "a pr;drop table",
        "' or 1=1 --",
    };
    BTZ_JSON json_t *resource = json_loads(person, 0, NULL);
    char text[BTZ_SCIM_FILTER_MAX + 2];

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        const struct btz_scim_filter *f;

        btz_arena_init(&arena, 1 << 16);
        if (btz_scim_filter_parse(btz_str(cases[i].filter), &arena, &f) != BTZ_OK)
            fail_msg("%s: %s", cases[i].filter, btz_error_detail());
        if (btz_scim_match(f, resource) != cases[i].yes)
            fail_msg("%s: not %d", cases[i].filter, cases[i].yes);
    }
    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        const struct btz_scim_filter *f;

        btz_arena_init(&arena, 1 << 16);
        if (btz_scim_filter_parse(btz_str(bad[i]), &arena, &f) != BTZ_INPUT)
            fail_msg("%s: taken", bad[i]);
    }
    for (int round = 0; round < 3; round++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        const struct btz_scim_filter *f;

        btz_arena_init(&arena, 1 << 20);
        memset(text, round == 0 ? 'a' : '(', sizeof text);
        text[round == 1 ? 1000 : BTZ_SCIM_FILTER_MAX + 1] = '\0';
        if (round == 2)
            for (size_t i = 0, n = 0; i < 200; i++)
                n += (size_t)snprintf(text + n, sizeof text - n, "%sa pr", i ? " or " : "");
        assert_int_equal(btz_scim_filter_parse(btz_str(text), &arena, &f), BTZ_LIMIT);
    }
}

static void test_patches(void **state)
{
    static const struct {
        const char *operations, *path, *wanted; /* one attribute afterwards; NULL: absent */
    } cases[] = {
        { "[{\"op\":\"replace\",\"path\":\"active\",\"value\":false}]", "active", "false" },
        { "[{\"op\":\"Replace\",\"value\":{\"active\":\"False\"}}]", "active", "\"False\"" },
        { "[{\"op\":\"add\",\"path\":\"nickName\",\"value\":\"B\"}]", "nickName", "\"B\"" },
        { "[{\"op\":\"add\",\"path\":\"TITLE\",\"value\":\"B\"}]", "title", "\"B\"" },
        { "[{\"op\":\"remove\",\"path\":\"title\"}]", "title", NULL },
        { "[{\"op\":\"replace\",\"path\":\"name.givenName\",\"value\":\"X\"}]", "name",
          "{\"familyName\":\"O'Malley\",\"givenName\":\"X\"}" },
        { "[{\"op\":\"add\",\"value\":{\"name.givenName\":\"X\"}}]", "name",
          "{\"familyName\":\"O'Malley\",\"givenName\":\"X\"}" },
        { "[{\"op\":\"add\",\"path\":\"name\",\"value\":{\"givenName\":\"X\"}}]", "name",
          "{\"familyName\":\"O'Malley\",\"givenName\":\"X\"}" },
        { "[{\"op\":\"remove\",\"path\":\"name.givenName\"}]", "name",
          "{\"familyName\":\"O'Malley\"}" },
        { "[{\"op\":\"replace\",\"path\":\"emails[type eq \\\"work\\\"].value\",\"value\":\"n\"}]",
          "emails",
          "[{\"value\":\"n\",\"type\":\"work\"},{\"value\":\"babs@jensen.org\",\"type\":\"home\"}"
          "]" },
        { "[{\"op\":\"remove\",\"path\":\"emails[type eq \\\"work\\\"]\"}]", "emails",
          "[{\"value\":\"babs@jensen.org\",\"type\":\"home\"}]" },
        { "[{\"op\":\"remove\",\"path\":\"emails\",\"value\":[{\"value\":\"babs@jensen.org\"}]}]",
          "emails", "[{\"value\":\"b@example.com\",\"type\":\"work\"}]" },
        { "[{\"op\":\"replace\",\"path\":\"emails\",\"value\":[{\"value\":\"z\"}]}]", "emails",
          "[{\"value\":\"z\"}]" },
        { "[{\"op\":\"add\",\"path\":\"ims[type eq \\\"a\\\"].value\",\"value\":\"z\"}]", "ims",
          "[{\"type\":\"a\",\"value\":\"z\"}]" },
        { "[{\"op\":\"add\",\"path\":\"members\",\"value\":[{\"value\":\"1\"}]},"
          "{\"op\":\"add\",\"path\":\"members\",\"value\":{\"value\":\"2\"}},"
          "{\"op\":\"remove\",\"path\":\"members[value eq \\\"1\\\"]\"},"
          "{\"op\":\"remove\",\"path\":\"members[value eq \\\"9\\\"]\"}]",
          "members", "[{\"value\":\"2\"}]" },
        { "[{\"op\":\"replace\",\"value\":{\"id\":\"evil\",\"title\":\"T\"}}]", "id",
          "\"2819c223\"" },
        { "[{\"op\":\"add\",\"path\":\"urn:ietf:params:scim:schemas:core:2.0:User:title\","
          "\"value\":\"T\"}]",
          "title", "\"T\"" },
    };
    static const struct {
        const char *operations, *why;
    } bad[] = {
        { "[]", "invalidSyntax" },
        { "{}", "invalidSyntax" },
        { "[1]", "invalidSyntax" },
        { "[{\"op\":\"move\",\"path\":\"a\",\"value\":1}]", "invalidSyntax" },
        { "[{\"op\":\"add\",\"path\":\"a\"}]", "invalidValue" },
        { "[{\"op\":\"add\",\"value\":\"x\"}]", "invalidValue" },
        { "[{\"op\":\"remove\"}]", "noTarget" },
        { "[{\"op\":\"replace\",\"path\":\"a[\",\"value\":1}]", "invalidPath" },
        { "[{\"op\":\"replace\",\"path\":1,\"value\":1}]", "invalidPath" },
        { "[{\"op\":\"replace\",\"path\":\"a[b eq \\\"1\\\"]\",\"value\":{}}]", "noTarget" },
        { "[{\"op\":\"replace\",\"path\":\"a[b gt \\\"1\\\"].c\",\"value\":\"x\"}]", "noTarget" },
        { "[{\"op\":\"replace\",\"path\":\"title.x\",\"value\":\"x\"}]", "invalidPath" },
        { "[{\"op\":\"replace\",\"path\":\"id\",\"value\":\"x\"}]", "mutability" },
        { "[{\"op\":\"add\",\"path\":\"groups\",\"value\":[]}]", "mutability" },
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        BTZ_JSON json_t *resource = json_loads(person, 0, NULL);
        BTZ_JSON json_t *operations = json_loads(cases[i].operations, 0, NULL);
        BTZ_JSON json_t *wanted =
            cases[i].wanted ? json_loads(cases[i].wanted, JSON_DECODE_ANY, NULL) : NULL;
        const char *why;

        btz_arena_init(&arena, 1 << 16);
        assert_non_null(operations);
        if (btz_scim_patch(resource, operations, &arena, &why) != BTZ_OK)
            fail_msg("%s: %s", cases[i].operations, btz_error_detail());
        if (wanted ? !json_equal(json_object_get(resource, cases[i].path), wanted)
                   : json_object_get(resource, cases[i].path) != NULL)
            fail_msg("%s", cases[i].operations);
    }
    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        BTZ_JSON json_t *resource = json_loads(person, 0, NULL);
        BTZ_JSON json_t *operations = json_loads(bad[i].operations, 0, NULL);
        const char *why = "";

        btz_arena_init(&arena, 1 << 16);
        assert_non_null(operations);
        if (btz_scim_patch(resource, operations, &arena, &why) != BTZ_INPUT)
            fail_msg("%s: taken", bad[i].operations);
        assert_string_equal(why, bad[i].why);
    }
}

/* ---- flows ------------------------------------------------------------------------------------------------------------- */

/* Okta: asks by filter, creates, reads, sets active by PATCH without a path, changes by PUT. */
static void test_okta(void **state)
{
    static const char jane[] =
        "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],"
        "\"userName\":\"Jane.Doe@example.com\",\"name\":{\"givenName\":\"Jane\",\"familyName\":"
        "\"Doe\"},\"emails\":[{\"primary\":true,\"value\":\"jane.doe@example.com\",\"type\":"
        "\"work\"}"
        "],\"displayName\":\"Jane "
        "Doe\",\"locale\":\"en-US\",\"externalId\":\"00ujl29u0le5T6Aj10h7\","
        "\"groups\":[],\"password\":\"1mz050nq\",\"active\":true}";
    struct site s;
    json_t *value;
    const char *id;
    char target[200], location[200];

    (void)state;
    site_start(&s);
    assert_int_equal(total(&s, "/scim/v2/Users?filter=userName%20eq%20%22Jane.Doe%40example.com%22"
                               "&startIndex=1&count=100"),
                     0);
    value = ok(&s, 201, "POST", "/scim/v2/Users", jane);
    id = id_of(&s, value);
    assert_string_equal(json_string_value(json_object_get(value, "userName")),
                        "jane.doe@example.com");
    assert_true(json_is_true(json_object_get(value, "active")));
    assert_null(json_object_get(value, "password"));
    snprintf(location, sizeof location, "https://idp.example/scim/v2/Users/%s", id);
    assert_string_equal(s.location, location);
    json_decref(value);
    refused(&s, 409, "uniqueness", "POST", "/scim/v2/Users", jane);
    assert_int_equal(total(&s, "/scim/v2/Users?filter=userName+eq+%22JANE.doe%40example.com%22"),
                     1);
    assert_int_equal(total(&s, "/scim/v2/Users?filter=externalId+eq+%2200ujl29u0le5T6Aj10h7%22"),
                     1);
    assert_int_equal(
        total(&s, "/scim/v2/Users?filter=emails.value+co+%22DOE%22+and+active+eq+true"), 1);
    snprintf(target, sizeof target, "/scim/v2/Users/%s", id);
    value = ok(&s, 200, "PATCH", target,
               "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],"
               "\"Operations\":[{\"op\":\"replace\",\"value\":{\"active\":false}}]}");
    assert_true(json_is_false(json_object_get(value, "active")));
    json_decref(value);
    value = access_ok(&s.f, &s.f.local, "user.get", json_pack("{s:s}", "user", id));
    assert_string_equal(json_string_value(json_object_get(value, "status")), "disabled");
    json_decref(value);
    /* PUT: what is not said goes, but the name stays needed. */
    value = ok(&s, 200, "PUT", target,
               "{\"userName\":\"jane.doe@example.com\",\"displayName\":\"Jane\",\"active\":true}");
    assert_string_equal(json_string_value(json_object_get(value, "displayName")), "Jane");
    assert_null(json_object_get(value, "emails"));
    assert_null(json_object_get(value, "externalId"));
    json_decref(value);
    refused(&s, 400, "invalidValue", "PUT", target, "{\"displayName\":\"x\"}");
    json_decref(ok(&s, 204, "DELETE", target, NULL));
    refused(&s, 404, NULL, "GET", target, NULL);
    site_stop(&s);
}

/* Entra ID: "Replace", paths with filters, "False" as text, members by add and remove with values. */
static void test_entra(void **state)
{
    struct site s;
    json_t *value;
    const char *id, *other, *group;
    char target[200], body[600];

    (void)state;
    site_start(&s);
    value =
        ok(&s, 201, "POST", "/scim/v2/Users",
           "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\",\"urn:ietf:params:scim:"
           "schemas:extension:enterprise:2.0:User\"],\"externalId\":\"58342554\","
           "\"userName\":\"test_user@x.example\",\"active\":true,\"name\":{\"formatted\":"
           "\"Ann Lee\",\"familyName\":\"Lee\",\"givenName\":\"Ann\"},"
           "\"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\":{\"department\":"
           "\"bob\"},\"meta\":{\"resourceType\":\"User\"}}");
    id = id_of(&s, value);
    assert_string_equal(json_string_value(json_object_get(value, "displayName")), "Ann Lee");
    json_decref(value);
    snprintf(target, sizeof target, "/scim/v2/Users/%s", id);
    value = ok(&s, 200, "PATCH", target,
               "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],\"Operations\":["
               "{\"op\":\"Replace\",\"path\":\"emails[type eq \\\"work\\\"].value\",\"value\":"
               "\"ann@x.example\"},"
               "{\"op\":\"Add\",\"path\":\"name.familyName\",\"value\":\"Other\"},"
               "{\"op\":\"Replace\",\"path\":\"displayName\",\"value\":\"Ann Other\"}]}");
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(value, "emails"), 0), "value")),
                        "ann@x.example");
    assert_string_equal(json_string_value(json_object_get(value, "displayName")), "Ann Other");
    json_decref(value);
    value = ok(&s, 200, "PATCH", target,
               "{\"Operations\":[{\"op\":\"Replace\",\"path\":\"active\",\"value\":\"False\"}]}");
    assert_true(json_is_false(json_object_get(value, "active")));
    json_decref(value);
    value = ok(&s, 201, "POST", "/scim/v2/Users",
               "{\"userName\":\"second\",\"active\":false,\"displayName\":\"Second\"}");
    other = id_of(&s, value);
    assert_true(json_is_false(json_object_get(value, "active")));
    json_decref(value);
    /* Groups. */
    value = ok(&s, 201, "POST", "/scim/v2/Groups",
               "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:Group\"],\"externalId\":"
               "\"8aa1a0c0\",\"displayName\":\"Data Scientists (EU)\",\"meta\":{}}");
    group = id_of(&s, value);
    assert_string_equal(json_string_value(json_object_get(value, "displayName")),
                        "Data Scientists (EU)");
    json_decref(value);
    value = access_ok(&s.f, &s.f.local, "group.get", json_pack("{s:s}", "group", group));
    assert_string_equal(json_string_value(json_object_get(value, "name")), "data-scientists-eu");
    json_decref(value);
    value = ok(&s, 200, "GET",
               "/scim/v2/Groups?excludedAttributes=members&filter=displayName+eq+"
               "%22Data+Scientists+(EU)%22",
               NULL);
    assert_int_equal(json_integer_value(json_object_get(value, "totalResults")), 1);
    assert_null(json_object_get(json_array_get(json_object_get(value, "Resources"), 0), "members"));
    json_decref(value);
    snprintf(target, sizeof target, "/scim/v2/Groups/%s", group);
    snprintf(body, sizeof body,
             "{\"Operations\":[{\"op\":\"Add\",\"path\":\"members\",\"value\":[{\"$ref\":null,"
             "\"value\":\"%s\"},{\"value\":\"%s\"}]}]}",
             id, other);
    value = ok(&s, 200, "PATCH", target, body);
    assert_int_equal(json_array_size(json_object_get(value, "members")), 2);
    json_decref(value);
    /* The same again changes nothing. */
    value = ok(&s, 200, "PATCH", target, body);
    assert_int_equal(json_array_size(json_object_get(value, "members")), 2);
    json_decref(value);
    snprintf(body, sizeof body, "/scim/v2/Groups?filter=members.value+eq+%%22%s%%22", id);
    assert_int_equal(total(&s, body), 1);
    snprintf(
        body, sizeof body,
        "{\"Operations\":[{\"op\":\"Remove\",\"path\":\"members\",\"value\":[{\"value\":\"%s\"}]"
        "}]}",
        id);
    value = ok(&s, 200, "PATCH", target, body);
    assert_int_equal(json_array_size(json_object_get(value, "members")), 1);
    json_decref(value);
    snprintf(body, sizeof body,
             "{\"Operations\":[{\"op\":\"remove\",\"path\":\"members[value eq \\\"%s\\\"]\"}]}",
             other);
    value = ok(&s, 200, "PATCH", target, body);
    assert_int_equal(json_array_size(json_object_get(value, "members")), 0);
    json_decref(value);
    refused(
        &s, 400, "invalidValue", "PATCH", target,
        "{\"Operations\":[{\"op\":\"add\",\"path\":\"members\",\"value\":[{\"value\":\"x\"}]}]}");
    json_decref(ok(&s, 204, "DELETE", target, NULL));
    site_stop(&s);
}

static void test_paging_and_selection(void **state)
{
    struct site s;
    BTZ_JSON json_t *page = NULL;
    const json_t *items;

    (void)state;
    site_start(&s);
    for (int i = 0; i < 7; i++) {
        char body[64];

        snprintf(body, sizeof body, "{\"userName\":\"user%d\"}", i);
        json_decref(ok(&s, 201, "POST", "/scim/v2/Users", body));
    }
    page =
        ok(&s, 200, "GET",
           "/scim/v2/Users?filter=userName+sw+%22user%22&startIndex=3&count=2&attributes=userName",
           NULL);
    items = json_object_get(page, "Resources");
    assert_int_equal(json_integer_value(json_object_get(page, "totalResults")), 7);
    assert_int_equal(json_integer_value(json_object_get(page, "startIndex")), 3);
    assert_int_equal(json_integer_value(json_object_get(page, "itemsPerPage")), 2);
    assert_int_equal(json_array_size(items), 2);
    assert_int_equal(json_object_size(json_array_get(items, 0)), 3); /* schemas, id, userName */
    assert_int_equal(total(&s, "/scim/v2/Users?count=0"), 7);
    assert_int_equal(total(&s, "/scim/v2/Users?startIndex=-5&count=-1"), 7);
    assert_int_equal(total(&s, "/scim/v2/Users?startIndex=1000000"), 7);
    refused(&s, 400, "invalidValue", "GET", "/scim/v2/Users?count=x", NULL);
    refused(&s, 400, "invalidFilter", "GET", "/scim/v2/Users?filter=userName+eq", NULL);
    refused(&s, 400, "invalidFilter", "GET", "/scim/v2/Users?filter=((((((((((((((((((((((a+pr",
            NULL);
    assert_int_equal(total(&s, "/scim/v2/Users?filter=userName+eq+%22'+or+1%3D1+--%22"), 0);
    site_stop(&s);
}

static void test_etags(void **state)
{
    static const char change[] =
        "{\"Operations\":[{\"op\":\"replace\",\"path\":\"displayName\",\"value\":\"N\"}]}";
    struct site s;
    json_t *value;
    char target[200], etag[80];

    (void)state;
    site_start(&s);
    value = ok(&s, 201, "POST", "/scim/v2/Users", "{\"userName\":\"u\"}");
    snprintf(target, sizeof target, "/scim/v2/Users/%s", id_of(&s, value));
    json_decref(value);
    json_decref(ok(&s, 200, "GET", target, NULL));
    memcpy(etag, s.etag, sizeof etag);
    assert_string_equal(etag, "W/\"1\"");
    json_decref(ask(&s, "GET", target, "If-None-Match", etag, NULL));
    assert_int_equal(s.status, 304);
    json_decref(ask(&s, "PATCH", target, "If-Match", "W/\"9\"", change));
    assert_int_equal(s.status, 412);
    json_decref(ask(&s, "PATCH", target, "If-Match", etag, change));
    assert_int_equal(s.status, 200);
    assert_string_equal(s.etag, "W/\"2\"");
    json_decref(ask(&s, "PATCH", target, "If-Match", etag, change));
    /* Nothing is left to change, so nothing is in conflict. */
    assert_int_equal(s.status, 200);
    site_stop(&s);
}

static void test_who_may(void **state)
{
    BTZ_JSON json_t *reading = json_pack("[s]", "user.read *");
    struct site s;

    (void)state;
    site_start(&s);
    json_decref(ok(&s, 201, "POST", "/scim/v2/Users", "{\"userName\":\"u\"}"));
    /* A key that may read people, and no more, although its service is an administrator. */
    site_key(&s, "idp", reading);
    assert_int_equal(total(&s, "/scim/v2/Users"), 1);
    refused(&s, 403, NULL, "POST", "/scim/v2/Users", "{\"userName\":\"v\"}");
    refused(&s, 403, NULL, "GET", "/scim/v2/Groups", NULL);
    snprintf(s.bearer, sizeof s.bearer, "Bearer btz_none");
    refused(&s, 401, NULL, "GET", "/scim/v2/Users", NULL);
    refused(&s, 401, NULL, "GET", "/scim/v2/Schemas", NULL);
    site_stop(&s);
}

static enum btz_err count_one(void *user, const struct btz_trail_record *record)
{
    (void)record;
    ++*(unsigned *)user;
    return BTZ_OK;
}

static unsigned refusals(struct site *s)
{
    const struct btz_trail_filter f = { .event = "refusal" };
    struct btz_store *store;
    unsigned count = 0;

    access_must(btz_access_store(s->f.access, &store));
    access_must(btz_trail_read(btz_access_trail(s->f.access), store, &f, count_one, &count, NULL));
    btz_access_store_back(s->f.access, store);
    return count;
}

/* Strangers at this door leave an entry as at any other. */
static void test_strangers(void **state)
{
    struct site s = { 0 };
    unsigned before;

    (void)state;
    site_start(&s);
    before = refusals(&s);
    s.bearer[0] = '\0'; /* not sent */
    refused(&s, 401, NULL, "GET", "/scim/v2/Users", NULL);
    assert_int_equal(refusals(&s), before + 1);
    snprintf(s.bearer, sizeof s.bearer, "Bearer ");
    refused(&s, 401, NULL, "GET", "/scim/v2/Schemas", NULL);
    assert_int_equal(refusals(&s), before + 2);
    site_stop(&s);
}

static void test_discovery(void **state)
{
    static const char *const places[] = { "/scim/v2/ServiceProviderConfig",
                                          "/scim/v2/ResourceTypes", "/scim/v2/ResourceTypes/User",
                                          "/scim/v2/Schemas",
                                          ("/scim/v2/Schemas/urn:ietf:params:scim:schemas:core:2.0:"
                                           "Group") };
    struct site s;
    BTZ_JSON json_t *types = NULL;

    (void)state;
    site_start(&s);
    for (size_t i = 0; i < BTZ_COUNT(places); i++)
        json_decref(ok(&s, 200, "GET", places[i], NULL));
    types = ok(&s, 200, "GET", "/scim/v2/ResourceTypes", NULL);
    assert_int_equal(json_integer_value(json_object_get(types, "totalResults")), 2);
    refused(&s, 404, NULL, "GET", "/scim/v2/Schemas/x", NULL);
    refused(&s, 404, NULL, "GET", "/scim/v2/Bulk", NULL);
    refused(&s, 404, NULL, "GET", "/scim/v1/Users", NULL);
    refused(&s, 404, NULL, "GET", "/scim/v2/Users/alice", NULL);
    refused(&s, 405, NULL, "DELETE", "/scim/v2/Users", NULL);
    refused(&s, 405, NULL, "POST", "/scim/v2/Schemas", "{}");
    refused(&s, 400, "invalidSyntax", "POST", "/scim/v2/Users", "{");
    refused(&s, 400, "invalidSyntax", "POST", "/scim/v2/Users", "[]");
    refused(&s, 400, "invalidValue", "POST", "/scim/v2/Users", "{\"userName\":1}");
    refused(&s, 400, "invalidValue", "POST", "/scim/v2/Users",
            "{\"userName\":\"a\",\"emails\":\"x\"}");
    site_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_patches),
        cmocka_unit_test(test_okta),
        cmocka_unit_test(test_entra),
        cmocka_unit_test(test_paging_and_selection),
        cmocka_unit_test(test_etags),
        cmocka_unit_test(test_who_may),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_discovery),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
