// people: who there is; one person with all that belongs to him (?user=, ?service=).
import { $, fill, h, name, pill, when } from './dom.js';
import { all, del, get, patch, post, query, url } from './api.js';
import { bindDialog, bindingTable } from './bindings.js';
import { keySection } from './keylist.js';
import { sessionColumns } from './sessions.js';
import { start } from './shell.js';
import { act, ask, empty, field, given, later, list, pending, say, section, showOnce, table } from './ui.js';

const host = $('#content');
const kinds = { user: '/v1/users', service: '/v1/services' };
const shown = (p) => p.display_name || p.name;

const invitation = (body) => showOnce('The link to set up the account', 'Give it to the person by a way you trust. It works once' +
    (body.expires ? `, until ${new Date(body.expires).toLocaleString()}` : '') + ', and is shown only now.', body.link);

async function invite() {
    const made = await ask('Invite a person', 'They get a link to set a password and a second factor. Roles are given afterwards.', [
        { name: 'name', label: 'Name for signing in', required: true, max: 127, hint: 'Small letters, digits and . _ - @ +, such as alice or alice@example.com.' },
        { name: 'display_name', label: 'Shown as', max: 127, optional: true }, { name: 'email', label: 'E-mail', kind: 'email', optional: true, max: 254 },
    ], 'Invite', (v) => post('/v1/users', given(v)));
    if (!made || pending(made))
        return;
    const link = await post(url`/v1/users/${made.body.id}/invite`);
    if (!pending(link))
        await invitation(link.body);
    location.assign(query('/admin/people', { user: made.body.name }));
}

async function addService() {
    const made = await ask('Add a service', 'A service is a program. It never signs in; it uses keys.', [
        { name: 'name', label: 'Name', required: true, max: 127, hint: 'Small letters, digits and . _ - @ +.' },
        { name: 'display_name', label: 'Shown as', max: 127, optional: true },
    ], 'Add', (v) => post('/v1/services', given(v)));
    if (made && !pending(made))
        location.assign(query('/admin/people', { service: made.body.name }));
}

function overview() {
    const search = field({ name: 'search', label: 'Name begins with', kind: 'search', max: 127 });
    const kind = field({ name: 'kind', label: 'Show', kind: 'select', options: [['user', 'People'], ['service', 'Services']], value: 'user' });
    const place = h('div');
    const draw = () => {
        const what = $('select', kind).value;
        const people = list({
            path: kinds[what], fields: () => ({ prefix: $('input', search).value.trim().toLowerCase() }), caption: what === 'user' ? 'People' : 'Services',
            none: 'Nobody here fits.',
            columns: [
                ['Name', (p) => [h('a', { href: query('/admin/people', { [what]: p.name }) }, name(shown(p))), p.display_name ? h('span', { class: 'soft' }, name(p.name)) : null]],
                ['Status', (p) => pill(p.status)],
                what === 'user' && ['E-mail', (p) => p.email ? name(p.email) : null],
                ['Last seen', (p) => when(p.last_used) || h('span', { class: 'soft' }, 'never')], ['Since', (p) => when(p.created)],
            ].filter(Boolean),
        });
        fill(place, people.node);
        people.reload();
        return people;
    };
    let people = draw();
    $('input', search).addEventListener('input', later(() => people.reload()));
    $('select', kind).addEventListener('change', () => {
        people = draw();
    });
    fill(host, h('section', { class: 'card', 'aria-label': 'People and services' },
        h('div', { class: 'headline' }, h('form', { class: 'bar grow', role: 'search', onsubmit: (e) => e.preventDefault() }, h('div', { class: 'grow' }, search), kind),
            h('div', { class: 'bar' }, act('Invite a person', '', invite, 'main'), act('Add a service', '', addService))), place));
}

/* ---- one of them ---- */

function actions(kind, person, etag, reload) {
    const path = `${kinds[kind]}/${encodeURIComponent(person.id)}`;
    const who = h('strong', null, name(shown(person)));
    const change = async (title, what, word, send, done, danger) => {
        const answer = await ask(title, what, [], word, send, { danger });
        if (!answer)
            return;
        if (!pending(answer))
            say('good', done);
        await reload();
    };
    const off = person.status === 'disabled';
    return h('div', { class: 'bar' },
        act('Edit', '', async () => {
            const answer = await ask('Edit', [], [{ name: 'display_name', label: 'Shown as', value: person.display_name || '', max: 127 },
                kind === 'user' && { name: 'email', label: 'E-mail', kind: 'email', value: person.email || '', max: 254 }].filter(Boolean),
            'Save', (v) => patch(path, v, { etag }));
            if (answer && !pending(answer))
                say('good', 'Saved.');
            if (answer)
                await reload();
        }),
        kind === 'user' && act('New link', '', async () => {
            const answer = await ask('Make a new link?', [h('p', null, 'With it ', who, ' can set a new password and a second factor. An older link stops working.')], [], 'Make the link', () => post(path + '/invite'));
            if (answer && !pending(answer))
                await invitation(answer.body);
        }),
        kind === 'user' && act('Unlock', '', () => change('Unlock?', [h('p', null, 'Ends the waiting time after wrong passwords or codes for ', who, '. Do this when you know that it was the person who made the mistakes.')], 'Unlock', () => post(path + '/unlock'), 'The account is unlocked.')),
        kind === 'user' && act('Reset second factor', '', () => change('Reset the second factor?', [h('p', null, 'Removes the authenticator app, passkeys and recovery codes of ', who, ' and ends every session. Make sure that it is really this person who asks: this is how accounts are stolen.')],
            'Reset', () => post(path + '/reset-mfa'), 'The second factor is removed. A new one is asked for at the next sign-in.', true), 'bad'),
        off ? act('Enable', '', () => change('Enable?', [h('p', null, who, ' can sign in and use keys again.')], 'Enable', () => patch(path, { status: 'active' }, { etag }), 'The account works again.'))
            : act('Disable', '', () => change('Disable?', [h('p', null, 'Ends every session of ', who, ' and stops every key within a second. Nothing is deleted; it can be enabled again.')], 'Disable', () => patch(path, { status: 'disabled' }, { etag }), 'The account is disabled.', true), 'bad'),
        act('Delete', '', async () => {
            const answer = await ask('Delete?', [h('p', null, who, ' is removed with all roles and keys. The audit log keeps what was done under this name.')],
                [{ name: 'sure', label: `Type ${person.name} to confirm`, required: true }], 'Delete', (v) => {
                    if (v.sure !== person.name)
                        throw Object.assign(new Error('That is not the name.'), { cancelled: true });
                    return del(path, { etag });
                }, { danger: true });
            if (answer && !pending(answer))
                location.assign('/admin/people');
        }, 'bad'));
}

function profile(person) {
    const row = (what, value) => value && [h('dt', null, what), h('dd', null, value)];
    return h('dl', { class: 'facts' }, row('Status', pill(person.status)), row('Name', name(person.name)), row('Shown as', person.display_name && name(person.display_name)),
        row('E-mail', person.email && name(person.email)), row('Groups', person.groups?.length && h('ul', { class: 'chips' },
            person.groups.map((g) => h('li', null, h('a', { href: query('/admin/groups', { group: g }) }, name(g)))))),
        row('Id', h('code', null, person.id)), row('External id', person.external_id && name(person.external_id)), row('Since', when(person.created)), row('Last seen', when(person.last_used)));
}

async function one(kind, called) {
    const top = h('div');
    const roles = h('div');
    const open = h('div');
    let person = null;
    const reloadRoles = () => section(roles, () => all(query('/v1/bindings', { subject: person.id })), (items) => bindingTable(items, reloadRoles, false));
    const reloadSessions = () => section(open, () => all(query('/v1/sessions', { principal: person.id })), (items) => items.length === 0 ? empty('Not signed in anywhere.')
        : table('Sessions', sessionColumns((s) => act('End', `session of ${s.created?.slice(0, 19).replace('T', ' ')}`, async () => {
            const answer = await del(url`/v1/sessions/${s.id}`);
            if (!pending(answer))
                say('good', 'The session is ended.');
            reloadSessions();
        }, 'bad')), items));
    const reload = async () => {
        await section(top, () => get(`${kinds[kind]}/${encodeURIComponent(called)}`), (answer) => {
            person = answer.body;
            fill($('#title'), name(shown(person)));
            document.title = `${shown(person)} · bartizan`;
            return [profile(person), actions(kind, person, answer.etag, reload)];
        });
    };
    fill($('#lead'), h('a', { href: '/admin/people' }, 'All people'));
    fill(host, h('section', { class: 'card', 'aria-label': 'Profile' }, top));
    await reload();
    if (!person)
        return;
    host.append(h('section', { class: 'card', 'aria-label': 'Roles' }, h('div', { class: 'headline' }, h('h2', null, 'Roles'), act('Give a role', '', async () => {
        if (await bindDialog({ subject: person.id, called: person.name }))
            reloadRoles();
    })), roles));
    if (kind === 'user')
        host.append(h('section', { class: 'card', 'aria-label': 'Sessions' }, h('div', { class: 'headline' }, h('h2', null, 'Sessions'), act('End all', 'sessions', async () => {
            const answer = await ask('End every session?', 'The person is signed out everywhere at once.', [], 'End all', () => del(`${kinds[kind]}/${encodeURIComponent(person.id)}/sessions`), { danger: true });
            if (answer)
                reloadSessions();
        }, 'bad')), open));
    host.append(keySection({ path: '/v1/keys', fields: () => ({ principal: person.id }), owner: person.name, readOnly: kind === 'user' }));
    reloadRoles();
    if (kind === 'user')
        reloadSessions();
}

start(() => {
    const asked = new URLSearchParams(location.search);
    for (const kind of ['user', 'service'])
        if (asked.has(kind))
            return one(kind, asked.get(kind));
    return overview();
});
