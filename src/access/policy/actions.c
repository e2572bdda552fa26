#include "access/policy.h"

/*
 * The closed list. A snapshot holds indices into it together with its digest, so the order may change between versions.
 * Nothing here writes or erases the log: there is no such action that a role could be given.
 */
const struct btz_action btz_actions[] = {
    /* models and what serves them */
    { "model.list", "model", "See which models there are.", false },
    { "model.read", "model", "Read a model's description, measurements and history.", false },
    { "model.invoke", "model", "Send requests to a model.", false },
    { "model.register", "model", "Add a model.", false },
    { "model.write", "model", "Change a model's description, weights or settings.", false },
    { "model.release", "model", "Put a model into service.", false },
    { "model.delete", "model", "Remove a model.", false },
    { "endpoint.list", "endpoint", "See which endpoints there are.", false },
    { "endpoint.use", "endpoint", "Send requests to an endpoint of the gateway.", false },
    { "endpoint.write", "endpoint", "Add or change endpoints.", false },
    { "endpoint.delete", "endpoint", "Remove endpoints.", false },
    { "tool.list", "tool", "See which tools there are.", false },
    { "tool.call", "tool", "Let a model call a tool.", false },
    { "tool.write", "tool", "Add or change tools.", false },
    { "tool.delete", "tool", "Remove tools.", false },
    /* data and artifacts */
    { "dataset.list", "dataset", "See which data sets there are.", false },
    { "dataset.read", "dataset", "Read the content of a data set.", false },
    { "dataset.write", "dataset", "Add to or change a data set.", false },
    { "dataset.delete", "dataset", "Remove a data set.", false },
    { "artifact.list", "artifact", "See which artifacts there are.", false },
    { "artifact.read", "artifact", "Fetch an artifact such as a checkpoint or a report.", false },
    { "artifact.write", "artifact", "Store an artifact.", false },
    { "artifact.release", "artifact", "Mark an artifact as fit for use.", false },
    { "artifact.delete", "artifact", "Remove an artifact.", false },
    /* checks */
    { "scan.read", "scan", "Read scans, their progress and results.", false },
    { "scan.run", "scan", "Start and stop scans.", false },
    { "scan.write", "scan", "Change what is scanned and when.", false },
    { "finding.read", "finding", "Read findings and their evidence.", false },
    { "finding.suppress", "finding", "Accept a finding for a while.", false },
    { "ledger.read", "ledger", "Read entries of the ledger.", false },
    { "ledger.verify", "ledger", "Verify the ledger and fetch proofs.", false },
    { "ledger.export", "ledger", "Export entries of the ledger.", false },
    /* identities */
    { "user.read", "user", "Read people: names, states, factors, not secrets.", false },
    { "user.write", "user", "Add, invite, change, unlock people and reset their factors.", true },
    { "user.delete", "user", "Remove people.", true },
    { "service.read", "service", "Read service accounts.", false },
    { "service.write", "service", "Add and change service accounts.", true },
    { "service.delete", "service", "Remove service accounts.", true },
    { "group.read", "group", "Read groups and their members.", false },
    { "group.write", "group", "Add and change groups and their members.", true },
    { "group.delete", "group", "Remove groups.", true },
    { "role.read", "role", "Read roles and who holds them.", false },
    { "role.bind", "role", "Give roles to people, services and groups, and take them away.", true },
    { "key.read", "key", "Read who has which keys, not the keys.", false },
    { "key.write", "key", "Make, rotate and revoke keys of others.", true },
    { "key.own", "key", "Make, rotate and revoke one's own keys.", false },
    { "session.read", "session", "Read who is signed in from where.", false },
    { "session.revoke", "session", "End sessions of others.", true },
    /* rules and decisions */
    { "policy.read", "policy", "Read policies and compare them.", false },
    { "policy.write", "policy", "Add and change policies.", true },
    { "policy.delete", "policy", "Remove policies.", true },
    { "approval.read", "approval", "Read what waits for a second person.", false },
    { "approval.decide", "approval", "Approve or refuse what somebody else asked for.", true },
    { "elevation.request", "role", "Ask for a role for a while.", false },
    { "break-glass.use", "system", "Take an administrator's rights in an emergency, with an alarm.",
      true },
    { "decision.ask", "decision", "Ask what others may do, and why.", false },
    /* oversight */
    { "audit.read", "audit", "Read the trail of access.", false },
    { "audit.export", "audit", "Export the trail of access.", false },
    { "review.read", "review", "Read the review of accounts, keys and permissions.", false },
    { "advise.read", "advise", "Read proposals for narrower roles.", false },
    /* the installation */
    { "config.read", "config", "Read the configuration, not its secrets.", false },
    { "config.write", "config", "Change the configuration.", true },
    { "system.read", "system", "Read health, versions and measurements.", false },
    { "system.operate", "system", "Start, stop, back up and restore; rotate sealing keys.", true },
};
const size_t btz_action_count = BTZ_COUNT(btz_actions);

_Static_assert(BTZ_COUNT(btz_actions) <= 256, "sets of actions have 256 bits");

int btz_action_find(const char *name)
{
    for (size_t i = 0; name && i < btz_action_count; i++)
        if (strcmp(btz_actions[i].name, name) == 0)
            return (int)i;
    return -1;
}

bool btz_action_matches(const char *pattern, const struct btz_action *action)
{
    size_t n = strlen(pattern);

    if (strcmp(pattern, "*") == 0)
        return true;
    if (n > 2 && strcmp(pattern + n - 2, ".*") == 0)
        return strncmp(action->name, pattern, n - 1) == 0;
    return strcmp(action->name, pattern) == 0;
}
