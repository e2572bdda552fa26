// roles: what each may do, in words and rules, and who holds it.
import { $, fill, h, name, pill, span, when } from './dom.js';
import { all, get, query, url } from './api.js';
import { bindDialog, bindingTable } from './bindings.js';
import { start } from './shell.js';
import { act, empty, list, section, table } from './ui.js';

const host = $('#content');
const words = (v) => [v].flat().filter(Boolean);
const codes = (v) => h('ul', { class: 'plain' }, words(v).map((w) => h('li', null, h('code', null, w))));

function overview() {
    const roles = list({
        path: '/v1/roles', size: null, caption: 'Roles', none: 'No roles.',
        columns: [
            ['Role', (r) => h('a', { href: query('/admin/roles', { role: r.name }) }, name(r.name))],
            ['For', (r) => r.about || ''],
            ['Includes', (r) => r.inherits?.length ? name(r.inherits.join(', ')) : null],
            ['From', (r) => r.policy ? h('a', { href: query('/admin/policies', { policy: r.policy }) }, name(r.policy)) : h('span', { class: 'soft' }, 'ready role')],
            ['Kind', (r) => r.administrative ? pill('administrative', 'warn') : null],
        ],
    });
    fill(host, h('section', { class: 'card', 'aria-label': 'Roles' }, roles.node),
        h('p', { class: 'soft' }, 'New roles and finer rules are written under ', h('a', { href: '/admin/policies' }, 'Policies'), '.'));
    roles.reload();
}

const asText = {
    models: (v) => ['model is ', v.join(' or ')], endpoints: (v) => ['endpoint is ', v.join(' or ')], tools: (v) => ['tool is ', v.join(' or ')], addresses: (v) => ['from ', v.join(' or ')],
    cost_max: (v) => [`costs at most ${v}`], mfa_within_s: (v) => [`second factor within ${span(v)}`], client_cert: () => ['with a client certificate'],
    from: (v) => ['after ', when(v)], until: (v) => ['before ', when(v)], time_zone: (v) => ['time zone ', v], times: (v) => ['at ', v.join(' or ')],
};

const conditions = (asked) => Object.keys(asked || {}).length
    ? h('ul', { class: 'plain' }, Object.entries(asked).map(([k, v]) => h('li', null, asText[k] ? asText[k](v) : `${k}: ${JSON.stringify(v)}`)))
    : h('span', { class: 'soft' }, 'always');

async function one(called) {
    const top = h('div');
    const rules = h('div');
    const holders = h('div');
    let role = null;
    const reload = () => section(holders, () => all(query('/v1/bindings', { role: called })), (items) => bindingTable(items, reload, true));
    fill($('#title'), name(called));
    document.title = `${called} · bartizan`;
    fill($('#lead'), h('a', { href: '/admin/roles' }, 'All roles'));
    fill(host, top);
    await section(top, () => get(url`/v1/roles/${called}`), (answer) => {
        role = answer.body;
        fill(rules, role.rules?.length ? table('Rules', [
            ['Rule', (r) => h('code', null, r.id || r.name || '')],
            ['Answer', (r) => pill(r.effect)],
            ['Actions', (r) => codes(r.actions)],
            ['Resources', (r) => codes(r.resources)],
            ['When', (r) => conditions(r.when)],
        ], role.rules) : empty('No rules of its own.'));
        return h('section', { class: 'card', 'aria-label': 'What it may do' }, h('h2', null, 'What it may do'), role.about && h('p', null, role.about),
            role.inherits?.length ? h('p', null, 'All that these may, too: ', role.inherits.map((r, i) => [i ? ', ' : '', h('a', { href: query('/admin/roles', { role: r }) }, name(r))]), '.') : null, rules);
    });
    if (!role)
        return;
    host.append(h('section', { class: 'card', 'aria-label': 'Who holds it' }, h('div', { class: 'headline' }, h('h2', null, 'Who holds it'), act('Give it to somebody', '', async () => {
        if (await bindDialog({ role: called }))
            reload();
    })), holders));
    reload();
}

start(() => {
    const called = new URLSearchParams(location.search).get('role');
    return called ? one(called) : overview();
});
