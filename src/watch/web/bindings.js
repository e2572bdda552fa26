// bindings: a role given to somebody, perhaps for a part of the resources, perhaps for a while.
import { h, name, pill, when } from './dom.js';
import { all, del, post, query, url } from './api.js';
import { act, ask, empty, given, pending, say, table } from './ui.js';

export function bindingTable(items, reload, byRole) {
    if (items.length === 0)
        return byRole ? empty('Nobody holds this role directly.') : empty('No role yet.', 'Without a role nothing is allowed.');
    return table('Roles given', [
        byRole ? ['Given to', (b) => name(b.subject_name || b.subject)] : ['Role', (b) => h('a', { href: query('/admin/roles', { role: b.role }) }, name(b.role))],
        ['For', (b) => b.resource ? h('code', null, b.resource) : 'everything it covers'],
        ['Until', (b) => when(b.until) || h('span', { class: 'soft' }, 'for good')],
        ['How', (b) => b.kind && b.kind !== 'normal' ? pill(b.kind) : null],
        ['Why', (b) => b.reason ? name(b.reason) : null],
        ['', (b) => b.direct === false ? null : act('Take away', byRole ? `from ${b.subject_name || b.subject}` : b.role, async () => {
            const answer = await ask('Take the role away?', [h('p', null, h('strong', null, name(b.subject_name || b.subject)), ' loses the role ', h('strong', null, name(b.role)), ' within a second.')], [], 'Take away',
                () => del(url`/v1/bindings/${b.id}`), { danger: true });
            if (answer && !pending(answer))
                say('good', 'The role is taken away.');
            if (answer)
                reload();
        }, 'bad')],
    ], items);
}

// Gives a role; what is known already is not asked for.
export async function bindDialog({ subject, called, role }) {
    const roles = role ? [] : (await all('/v1/roles')).map((r) => [r.name, r.name]);
    const answer = await ask('Give a role', subject ? [h('p', null, 'To ', h('strong', null, name(called)), '. Give the smallest role that does the work, and only for as long as it is needed.')]
        : [h('p', null, 'The role ', h('strong', null, name(role)), ' is given. Prefer a group to single people.')], [
        !subject && { name: 'subject', label: 'To', hint: 'Such as alice, or group/research when a person and a group have the same name.', required: true },
        !role && { name: 'role', label: 'Role', kind: 'select', options: roles, required: true },
        { name: 'resource', label: 'Only for', hint: 'Such as model/gpt-* or dataset/claims. Empty: everything the role covers.', optional: true },
        { name: 'until', label: 'Ends', kind: 'datetime-local', hint: 'Empty: for good.', optional: true },
        { name: 'reason', label: 'Why', optional: true, max: 500 },
    ].filter(Boolean), 'Give the role', (v) => post('/v1/bindings', given({ ...v, subject: subject || v.subject, role: role || v.role })));
    if (answer && !pending(answer))
        say('good', 'The role is given.');
    return answer;
}
