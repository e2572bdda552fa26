// account: what a person can do for himself.
import { $, facts, fill, h, name, pill, when } from './dom.js';
import { all, del, patch, post, url } from './api.js';
import { addPasskey, addTotp, newRecoveryCodes } from './factors.js';
import { keySection, showSecret } from './keylist.js';
import { sessionColumns } from './sessions.js';
import { start } from './shell.js';
import { act, ask, dialog, empty, form, note, pending, say, section, table } from './ui.js';

const card = (title, ...children) => h('section', { class: 'card', 'aria-label': title }, h('h2', null, title), children);

function profile(me) {
    const roles = me.roles || [];
    return card('Profile', h('dl', { class: 'facts' },
        h('dt', null, 'Name'), h('dd', null, name(me.name)),
        h('dt', null, 'Shown as'), h('dd', null, name(me.display_name || me.name)),
        me.email && [h('dt', null, 'E-mail'), h('dd', null, name(me.email))],
        h('dt', null, 'Roles'), h('dd', null, roles.length ? h('ul', { class: 'chips' }, roles.map((r) => h('li', null, name(r.role || r)))) : h('span', { class: 'soft' }, 'none yet')),
        me.groups?.length ? [h('dt', null, 'Groups'), h('dd', null, name(me.groups.map((g) => g.name || g).join(', ')))] : null));
}

function password() {
    return card('Password', h('p', { class: 'soft' }, 'Changing it signs you out everywhere else.'), form([
        { name: 'current', label: 'Current password', kind: 'password', required: true, autocomplete: 'current-password', max: 1024 },
        { name: 'new', label: 'New password', kind: 'password', required: true, autocomplete: 'new-password', max: 1024, hint: 'At least 12 characters.' },
    ], 'Change the password', async (v, node) => {
        const { body } = await post('/v1/me/password', v, { proof: true });
        node.reset();
        say('good', 'The password is changed.', 'Other sessions of yours were ended.' + (body.keys ? ` ${body.keys} API keys of yours go on working: revoke below those that you do not know.` : ''));
    }));
}

function totp(me) {
    return card('Authenticator app', me.totp
        ? [h('p', null, pill('on'), ' Six-digit codes are asked for when you sign in.'), h('div', { class: 'bar' },
            act('Remove', 'the authenticator app', async () => {
                if (await ask('Remove the authenticator app?', 'Its codes will no longer sign you in. Without another second factor you may lose access to administration.', [], 'Remove', () => del('/v1/me/totp'), { danger: true }))
                    location.reload();
            }, 'bad'))]
        : [h('p', null, pill('off'), ' Not set up. It makes a stolen password worthless.'), h('div', { class: 'bar' },
            act('Set up', 'an authenticator app', async () => {
                if (await addTotp())
                    location.reload();
            }))]);
}

function recovery(me) {
    const left = me.recovery_codes;
    return card('Recovery codes', h('p', null, left === undefined ? 'For the day your second factor is lost.'
        : left > 0 ? `${left} unused code${left === 1 ? '' : 's'} left.` : [pill('none left', 'warn'), ' Without them a lost phone means asking an administrator.']),
    h('div', { class: 'bar' }, act('Make new codes', 'for recovery', async () => {
        if (!await ask('Make new recovery codes?', 'The codes you have now stop working at once.', [], 'Make new codes', () => true))
            return;
        await newRecoveryCodes();
        location.reload();
    })));
}

function passkeys() {
    const host = h('div');
    const reload = () => section(host, () => all('/v1/me/passkeys'), (items) => items.length === 0
        ? empty('No passkey yet.', 'A passkey signs you in without a password and cannot be phished.')
        : table('Passkeys', [
            ['Passkey', (p) => name(p.name)],
            ['Added', (p) => when(p.created)],
            ['Last used', (p) => when(p.used) || h('span', { class: 'soft' }, 'never')],
            ['Copies', (p) => p.backed_up ? 'synchronised' : 'this device only'],
            ['', (p) => [
                act('Rename', p.name, async () => {
                    if (await ask('Rename the passkey', [], [{ name: 'name', label: 'Name', required: true, value: p.name, max: 100 }], 'Rename',
                        (v) => patch(url`/v1/me/passkeys/${p.id}`, v)))
                        reload();
                }),
                act('Remove', p.name, async () => {
                    if (await ask('Remove the passkey?', [h('p', null, 'The passkey ', h('strong', null, name(p.name)), ' will no longer sign you in. Delete it on the device as well.')], [], 'Remove', () => del(url`/v1/me/passkeys/${p.id}`), { danger: true })) {
                        say('good', 'The passkey is removed.');
                        reload();
                    }
                }, 'bad')]],
        ], items));
    reload();
    return h('section', { class: 'card', 'aria-label': 'Passkeys' }, h('div', { class: 'headline' }, h('h2', null, 'Passkeys'),
        act('Add a passkey', '', async () => {
            if (await addPasskey()) {
                say('good', 'The passkey is added.', 'You can sign in with it from now on.');
                reload();
            }
        })), host);
}

function sessions() {
    const host = h('div');
    const reload = () => section(host, () => all('/v1/me/sessions'), (items) => table('Sessions', sessionColumns((s) => s.current ? null : act('End', `session of ${s.created?.slice(0, 19).replace('T', ' ')}`, async () => {
        await del(url`/v1/me/sessions/${s.id}`);
        say('good', 'The session is ended.');
        reload();
    }, 'bad')), items));
    reload();
    return h('section', { class: 'card', 'aria-label': 'Sessions' }, h('h2', null, 'Where you are signed in'), host);
}

function elevation() {
    return card('More access for a while', h('p', { class: 'soft' }, 'Ask for a role for a limited time. Somebody else approves it, and it ends by itself.'), form([
        { name: 'role', label: 'Role', required: true, options: ['viewer', 'user', 'ml-engineer', 'data-steward', 'red-teamer', 'auditor', 'operator', 'admin'] },
        { name: 'resource', label: 'Only for', hint: 'Such as model/gpt-* or dataset/claims. Empty: everything the role covers.', optional: true },
        { name: 'duration', label: 'For how long', kind: 'select', options: [['30m', '30 minutes'], ['1h', '1 hour'], ['2h', '2 hours'], ['4h', '4 hours'], ['8h', '8 hours']], value: '1h' },
        { name: 'reason', label: 'Why', kind: 'textarea', rows: 2, required: true, max: 500 },
    ], 'Ask for it', async (v, node) => {
        const answer = await post('/v1/me/elevations', { role: v.role, duration: v.duration, reason: v.reason, ...(v.resource ? { resource: v.resource } : {}) });
        node.reset();
        if (!pending(answer))
            say('good', 'The role is yours for a while.');
    }));
}

function breakGlass() {
    return h('section', { class: 'card grave', 'aria-label': 'Break glass' }, h('h2', null, 'Break glass'),
        h('p', { class: 'soft' }, 'For an emergency in which nobody can approve: takes administrator rights at once, for a short time. It raises an alarm and is reviewed afterwards.'),
        h('div', { class: 'bar' }, h('button', {
            type: 'button', class: 'bad', onclick: async () => {
                const answer = await ask('Break the glass?', [note('bad', h('p', null, h('strong', null, 'This raises an alarm.')),
                    h('p', null, 'You get administrator rights for a short time. Everything you do is recorded under your name, and others are told.'))],
                [{ name: 'reason', label: 'What is the emergency?', kind: 'textarea', required: true, max: 500 },
                    { name: 'sure', label: 'This is an emergency, and I cannot wait for an approval.', kind: 'check', required: true }],
                'Break the glass', (v) => post('/v1/me/break-glass', { reason: v.reason }), { danger: true });
                if (!answer)
                    return;
                const until = answer.body?.until;
                say('bad', 'The glass is broken: you have administrator rights.', until ? `They end by themselves at ${new Date(until).toLocaleTimeString()}.` : 'They end by themselves.');
            },
        }, 'Break glass …')));
}

// What this person asked for and a second person decides.
function requests() {
    const host = h('div');
    const card = h('section', { class: 'card', 'aria-label': 'Your requests', hidden: true }, h('h2', null, 'Your requests'),
        h('p', { class: 'soft' }, 'Changes of yours that a second person approves. What an approved one made is shown to you once.'), host);
    const reload = () => section(host, () => all('/v1/me/approvals'), (items) => {
        card.hidden = items.length === 0;
        return items.length && table('Your requests', [
            ['Change', (a) => [h('code', null, a.operation), a.reason ? h('span', { class: 'soft' }, name(a.reason)) : null]],
            ['Asked', (a) => when(a.created)], ['Ends', (a) => a.status === 'pending' ? when(a.expires) : null],
            ['Status', (a) => [pill(a.status), a.decided_reason ? h('span', { class: 'soft' }, name(a.decided_reason)) : null]],
            ['', (a) => a.status === 'pending' ? act('Withdraw', `${a.operation} of ${a.created.slice(0, 19)}`, async () => {
                await del(url`/v1/me/approvals/${a.id}`);
                say('good', 'The request is withdrawn.');
                reload();
            }, 'bad') : a.status === 'approved' ? act('Show the answer', `of ${a.operation} of ${a.created.slice(0, 19)}`, async () => {
                const { result } = (await post(url`/v1/me/approvals/${a.id}` + '/collect')).body;
                if (result.secret)
                    await showSecret(result);
                else
                    await dialog('The answer', (close) => [facts(result), h('div', { class: 'foot' }, h('button', { type: 'button', class: 'main', onclick: () => close(true) }, 'Close'))]);
            }) : null],
        ], items);
    });
    reload();
    return card;
}

start((me) => {
    const may = (action) => !me.may || me.may.includes(action);

    if (me.enrolling) { // nothing else is open to it
        location.replace('/enrol');
        return;
    }
    fill($('#content'),
        h('div', { class: 'pair' }, profile(me), password()),
        passkeys(),
        h('div', { class: 'pair' }, totp(me), recovery(me)),
        keySection({ path: '/v1/me/keys', own: true }),
        sessions(),
        requests(),
        (may('elevation.request') || may('break-glass.use')) && h('div', { class: 'pair uneven' }, may('elevation.request') && elevation(), may('break-glass.use') && breakGlass()));
});
