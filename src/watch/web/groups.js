// groups: people who do the same work.
import { $, fill, h, name, when } from './dom.js';
import { all, del, get, patch, post, put, query, url } from './api.js';
import { bindDialog, bindingTable } from './bindings.js';
import { start } from './shell.js';
import { act, ask, empty, given, list, pending, say, section, table } from './ui.js';

const host = $('#content');

function overview() {
    const groups = list({
        path: '/v1/groups', caption: 'Groups', none: 'No groups.',
        hint: 'Make one for each kind of work, such as evaluation or support.',
        columns: [
            ['Group', (g) => [h('a', { href: query('/admin/groups', { group: g.name }) }, name(g.display_name || g.name)), g.display_name ? h('span', { class: 'soft' }, name(g.name)) : null]],
            ['Members', (g) => String(g.member_count), 'n'],
            ['Since', (g) => when(g.created)],
        ],
    });
    fill(host, h('section', { class: 'card', 'aria-label': 'Groups' }, h('div', { class: 'headline' },
        h('h2', null, 'All groups'),
        act('Make a group', '', async () => {
            const made = await ask('Make a group', [], [{ name: 'name', label: 'Name', required: true, max: 127, hint: 'Small letters, digits and . _ - @ +.' }, { name: 'display_name', label: 'Shown as', optional: true, max: 127 }],
                'Make', (v) => post('/v1/groups', given(v)));
            if (made && !pending(made))
                location.assign(query('/admin/groups', { group: made.body.name }));
        }, 'main')), groups.node));
    groups.reload();
}

async function one(called) {
    const top = h('div');
    const people = h('div');
    const roles = h('div');
    let group = null;
    const path = () => url`/v1/groups/${group.id}`;
    const reloadRoles = () => section(roles, () => all(query('/v1/bindings', { subject: group.id })), (items) => bindingTable(items, reloadRoles, false));
    const drawMembers = () => fill(people, group.members?.length ? table('Members', [
        ['Member', (m) => h('a', { href: query('/admin/people', { [m.kind === 'service' ? 'service' : 'user']: m.name }) }, name(m.name))],
        ['Kind', (m) => m.kind === 'service' ? 'service' : 'person'],
        ['', (m) => act('Remove', m.name, async () => {
            const answer = await del(`${path()}/members/${encodeURIComponent(m.id)}`);
            if (!pending(answer))
                say('good', 'Removed from the group.');
            reload();
        }, 'bad')],
    ], group.members) : empty('Nobody is in this group.'));
    const reload = () => section(top, () => get(url`/v1/groups/${called}`), (answer) => {
        group = answer.body;
        fill($('#title'), name(group.display_name || group.name));
        drawMembers();
        return [h('dl', { class: 'facts' }, h('dt', null, 'Name'), h('dd', null, name(group.name)), h('dt', null, 'Id'), h('dd', null, h('code', null, group.id)), h('dt', null, 'Since'), h('dd', null, when(group.created))),
            h('div', { class: 'bar' }, act('Edit', '', async () => {
                const done = await ask('Edit', [], [{ name: 'display_name', label: 'Shown as', value: group.display_name || '', max: 127 }], 'Save', (v) => patch(path(), v, { etag: answer.etag }));
                if (done && !pending(done))
                    say('good', 'Saved.');
                if (done)
                    reload();
            }), act('Delete', '', async () => {
                const done = await ask('Delete the group?', 'Its members lose the roles that the group gave them.', [], 'Delete', () => del(path(), { etag: answer.etag }), { danger: true });
                if (done && !pending(done))
                    location.assign('/admin/groups');
            }, 'bad'))];
    });
    fill($('#lead'), h('a', { href: '/admin/groups' }, 'All groups'));
    fill(host, h('section', { class: 'card', 'aria-label': 'Group' }, top));
    await reload();
    if (!group)
        return;
    host.append(h('section', { class: 'card', 'aria-label': 'Members' }, h('div', { class: 'headline' }, h('h2', null, 'Members'), act('Add a member', '', async () => {
        const answer = await ask('Add a member', [], [{ name: 'principal', label: 'Name of the person or service', required: true }], 'Add', (v) => put(`${path()}/members/${encodeURIComponent(v.principal)}`));
        if (answer && !pending(answer))
            say('good', 'Added to the group.');
        if (answer)
            reload();
    })), people), h('section', { class: 'card', 'aria-label': 'Roles' }, h('div', { class: 'headline' }, h('h2', null, 'Roles of the group'), act('Give a role', '', async () => {
        if (await bindDialog({ subject: group.id, called: group.name }))
            reloadRoles();
    })), roles));
    reloadRoles();
}

start(() => {
    const called = new URLSearchParams(location.search).get('group');
    return called ? one(called) : overview();
});
