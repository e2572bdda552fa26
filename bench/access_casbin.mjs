// Another engine on a model of the size of bench/access.c: 10,000 people with three roles each, 200 roles, 2,000 rules with
// patterns, deny overrides. Without conditions, which it would have to evaluate as scripts. Needs the npm package casbin:
//   npm install --prefix FOLDER casbin && NODE_PATH=FOLDER/node_modules node bench/access_casbin.mjs
import { createRequire } from 'node:module';
import path from 'node:path';

let casbin;
try {
    casbin = createRequire(path.join(process.env.NODE_PATH ?? '.', 'x.js'))('casbin');
} catch {
    console.error('bench: the package casbin is not there; NODE_PATH names its folder');
    process.exit(0);
}

// mulberry32: a fixed seed, the same model every time
let state = 1;
function below(n) {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
}

const actions = ['model.invoke', 'model.read', 'dataset.read', 'tool.call', 'endpoint.use', 'artifact.read'];
const kinds = ['model', 'model', 'dataset', 'tool', 'endpoint', 'artifact'];
const model = casbin.newModelFromString(`
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act, eft
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = r.act == p.act && keyMatch(r.obj, p.obj) && g(r.sub, p.sub)
`);
const enforcer = await casbin.newEnforcer(model);
const rules = [];
for (let i = 0; i < 2000; i++) {
    const a = below(6), form = below(20), team = below(200);
    const object = form === 0 ? `${kinds[a]}/*` : form < 10 ? `${kinds[a]}/team-${team}/*`
        : `${kinds[a]}/team-${team}/item-${below(50)}`;
    rules.push([`role-${i % 200}`, object, actions[a], below(10) === 0 ? 'deny' : 'allow']);
}
const unique = [...new Map(rules.map((r) => [r.join(), r])).values()];
const bindings = new Map();
for (let i = 0; i < 30000; i++) {
    const b = [`person-${i % 10000}`, `role-${below(200)}`];
    bindings.set(b.join(), b);
}
await enforcer.addPolicies(unique);
await enforcer.addGroupingPolicies([...bindings.values()]);

const requests = Array.from({ length: 300 }, () => {
    const a = below(6);
    return [`person-${below(10000)}`, `${kinds[a]}/team-${below(200)}/item-${below(50)}`, actions[a]];
});
for (const r of requests.slice(0, 20))
    await enforcer.enforce(...r);
let allowed = 0;
const start = process.cpuUsage();
for (const r of requests)
    allowed += await enforcer.enforce(...r);
const used = process.cpuUsage(start);
console.log(JSON.stringify({
    name: 'access.casbin.decide.mean', value: Math.round((used.user + used.system) * 1000 / requests.length), unit: 'ns',
    rules: unique.length, allowed,
}));
