#include "watch/api/api.h"

/* What the server needs of an installation. */
void btz_api_backend_init(struct btz_access *access, struct btz_api_backend *out)
{
    *out = (struct btz_api_backend){ .access = access,
                                     .call = btz_access_call,
                                     .release = btz_call_release,
                                     .was_not_found = btz_call_was_not_found,
                                     .session = btz_caller_session,
                                     .key = btz_caller_key,
                                     .token = btz_caller_token,
                                     .cert = btz_caller_cert,
                                     .own_cert = btz_caller_own_cert,
                                     .local = btz_caller_local,
                                     .note = btz_access_note,
                                     .schema = btz_access_schema,
                                     .store = btz_access_store,
                                     .store_back = btz_access_store_back,
                                     .seal = btz_access_seal(access),
                                     .waits = btz_access_waits,
                                     .now_ms = btz_access_now_ms,
                                     .address = btz_address_parse };
}
